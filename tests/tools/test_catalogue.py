from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tools.catalogue import ABOUT_CHARS_MAX, DESCRIPTION_CHARS_MAX, Offered, catalogue, decode, encode, repeatable, tool_name
from holdfast.tools.settings import Command, Replay, ServerSettings


def test_a_plain_name_stays_as_it_is() -> None:
    assert tool_name("clock", "get_current_time") == "clock__get_current_time"


@pytest.mark.parametrize(
    ("server", "tool"),
    [("my.files", "read"), ("a", "read file"), ("a", "x" * 80), ("a__b", "c"), ("a_", "b"), ("größe", "größe"), ("1st", "b"), ("-", "b")],
)
def test_a_name_that_is_too_long_not_valid_or_ambiguous_gets_a_mark(server: str, tool: str) -> None:
    name = tool_name(server, tool)
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", name)
    assert re.search(r"_[0-9a-f]{8}$", name)


@given(st.lists(st.tuples(st.text("ab_.1", min_size=1, max_size=40), st.text("ab_.", max_size=40)), unique=True))
def test_different_tools_have_different_valid_names(tools: list[tuple[str, str]]) -> None:
    names = [tool_name(*tool) for tool in tools]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", name) for name in names)


READ_ONLY = Offered(name="t", schema={}, read_only_hint=True)
IDEMPOTENT = Offered(name="t", schema={}, idempotent_hint=True)
UNKNOWN = Offered(name="t", schema={})


@pytest.mark.parametrize(
    ("replay", "trusted", "offered", "expected"),
    [
        ("always", False, UNKNOWN, True),
        ("never", True, READ_ONLY, False),
        ("ask", True, IDEMPOTENT, False),
        (None, True, READ_ONLY, True),
        (None, True, IDEMPOTENT, True),
        (None, True, UNKNOWN, False),
        (None, False, READ_ONLY, False),
    ],
)
def test_the_configuration_decides_what_is_repeatable_then_a_trusted_servers_word_else_nothing_is(
    replay: Replay | None, trusted: bool, offered: Offered, expected: bool
) -> None:
    settings = ServerSettings("s", Command(("c",)), trust_annotations=trusted, replay={"t": replay} if replay else {})
    assert repeatable(settings, offered) is expected


def test_tools_come_in_the_order_of_servers_and_lists_and_the_first_of_one_name_counts() -> None:
    first = (
        Offered(name="b", schema={}, description="first"),
        Offered(name="a", schema={}),
        Offered(name="b", schema={}, description="second"),
    )
    entries = catalogue(
        [(ServerSettings("s", Command(("c",))), first), (ServerSettings("r", Command(("c",))), (Offered(name="b", schema={}),))]
    )
    assert list(entries) == ["s__b", "s__a", "r__b"]
    assert entries["s__b"].tool.description == "first"
    assert entries["s__b"].own_name == "b"


def test_a_description_without_end_is_cut() -> None:
    entries = catalogue([(ServerSettings("s", Command(("c",))), (Offered(name="b", schema={}, description="x" * 100_000),))])
    assert len(entries["s__b"].tool.description) == DESCRIPTION_CHARS_MAX


def test_at_a_glance_a_tool_has_its_policy_both_names_and_the_beginning_of_its_description() -> None:
    long = Offered(name="read file", description="Reads  a\nfile. " + "x" * 300 + "\n\nMore.", schema={}, idempotent_hint=True)
    settings = ServerSettings("files", Command(()), trust_annotations=True)
    (entry,) = catalogue([(settings, (long,))]).values()
    glance = entry.at_a_glance(left_out=True)
    assert (glance.name, glance.own_name) == (tool_name("files", "read file"), "read file")
    assert glance.about.startswith("Reads a file. xxx") and glance.about.endswith("x…") and len(glance.about) == ABOUT_CHARS_MAX
    assert (glance.policy, glance.repeatable, glance.left_out) == ("ask", True, True)


def test_every_schema_is_that_of_an_object_with_properties() -> None:
    entries = catalogue(
        [
            (
                ServerSettings("s", Command(("c",))),
                (Offered(name="a", schema={}), Offered(name="b", schema={"properties": {"x": {"type": "string"}}})),
            )
        ]
    )
    assert entries["s__a"].tool.schema == {"type": "object", "properties": {}}
    assert entries["s__b"].tool.schema == {"type": "object", "properties": {"x": {"type": "string"}}}


def test_a_list_survives_the_journal() -> None:
    offered = (Offered(name="b", schema={"type": "object", "properties": {"ä": {}}}, description="d", read_only_hint=True), UNKNOWN)
    assert decode(encode(offered)) == offered
    with pytest.raises(ValueError, match="Expected"):
        decode('{"tools": 1}')
