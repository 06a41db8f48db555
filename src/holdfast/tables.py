"""Reading the tables of the file: each into its type, and every mistake in them into a sentence that names the place and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, get_args, runtime_checkable

import msgspec

from holdfast import secrets
from holdfast.errors import Config
from holdfast.secrets import Secret
from holdfast.settings import schema_hook
from holdfast.values import NAME

NO_KEY: Final = "never the key itself: configurations get copied and shown. Put the key into a file that only you can read, and write the path of that file."

_Table = TypeVar("_Table", bound=msgspec.Struct)


@runtime_checkable
class Judge(Protocol):
    """A table that knows what has to be true of it as a whole."""

    @property
    def wrong(self) -> str:
        """What is missing, or contradicts itself, in a sentence; "" if nothing is."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, in a sentence, and where: in which table ("": at the top), at which key ("": in the table as a whole).

    `elsewhere`: only where the gateway is started one can tell, for it is about the environment there.
    """

    table: str
    key: str
    sentence: str
    elsewhere: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(part for text in (self.table, self.key) if text for part in text.split("."))


class Reading:
    """One file as it is read. What is wrong is collected; what is right is had all the same."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.mistakes: list[Mistake] = []

    def wrong(self, table: str, sentence: str, key: str = "") -> None:
        self.mistakes.append(Mistake(table, key, f"{self._file}: [{table}] {sentence}" if table else f"{self._file}: {sentence}"))

    def settle(self) -> None:
        """Raises `Config` with the first mistake, if there is one."""
        if self.mistakes:
            raise Config(self.mistakes[0].sentence)

    def tables(self, key: str, raw: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
        """The tables in this one, by name."""
        path, tables = path or key, raw.get(key, {})
        if not isinstance(tables, dict):
            self.wrong("", f"{path} must be tables, such as [{path}.main], not {plain(tables)}.", path)
            return
        for name, table in tables.items():
            if not self.is_name(path, name):
                continue
            if isinstance(table, dict):
                yield name, table
            else:
                self.wrong(path, f"{name} must be a table of its own, which begins with [{path}.{name}], not {plain(table)}.", name)

    def is_name(self, table: str, name: str) -> bool:
        if fits := bool(NAME.fullmatch(name)):
            return fits
        said = f"{name!r} can't be a name: use letters, digits, - and _, at most 32, and begin with a letter or digit."
        self.wrong(table, said, name)
        return False

    def table(self, table: str, raw: object, kind: type[_Table]) -> _Table:
        """What this table says, without what is wrong in it."""
        if not isinstance(raw, dict):
            self.wrong("", f"{table} must be a table, which begins with [{table}], not {plain(raw)}.", table)
            return kind()
        known = len(self.mistakes)
        self.known(table, raw, kind)
        types = fields(kind)
        values = {key: self.value(table, key, value, types[key]) for key, value in raw.items() if key in types}
        made = kind(**{key: value for key, value in values.items() if value is not None})
        if len(self.mistakes) == known and isinstance(made, Judge) and (wrong := made.wrong):
            self.wrong(table, wrong)
        return made

    def known(self, table: str, raw: Iterable[str], kind: type[msgspec.Struct]) -> None:
        names = fields(kind)
        for key in raw:
            if key not in names:
                self.wrong(table, f"there is no setting {key!r} here.{nearest(key, names)} The settings are: {', '.join(names)}.", key)

    def value(self, table: str, key: str, value: object, kind: Any) -> Any:
        """The value as this type; None if it can't be."""
        try:
            return msgspec.convert(value, kind, dec_hook=_reference)
        except msgspec.ValidationError:
            if _is_secret(kind) or key == "headers":  # it may be the key itself: never shown
                self.wrong(table, f"{key} must be {title(kind)}, {NO_KEY}", key)
            else:
                wrong = "but something in it is not" if isinstance(value, list | dict) and value else f"not {plain(value)}"
                self.wrong(table, f"{key} must be {title(kind)}, {wrong}.", key)
            return None


def _is_secret(kind: Any) -> bool:
    """Is it told where a secret is?"""
    return kind is Secret or any(map(_is_secret, get_args(kind)))


def _reference(kind: type, value: object) -> Secret:
    """Makes a `Secret` of its reference, for msgspec."""
    if kind is not Secret or not isinstance(value, str) or not re.match(secrets.REFERENCE, value):
        raise ValueError
    return Secret(value)


def fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The settings of a table, and their types."""
    return {one.name: one.type for one in msgspec.structs.fields(kind)}


def title(kind: Any) -> Any:
    """The title of a type, as it stands in the schema: its own, or that of the type it may be besides nothing."""
    schema = msgspec.json.schema(kind, schema_hook=schema_hook)
    return next(one["title"] for one in (schema, *schema.get("anyOf", ())) if "title" in one)


def nearest(name: str, names: Iterable[str]) -> str:
    """A question, after a blank, or "" if nothing is near."""
    import difflib  # noqa: PLC0415 -- seldom needed, and not free at start

    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def plain(value: object) -> str:
    """What was written, in plain words, short."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case "":
            return "an empty text"
        case str():
            return f"the text {value[:60]!r}" if "@" not in value else "this text"  # there may be a password before an @
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
        case _:
            return "a date"
