"""The schema of a tool's arguments, in a form that every provider takes. Pure.

One schema that a provider refuses fails every request that it is part of. Refused, by one or another: `anyOf` and its like at the top (OpenAI, Anthropic),
an array without items (OpenAI), a list of types, no type, an enumeration of numbers (Gemini), names of other characters, keywords as they were before
2020 (Anthropic), patterns with a look-ahead or without anchors, and large bounds (llama.cpp, which makes a grammar of them), references (several).

So no keywords are left but `type`, `properties`, `required`, `items`, `enum` of texts, `anyOf`, `description` and `examples`. What the others say, the
model is told in words. Nothing becomes stricter, but that what is left out is left out: it is never null. The server checks its arguments anyway.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

Schema = dict[str, Any]

DEPTHS: Final = (8, 4, 2, 1)
"""How deep a schema may be; the smaller ones if it is too large else."""
NODES_MAX: Final = 1_000
SCHEMA_CHARS_MAX: Final = 32_000
SAID_CHARS_MAX: Final = 200
DESCRIPTION_CHARS_MAX: Final = 2_000
EXAMPLES_CHARS_MAX: Final = 500
PROPERTY_CHARS_MAX: Final = 64

_valid: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_invalid: Final = re.compile(r"[^a-zA-Z0-9_.-]")
_SIMPLE: Final = ("string", "number", "integer", "boolean")
_SAID: Final = (
    *("format", "contentEncoding", "contentMediaType", "pattern", "minLength", "maxLength"),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "const", "enum", "default"),
)
_NO_BOUND: Final = 2**53 - 1
"""What some libraries write for want of a bound."""
_ONE: Final = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "object"}]
_ANY: Final = [*_ONE, {"type": "array", "items": {"anyOf": _ONE}}]


@dataclass(frozen=True, slots=True)
class Adapted:
    """A schema that every provider takes; what it can't say, in words; and the server's own names of arguments that are called otherwise in it."""

    schema: Schema
    words: str
    own_names: Mapping[str, str]


def adapted(schema: Schema) -> Adapted:
    """The schema of a tool's arguments as it may be sent. Any JSON object will do."""
    for depth in DEPTHS:
        with contextlib.suppress(RecursionError):  # nested without end, by other means than properties
            made = _Adapter(schema, depth).whole()
            if len(json.dumps(made.schema)) <= SCHEMA_CHARS_MAX:
                return made
    return Adapted({"type": "object", "properties": {}}, "What arguments it takes is too long to be shown.", {})


