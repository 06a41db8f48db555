from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from holdfast.tools.form import CHOICES_MAX, DECLINE, fields_of

T = TypeVar("T")

WORDS = st.sampled_from(
    ["string", "integer", "number", "boolean", "array", "null", "decline", "Skip", "", "a, b", "\u202e", "x" * 300, "email", "date"]
)
KEYS = st.sampled_from(
    [
        "type",
        "enum",
        "enumNames",
        "oneOf",
        "anyOf",
        "items",
        "const",
        "title",
        "default",
        "minimum",
        "maxLength",
        "minItems",
        "format",
        "description",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def tried(act: Callable[[Any], T], given: Any) -> tuple[T | None, str]:
    """What comes of it, or why nothing does."""
    try:
        return act(given), ""
    except ValueError as failure:
        return None, str(failure)


@given(st.dictionaries(WORDS, VALUES, max_size=3), VALUES, st.lists(st.text(max_size=20) | WORDS, max_size=5))
def test_any_schema_gives_questions_that_can_be_asked_or_a_reason_and_any_words_a_value_or_a_reason(
    properties: dict[str, Any], required: Any, said: list[str]
) -> None:
    fields, reason = tried(fields_of, {"properties": properties, "required": required})
    assert fields is not None or reason
    for field in fields or ():
        assert field.options[-1] == DECLINE
        assert len(set(field.options)) == len(field.options) <= CHOICES_MAX + 2
        assert all(option.isprintable() and option for option in field.options)
        for words in (*field.options[:-1], *(said if field.free else ())):
            value, wrong = tried(field.read, words)
            assert not wrong or wrong.endswith(".")
            json.dumps(value, allow_nan=False)


def test_a_value_of_the_form_that_is_called_as_our_own_words_are_is_told_apart() -> None:
    (field,) = fields_of({"properties": {"a": {"type": "string", "enum": ["skip", "decline", "Decline"]}}})
    assert field.options == ("skip (1)", "decline (2)", "Decline (3)", "skip", "decline")
    assert [field.read(option) for option in field.options[:4]] == ["skip", "decline", "Decline", None]


def test_long_words_are_no_number_and_take_no_time() -> None:
    (field,) = fields_of({"properties": {"a": {"type": "integer"}}, "required": ["a"]})
    for words in ("9" * 5000, "9" * 60_000, "1_0", "٣"):
        assert len(tried(field.read, words)[1]) < 300
