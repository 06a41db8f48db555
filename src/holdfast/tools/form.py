"""Forms as tool servers ask for them, put to a person as questions: a flat JSON Schema in, options and words out. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from holdfast.core.words import visible

CHOICES_MAX: Final = 50
LABEL_CHARS_MAX: Final = 200
DESCRIPTION_CHARS_MAX: Final = 1_000

DECLINE: Final = "decline"
SKIP: Final = "skip"
_OURS: Final = frozenset({DECLINE, SKIP})

Value = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked. `choices`: what may be chosen, as it is shown, and what it stands for; `several`: more than one of them."""

    name: str
    question: str
    kind: str
    choices: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    several: bool = False
    skips: bool = False
    default: Value | None = None
    least: float | None = None
    most: float | None = None
    format: str = ""

    @property
    def free(self) -> bool:
        """Words are an answer, and not only a choice."""
        return self.several or not self.choices

    @property
    def options(self) -> tuple[str, ...]:
        return (*(() if self.free else self.choices), *((SKIP,) if self.skips else ()), DECLINE)

    def read(self, said: str) -> Value | None:
        """What was said, as the server wants it; None for nothing. Raises `ValueError` with a sentence about what is wrong with it."""
        shown = f"“{visible(said.strip())[:LABEL_CHARS_MAX]}”"
        if self.skips and said.strip().casefold() == SKIP:
            return self.default
        if self.several:
            return self._chosen(said, shown)
        if self.choices:
            return self.choices[said]
        if self.kind in {"integer", "number"}:
            return self._number(said, shown)
        self._within(len(said), shown, "characters")
        if not _fits(said, self.format):
            raise ValueError(f"{shown} is no {self.format}.")
        return said

    def _chosen(self, said: str, shown: str) -> list[str]:
        words = [word for word in (one.strip() for one in said.split(",")) if word]
        if unknown := [word for word in words if word not in self.choices]:
            raise ValueError(f"“{visible(unknown[0])[:LABEL_CHARS_MAX]}” is none of: {', '.join(self.choices)}.")
        self._within(len(words), shown, "of them")
        return [str(self.choices[word]) for word in dict.fromkeys(words)]

    def _number(self, said: str, shown: str) -> int | float:
        try:
            number = int(said) if self.kind == "integer" else float(said)
        except ValueError:
            raise ValueError(f"{shown} is no {'whole number' if self.kind == 'integer' else 'number'}.") from None
        if not math.isfinite(number):
            raise ValueError(f"{shown} is no number.")
        self._within(number, shown, "")
        return number

    def _within(self, size: float, shown: str, unit: str) -> None:
        if self.least is not None and size < self.least:
            raise ValueError(f"{shown} is too little: it takes at least {self.least:g} {unit}".rstrip() + ".")
        if self.most is not None and size > self.most:
            raise ValueError(f"{shown} is too much: it takes at most {self.most:g} {unit}".rstrip() + ".")