class _Adapter:
    def __init__(self, root: Schema, depth_max: int) -> None:
        self._root = root
        self._depth_max = depth_max
        self._nodes = 0

    def whole(self) -> Adapted:
        plain, seen = self._plain(self._root, frozenset({"#"}))
        made, words = self._object(plain, 0, seen)
        shown = {name: _shown(name) for name in made.get("properties", {})}
        properties = {shown[name]: value for name, value in made.get("properties", {}).items()}
        required = [shown[name] for name in made.get("required", ())]
        schema = {"type": "object", "properties": properties, **({"required": required} if required else {})}
        return Adapted(schema, words, {new: name for name, new in shown.items() if new != name})

    def _value(self, schema: Any, depth: int, seen: frozenset[str]) -> Schema:
        self._nodes += 1
        plain, seen = self._plain(schema, seen)
        kinds = _kinds(plain)
        if _branches(plain) and not _properties(plain):
            inherited = {"type": plain["type"]} if "type" in plain else {}
            made = _one_of([self._value({**inherited, **one}, depth, seen) for one in _branches(plain) if not _is_null(one)])
        elif len(kinds) > 1:
            made = _one_of([self._of_kind({**plain, "type": kind}, kind, depth, seen) for kind in kinds])
        elif kinds:
            made = self._of_kind(plain, kinds[0], depth, seen)
        else:
            made = {"anyOf": _ANY}
        return _described(made, plain)

    def _of_kind(self, plain: Schema, kind: str, depth: int, seen: frozenset[str]) -> Schema:
        deeper = depth < self._depth_max and self._nodes < NODES_MAX
        match kind:
            case "object" if deeper:
                made, words = self._object(plain, depth, seen)
                values = plain.get("additionalProperties")
                if isinstance(values, dict) and values:
                    words += f" Each value: {_cut(json.dumps(self._value(values, depth + 1, seen), ensure_ascii=False))}"
                return {**made, "description": words.strip()} if words else made
            case "array":
                items = plain.get("items", plain.get("prefixItems")) if deeper else None
                several = [self._value(one, depth + 1, seen) for one in items] if isinstance(items, list) else []
                one = self._value(items, depth + 1, seen) if isinstance(items, dict) else {"anyOf": _ONE}
                return {"type": "array", "items": _one_of(several) if several else one}
            case "string" if _texts(values := [value for value in _list(plain.get("enum", [plain.get("const")])) if value is not None]):
                return {"type": kind, "enum": list(dict.fromkeys(values))}
            case _:
                return {"type": kind}

    def _object(self, plain: Schema, depth: int, seen: frozenset[str]) -> tuple[Schema, str]:
        """An object, with the properties of all its branches; and which of them go together, in words."""
        branches = [self._plain(one, seen)[0] for one in _branches(plain) if not _is_null(one)]
        together = list(dict.fromkeys(", ".join(names) for one in branches if (names := _required(one))))
        found: dict[str, list[Any]] = {}
        for part in (*branches, plain):
            for name, value in _properties(part).items():
                found.setdefault(name, []).append(value)
        required = set(_required(plain)) | (set.intersection(*map(set, map(_required, branches))) if branches else set())
        properties: Schema = {}
        for name, values in found.items():
            different = [value for at, value in enumerate(values) if value not in values[:at]]
            properties[name] = self._value(different[0] if len(different) == 1 else {"anyOf": different}, depth + 1, seen)
            if name in required and any(_takes_null(self._plain(value, seen)[0]) for value in different):
                properties[name] = _one_of([properties[name], {"type": "null"}])
        needed = [name for name in properties if name in required]
        made = {"type": "object", **({"properties": properties} if properties else {}), **({"required": needed} if needed else {})}
        return made, f"Give {'; or '.join(together)}." if len(together) > 1 else ""

    def _plain(self, schema: Any, seen: frozenset[str]) -> tuple[Schema, frozenset[str]]:
        """The schema without references and `allOf`, and the references that were followed: none is twice, on the way to one place."""
        plain: Schema = schema if isinstance(schema, dict) else {}
        while self._nodes < NODES_MAX:
            self._nodes += 1
            rest = {key: value for key, value in plain.items() if key not in {"$ref", "allOf"}}
            if isinstance(reference := plain.get("$ref"), str):
                rest |= {"allOf": plain["allOf"]} if "allOf" in plain else {}
                target = self._target(reference)
                plain = {"type": target.get("type", "object"), **rest} if reference in seen else _joined(target, rest)
                seen |= {reference}
            elif isinstance(parts := plain.get("allOf"), list):
                for part in parts:
                    known, seen = self._plain(part, seen)
                    rest = _joined(known, rest)
                plain = rest
            else:
                break
        return plain, seen

    def _target(self, reference: str) -> Schema:
        """What a reference within the schema leads to."""
        found: Any = self._root
        for step in unquote(reference.partition("#")[2]).split("/")[1:] if reference.startswith("#") else ("?",):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) and name.isdecimal() and int(name) < len(found) else _dict(found).get(name)
        return _dict(found)


def _joined(under: Schema, over: Schema) -> Schema:
    """Both at once; where they differ, what is said over the other counts."""
    joined = {**under, **over}
    if properties := {**_properties(under), **_properties(over)}:
        joined["properties"] = properties
    if required := [*_required(under), *_required(over)]:
        joined["required"] = required
    return joined


