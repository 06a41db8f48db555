"""What one provider or another refuses; each was met in the wild, and failed every request (of the kin of LEDGER H-44)."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.tools.schemas import DESCRIPTION_CHARS_MAX, EXAMPLES_CHARS_MAX, SCHEMA_CHARS_MAX, Schema, adapted

ONE = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "object"}]
ANYTHING = {"anyOf": [*ONE, {"type": "array", "items": {"anyOf": ONE}}]}


def form(schema: Any) -> Schema:
    return adapted(schema).schema


def argument(schema: Any, **root: Any) -> Any:
    return form({"type": "object", "properties": {"x": schema}, **root})["properties"]["x"]


def taken_by_all(schema: Schema, top: bool = True) -> None:
    """As the strictest of each kind would have it."""
    if top:
        assert schema["type"] == "object" and "properties" in schema and set(schema) <= {"type", "properties", "required"}
        assert all(
            0 < len(name) <= 64 and set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
            for name in schema["properties"]
        )
    if "anyOf" in schema:
        assert set(schema) == {"anyOf"} and len(schema["anyOf"]) > 1
        for one in schema["anyOf"]:
            assert "anyOf" not in one
            taken_by_all(one, top=False)
        return
    assert set(schema) <= {"type", "description", "properties", "required", "items", "enum", "examples"}
    assert schema["type"] in {"string", "number", "integer", "boolean", "object", "array", "null"}
    assert len(schema.get("description", "")) <= DESCRIPTION_CHARS_MAX
    assert ("items" in schema) == (schema["type"] == "array")
    assert all(isinstance(one, str) and one for one in schema.get("enum", ())) and schema.get("enum") != []
    assert set(schema.get("required", ())) <= set(schema.get("properties", {})) and schema.get("required") != []
    for inner in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        taken_by_all(inner, top=False)


REFUSED: list[tuple[Any, Any]] = [
    # nothing to say, or nothing that can be read
    ({}, ANYTHING),
    (True, ANYTHING),
    (None, ANYTHING),
    ({"type": "any"}, ANYTHING),
    ({"type": {}}, ANYTHING),
    ({"type": "null"}, ANYTHING),
    # types
    ({"type": ["string", "null"]}, {"type": "string"}),
    ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ({"properties": {"a": {"type": "string"}}}, {"type": "object", "properties": {"a": {"type": "string"}}}),
    ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    ({"items": {"type": "integer"}}, {"type": "array", "items": {"type": "integer"}}),
    # arrays
    ({"type": "array"}, {"type": "array", "items": {"anyOf": ONE}}),
    (
        {"type": "array", "items": [{"type": "string"}, {"type": "number"}]},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
    ),
    ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}, {"type": "array", "items": {"type": "number"}}),
    # enumerations
    ({"type": "integer", "enum": [0, 1, 2]}, {"type": "integer", "description": "(enum: [0, 1, 2])"}),
    ({"type": "string", "enum": ["", "a"]}, {"type": "string", "description": '(enum: ["", "a"])'}),
    ({"type": ["string", "null"], "enum": ["a", None]}, {"type": "string", "enum": ["a"]}),
    ({"const": "a"}, {"type": "string", "enum": ["a"]}),
    ({"const": 5}, {"type": "integer", "description": "(const: 5)"}),
    ({"anyOf": [{"const": "a"}, {"const": "b"}]}, {"type": "string", "enum": ["a", "b"]}),
    # one of several
    ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, {"type": "string"}),
    (
        {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}], "description": "One or more"},
        {"anyOf": [{"type": "string", "description": "One or more"}, {"type": "array", "items": {"type": "string"}}]},
    ),
    (
        {"type": "string", "anyOf": [{"maxLength": 3}, {"pattern": "^a$"}]},
        {"anyOf": [{"type": "string", "description": "(maxLength: 3)"}, {"type": "string", "description": "(pattern: ^a$)"}]},
    ),
    ({"allOf": [{"type": "string"}], "description": "d"}, {"type": "string", "description": "d"}),
    (
        {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "string"}}}]},
        {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}, "required": ["a"]},
    ),
    # what a grammar is made of
    (
        {"type": "string", "format": "email", "pattern": r"^(?!\.).+@.+", "maxLength": 10_000},
        {"type": "string", "description": r"(format: email, pattern: ^(?!\.).+@.+, maxLength: 10000)"},
    ),
    (
        {"type": "integer", "minimum": 1, "maximum": 2**53 - 1, "default": 20},
        {"type": "integer", "description": "(minimum: 1, default: 20)"},
    ),
    ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, {"type": "number", "description": "(minimum: 0, exclusiveMinimum: true)"}),
    # malformed
    ({"type": "object", "properties": None, "required": None}, {"type": "object"}),
    (
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": True},
        {"type": "object", "properties": {"a": {"type": "string"}}},
    ),
    ({"type": "object", "properties": {}, "required": ["gone"]}, {"type": "object"}),
    ({"type": "string", "description": None, "title": "X"}, {"type": "string"}),
    # values by any key
    (
        {"type": "object", "additionalProperties": {"type": "integer"}, "description": "Counts."},
        {"type": "object", "description": 'Counts. Each value: {"type": "integer"}'},
    ),
    ({"type": "string", "examples": ["a"]}, {"type": "string", "examples": ["a"]}),
    ({"type": "string", "examples": ["a" * EXAMPLES_CHARS_MAX]}, {"type": "string"}),
]


@pytest.mark.parametrize(("refused", "taken"), REFUSED)
def test_what_a_provider_refuses_is_said_as_all_take_it(refused: Any, taken: Any) -> None:
    assert argument(refused) == taken


def test_what_may_be_null_and_has_to_be_given_may_be_null() -> None:
    schema = {"type": "object", "properties": {"x": {"type": ["string", "null"]}}, "required": ["x"]}
    assert form(schema)["properties"]["x"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_references_are_followed_and_what_contains_itself_ends() -> None:
    point = {"type": "object", "properties": {"at": {"$ref": "#/$defs/Number", "description": "where"}}, "required": ["at"]}
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "all": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}
    definitions = {"Point": point, "Node": node, "Number": {"type": "number"}, "a/b": {"type": "boolean"}}
    assert argument({"$ref": "#/$defs/Point"}, **{"$defs": definitions}) == {
        "type": "object",
        "properties": {"at": {"type": "number", "description": "where"}},
        "required": ["at"],
    }
    assert argument({"$ref": "#/$defs/a~1b"}, **{"$defs": definitions}) == {"type": "boolean"}
    assert argument({"$ref": "#/$defs/Node"}, **{"$defs": definitions}) == {
        "type": "object",
        "properties": {"next": {"type": "object"}, "all": {"type": "array", "items": {"type": "object"}}},
    }
    assert argument({"$ref": "#"}) == {"type": "object"}
    for nowhere in ("#/$defs/Gone", "https://example.org/schema", "#/required/7", ""):
        assert argument({"$ref": nowhere}, required=["x"]) == ANYTHING


def test_what_goes_together_at_the_top_is_said_in_words() -> None:
    version = {"type": "string"}
    made = adapted(
        {
            "type": "object",
            "properties": {"version": version, "from": version, "to": version},
            "anyOf": [{"required": ["version"]}, {"required": ["from", "to"]}],
        }
    )
    assert made.schema == {"type": "object", "properties": {"version": version, "from": version, "to": version}}
    assert made.words == "Give version; or from, to."


def test_kinds_of_objects_become_one_with_all_they_have() -> None:
    circle = {"type": "object", "properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}}, "required": ["kind", "radius"]}
    square = {"type": "object", "properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"]}
    assert form({"oneOf": [circle, square]}) == {
        "type": "object",
        "properties": {"kind": {"type": "string", "enum": ["circle", "square"]}, "radius": {"type": "number"}, "side": {"type": "number"}},
        "required": ["kind"],
    }
    assert len(argument({"oneOf": [circle, square]})["anyOf"]) == 2


def test_arguments_of_names_that_are_refused_are_called_otherwise_and_the_servers_own_is_known() -> None:
    made = adapted(
        {"type": "object", "properties": {"ok.a-b_1": {}, "filter[name]": {}, "größe": {}, "x" * 70: {}}, "required": ["filter[name]"]}
    )
    taken_by_all(made.schema)
    renamed = [name for name in made.schema["properties"] if name != "ok.a-b_1"]
    assert [made.own_names[name] for name in renamed] == ["filter[name]", "größe", "x" * 70]
    assert made.schema["required"] == renamed[:1]


def test_what_is_too_deep_or_too_large_is_shown_less_deep() -> None:
    deep: Schema = {"type": "string"}
    for _ in range(50):
        deep = {"type": "object", "properties": {"x": deep}}
    taken_by_all(form(deep))
    assert json.dumps(form(deep)).count("properties") == 8
    wide = {"type": "object", "properties": {f"argument_{number}": {"type": "string", "description": "d" * 30} for number in range(100)}}
    large = {"type": "object", "properties": {f"group_{number}": wide for number in range(20)}}
    assert form(large)["properties"]["group_7"] == {"type": "object"}
    assert adapted({"type": "object", "properties": {f"argument_{number}": {"description": "d" * 300} for number in range(500)}}).words
    doubled = {f"D{number}": {"properties": {side: {"$ref": f"#/$defs/D{number + 1}"} for side in "lr"}} for number in range(40)}
    taken_by_all(argument({"$ref": "#/$defs/D0"}, **{"$defs": doubled}), top=False)
    nested: Any = {"type": "string"}
    for _ in range(5_000):
        nested = {"allOf": [nested]}
    taken_by_all(form({"properties": {"x": nested}}))


KEYS = st.sampled_from(
    [
        "$ref",
        "$defs",
        "type",
        "properties",
        "required",
        "items",
        "prefixItems",
        "anyOf",
        "oneOf",
        "allOf",
        "enum",
        "const",
        "default",
        "description",
        "format",
        "pattern",
        "minimum",
        "a",
        "b",
    ]
)
WORDS = st.sampled_from(["string", "object", "array", "integer", "null", "any", "a", "b", "#", "#/$defs/a", "#/properties/b", "", "größe"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WORDS, inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, JSON, max_size=6))
def test_whatever_a_server_says_is_taken_by_all(schema: Schema) -> None:
    before = json.dumps(schema)
    made = adapted(schema)
    taken_by_all(made.schema)
    jsonschema.Draft202012Validator.check_schema(made.schema)
    assert len(json.dumps(made.schema)) <= SCHEMA_CHARS_MAX
    assert adapted(schema) == made and json.dumps(schema) == before
    assert form(made.schema) == made.schema, "what all take is left as it is"


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {"x": {"type": ["string", "integer"], "maxLength": 3}}}, {"x": 5}),
        ({"properties": {"x": {}}}, {"x": {"a": [1]}}),
        ({"properties": {"x": {"enum": [1, "a", ""]}}}, {"x": ""}),
        ({"properties": {"x": {"type": "object", "additionalProperties": {"type": "integer"}}}}, {"x": {"a": 1}}),
        (
            {"anyOf": [{"required": ["x"]}, {"required": ["y"]}], "properties": {"x": {"type": "string"}, "y": {"type": "string"}}},
            {"y": "b"},
        ),
        ({"properties": {"x": {"type": ["string", "null"]}}, "required": ["x"]}, {"x": None}),
        ({"properties": {"x": {"prefixItems": [{"type": "string"}, {"type": "integer"}]}}}, {"x": ["a", 1]}),
    ],
)
def test_what_a_server_takes_may_still_be_given(schema: Schema, arguments: Schema) -> None:
    jsonschema.validate(arguments, schema)
    jsonschema.validate(arguments, form(schema))