def fields_of(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of a form, in their order. Raises `ValueError` with the reason, as the end of a sentence, if a person can't be asked for one."""
    properties = schema.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise ValueError("its schema has no properties")  # noqa: TRY004 it is a value of the wire
    return tuple(_field(name, one, required=name in _each(schema.get("required"))) for name, one in properties.items())


def _field(name: str, schema: Any, *, required: bool) -> Field:
    shown = visible(name)[:LABEL_CHARS_MAX]
    if not isinstance(schema, Mapping):
        raise ValueError(f"{shown} has no schema")  # noqa: TRY004 it is a value of the wire
    schema = _of_one_kind(schema)
    kind, default = str(schema.get("type")), _default(schema)
    choices, several = _choices(schema, kind)
    if len(choices) > CHOICES_MAX:
        raise ValueError(f"{shown} has {len(choices)} choices; at most {CHOICES_MAX} are shown")
    if not choices and kind not in {"string", "integer", "number"}:
        raise ValueError(f"{shown} is of a kind that can't be asked for ({visible(kind)[:LABEL_CHARS_MAX]})")
    least, most = _bounds(schema, kind)
    return Field(
        name=name,
        question=_question(shown, schema, choices, default, several=several),
        kind=kind,
        choices=choices,
        several=several,
        skips=not required or default is not None,
        default=default,
        least=least,
        most=most,
        format=str(schema.get("format") or ""),
    )


def _of_one_kind(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the ways in which some libraries write "or nothing"."""
    kinds = [kind for kind in _each(schema.get("type")) if kind != "null"]
    schemas = [one for one in _each(schema.get("anyOf")) if isinstance(one, Mapping) and one.get("type") != "null"]
    return {**schema, **({"type": kinds[0]} if len(kinds) == 1 else {}), **(schemas[0] if len(schemas) == 1 else {})}


def _default(schema: Mapping[str, Any]) -> Value | None:
    match schema.get("default"):
        case (str() | int() | float()) as default:
            return default
        case [*values] if values and all(isinstance(value, str) for value in values):
            return values
        case _:
            return None


def _choices(schema: Mapping[str, Any], kind: str) -> tuple[dict[str, Value], bool]:
    """What may be chosen, by how it is shown; and whether several may."""
    if kind == "boolean":
        return {"yes": True, "no": False}, False
    several = kind == "array"
    source = schema.get("items") if several else schema
    if not isinstance(source, Mapping):
        return {}, False
    titled = _each(source.get("oneOf")) or (_each(source.get("anyOf")) if several else [])
    pairs = [(one.get("title"), one.get("const")) for one in titled if isinstance(one, Mapping)]
    pairs += zip_longest(_each(source.get("enumNames")), _each(source.get("enum")))
    choices: dict[str, Value] = {}
    for title, value in pairs:
        if not isinstance(value, str):
            continue  # a title too many, or what a form has no place for
        label = _label(title or value)
        taken = label in choices or label.casefold() in _OURS or (several and "," in label)
        choices[f"{label} ({len(choices) + 1})".replace(",", ";") if taken else label] = value
    return choices, several


def _each(value: object) -> list[Any]:
    """A list, where the wire has one."""
    return value if isinstance(value, list) else []


def _label(value: object) -> str:
    return " ".join(visible(str(value)).split())[:LABEL_CHARS_MAX] or "(nothing)"


def _bounds(schema: Mapping[str, Any], kind: str) -> tuple[float | None, float | None]:
    names = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}.get(kind, ("minimum", "maximum"))
    least, most = (schema.get(name) for name in names)
    return (least if isinstance(least, int | float) else None), (most if isinstance(most, int | float) else None)


def _question(name: str, schema: Mapping[str, Any], choices: Mapping[str, Value], default: Value | None, *, several: bool) -> str:
    said = [_label(schema.get("title") or name)]
    if description := schema.get("description"):
        said.append(f": {visible(str(description))[:DESCRIPTION_CHARS_MAX]}")
    if several:
        said.append(f" (one or more of these, with commas between: {', '.join(choices)})")
    if default is not None:
        labels: dict[object, str] = {value: label for label, value in choices.items() if isinstance(value, str | bool)}
        values = default if isinstance(default, list) else [default]
        said.append(f" ({SKIP} means: {', '.join(labels.get(value) or _label(value) for value in values)})")
    return "".join(said)


def _fits(said: str, form: str) -> bool:
    """Is it a date, an address ...? What we don't know fits: the server looks too."""
    try:
        match form:
            case "date":
                date.fromisoformat(said)
            case "date-time":
                datetime.fromisoformat(said)
            case "email":
                name, at, host = said.rpartition("@")
                return bool(name and at and host) and not any(char.isspace() for char in said)
            case "uri":
                return bool(urlsplit(said).scheme) and not any(char.isspace() for char in said)
            case _:
                pass
    except ValueError:
        return False
    return True