def _kinds(plain: Schema) -> list[str]:
    """Its types but null; inferred where none is named."""
    named = plain.get("type")
    known = [kind for kind in (named if isinstance(named, list) else [named]) if kind in (*_SIMPLE, "object", "array")]
    if known:
        return list(dict.fromkeys(known))
    if _properties(plain) or "additionalProperties" in plain:
        return ["object"]
    if "items" in plain or "prefixItems" in plain:
        return ["array"]
    values = [plain["const"]] if "const" in plain else _list(plain.get("enum"))
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return list(dict.fromkeys(kinds[type(value)] for value in values if type(value) in kinds))


def _one_of(made: list[Schema]) -> Schema:
    """One of these; of enumerations, one of all their texts."""
    flat = [one for each in made for one in each.get("anyOf", [each])]
    if flat and all("enum" in one for one in flat):
        texts = list(dict.fromkeys(text for one in flat for text in one["enum"]))
        said = "; ".join(dict.fromkeys(one["description"] for one in flat if "description" in one))
        return {"type": "string", "enum": texts, **({"description": said} if said else {})}
    different: list[Schema] = [one for at, one in enumerate(flat) if one not in flat[:at]]
    match different:
        case []:
            return {"anyOf": _ANY}
        case [only]:
            return only
        case _:
            return {"anyOf": different}


def _described(made: Schema, plain: Schema) -> Schema:
    """With what is said of it; where it is one of several, with the first: some take no word beside `anyOf`."""
    own = plain.get("description")
    facts = ", ".join(_facts(made, plain))
    said = " ".join(filter(None, (own if isinstance(own, str) else "", f"({facts})" if facts else "")))
    if "anyOf" in made:
        first, *others = made["anyOf"]
        return {"anyOf": [_with(first, said), *others]}
    examples = plain.get("examples")
    shown = isinstance(examples, list) and examples and len(json.dumps(examples)) <= EXAMPLES_CHARS_MAX
    return {**_with(made, said), **({"examples": examples} if shown else {})}


def _with(made: Schema, said: str) -> Schema:
    words = " ".join(filter(None, (said, made.get("description", ""))))
    return {**made, "description": words[:DESCRIPTION_CHARS_MAX]} if words else made


def _facts(made: Schema, plain: Schema) -> Iterable[str]:
    for key in _SAID:
        value = plain.get(key)
        if value is None or (key in {"enum", "const"} and "enum" in made) or (isinstance(value, int) and abs(value) == _NO_BOUND):
            continue
        yield f"{key}: {_cut(value if key in {'format', 'pattern'} and isinstance(value, str) else json.dumps(value, ensure_ascii=False))}"


def _cut(text: str) -> str:
    return text if len(text) <= SAID_CHARS_MAX else text[: SAID_CHARS_MAX - 1] + "…"


def _shown(name: str) -> str:
    """The name under which the model knows an argument: its own, unless a provider refuses that."""
    if _valid.fullmatch(name):
        return name
    mark = "_" + sha256(name.encode(errors="replace")).hexdigest()[:8]
    return _invalid.sub("_", name)[: PROPERTY_CHARS_MAX - len(mark)] + mark


def _branches(plain: Schema) -> list[Schema]:
    return [one for key in ("anyOf", "oneOf") for one in _list(plain.get(key)) if isinstance(one, dict)]


def _is_null(schema: Schema) -> bool:
    return schema.get("type") in ("null", ["null"]) or schema.get("enum") == [None] or ("const" in schema and schema["const"] is None)


def _takes_null(plain: Schema) -> bool:
    return (
        any(map(_is_null, (plain, *_branches(plain))))
        or "null" in _list(plain.get("type"))
        or None in _list(plain.get("enum"))
        or plain.get("nullable") is True
    )


def _texts(values: list[Any]) -> bool:
    """Is this an enumeration of texts, none of them empty?"""
    return bool(values) and all(isinstance(value, str) and value for value in values)


def _properties(schema: Schema) -> Schema:
    return _dict(schema.get("properties"))


def _required(schema: Schema) -> list[str]:
    return [name for name in _list(schema.get("required")) if isinstance(name, str)]


def _dict(value: Any) -> Schema:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
