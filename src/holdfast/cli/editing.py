"""Settings are changed in the file as it stands: comments, order and everything else stay. Nothing is written that is wrong; what was wrong before may stay."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from holdfast.cli.written import create, replace
from holdfast.errors import Config, Request
from holdfast.tables import Mistake, nearest
from holdfast.values import toml_key

AT_ONCE_MAX: Final = 20

Judge = Callable[[str], Sequence[Mistake]]
"""What is wrong with this text as the configuration."""


@dataclass(frozen=True, slots=True)
class Edited:
    """The new text. `still`: what is wrong in it, and was before. `doubts`: what it names anew that is not in our environment, and has to be in the gateway's."""

    text: str
    still: tuple[Mistake, ...]
    doubts: tuple[Mistake, ...]


def with_settings(file: Path, text: str, pairs: Sequence[tuple[str, str]], judge: Judge) -> Edited:
    """The text with these settings. A value is TOML, or the text itself where only that is right. Raises `Config` if that would be wrong."""
    _check(file, text, len(pairs))
    paths, before = [_path(key) for key, _ in pairs], judge(text)
    meant = [_meant(value) for _, value in pairs]
    edited, wrong = _judged(_with(file, text, list(zip(paths, meant, strict=True))), before, paths, judge)
    if wrong:
        plainly = [
            value if any(_touch(mistake.path, path) for mistake in wrong) else toml
            for (_, value), toml, path in zip(pairs, meant, paths, strict=True)
        ]
        if plainly != meant:
            again, wrong_again = _judged(_with(file, text, list(zip(paths, plainly, strict=True))), before, paths, judge)
            edited, wrong = (edited, wrong) if wrong_again else (again, wrong_again)
    return _right(edited, wrong)


def without(file: Path, text: str, keys: Sequence[str], judge: Judge) -> Edited:
    """The text without these settings, or tables. Raises `Config` if what is left would be wrong, `Request` if there is nothing of that name."""
    _check(file, text, len(keys))
    paths, new = [_path(key) for key in keys], text
    for path in paths:
        new = _without(file, new, path)
    return _right(*_judged(new, judge(text), paths, judge))


def _check(file: Path, text: str, number: int) -> None:
    if number > AT_ONCE_MAX:
        raise Request(f"So many at once are easier written into {file} itself.")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Config(f"{file} is not valid TOML: {error}. Correct that place first.") from error


def _judged(new: str, before: Sequence[Mistake], paths: Sequence[Sequence[str]], judge: Judge) -> tuple[Edited, list[Mistake]]:
    """What is wrong now and was not, or is of what is changed, is new, and told apart."""
    had, after = {mistake.path for mistake in before}, judge(new)
    fresh = [
        mistake
        for mistake in after
        if mistake not in before and (mistake.path not in had or any(mistake.path[: len(path)] == tuple(path) for path in paths))
    ]
    still = tuple(mistake for mistake in after if mistake not in fresh and not mistake.elsewhere)
    doubts = tuple(mistake for mistake in fresh if mistake.elsewhere)
    return Edited(new, still, doubts), [mistake for mistake in fresh if not mistake.elsewhere]


def _right(edited: Edited, wrong: Sequence[Mistake]) -> Edited:
    if wrong:
        raise Config(f"With this change no gateway could start. {wrong[0].sentence} Nothing was written.")
    return edited


def _touch(one: Sequence[str], other: Sequence[str]) -> bool:
    """Is one of these places within the other?"""
    return all(a == b for a, b in zip(one, other, strict=False))


def put(file: Path, text: str) -> Path | None:
    """Write it; returns where it is kept as it was. Raises `Config` if it can't be written."""
    there = file.resolve()  # what is only linked here stays where it is
    kept = there.with_name(f"{there.name}.bak")
    try:
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if there.exists():
            kept.unlink(missing_ok=True)
            create(kept, there.read_bytes())
        had = there.exists()
        replace(there, text, same_rights=True)
    except OSError as error:
        raise Config(
            f"{there} can't be written: {error.strerror}. Make it writable for this user, or name another file with --config."
        ) from error
    return kept if had else None


def _path(key: str) -> list[str]:
    """`routes.main.model`, as TOML writes it."""
    try:
        found: Any = tomllib.loads(f"{key} = 0") if key.isprintable() else {}
    except tomllib.TOMLDecodeError:
        found = {}
    if not found:
        raise Request(f"{key!r} is no setting. Write it with its table, such as routes.main.model.")
    path = []
    while isinstance(found, dict):
        ((name, found),) = found.items()
        path.append(name)
    return path


def _meant(value: str) -> Any:
    """As TOML, if it is that; else as it is."""
    try:
        meant = tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        return value
    return meant["x"] if len(meant) == 1 else value


def _with(file: Path, text: str, settings: Sequence[tuple[list[str], Any]]) -> str:
    """Raises `Request` where the file is written so that this can't be done without touching more."""
    document, expected = tomlkit.parse(text), deepcopy(tomllib.loads(text))
    try:
        for path, value in settings:
            _set(document, path, _inline(value))
            _set(expected, path, value)
        new = tomlkit.dumps(document)
        if tomllib.loads(new) == expected:
            return new
    except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise _by_hand(file, settings[0][0]) from error
    raise _by_hand(file, settings[0][0])


def _set(table: Any, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        if name not in table:
            table[name] = tomlkit.table() if isinstance(table, tomlkit.TOMLDocument) else {}
        table = table[name]
    table[path[-1]] = value


def _inline(value: Any) -> Any:
    """A table that is a value stays one, where it stands."""
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    table.update(value)
    return table


def _by_hand(file: Path, path: Sequence[str]) -> Request:
    return Request(f"{_key(path)} can't be changed in {file} as that is written. Change it there by hand.")


def _key(path: Sequence[str]) -> str:
    return ".".join(map(toml_key, path))


# --- without --------------------------------------------------------------------------------------------------------------------------


def _without(file: Path, text: str, path: Sequence[str]) -> str:
    expected = _deleted(file, tomllib.loads(text), path)
    for edit in (_cut, _unset):
        try:
            new = edit(text, path)
            if _bare(tomllib.loads(new), path) == expected:
                return new
        except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, TypeError):
            continue
    raise _by_hand(file, path)


def _deleted(file: Path, said: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    table: Any = said
    for name in path:
        if not isinstance(table, dict) or name not in table:
            near = nearest(name, table) if isinstance(table, dict) else ""
            raise Request(f"{_key(path)} does not stand in {file}.{near} Nothing was changed.")
        table = table[name]
    return _bare(said, path, delete=True)


def _bare(said: dict[str, Any], path: Sequence[str], *, delete: bool = False) -> dict[str, Any]:
    """Without the tables on the way that have nothing in them (any more): whether their heads stand there is all one."""
    if len(path) == 1:
        return {name: value for name, value in said.items() if name != path[0] or not delete}
    inner = said.get(path[0])
    if not isinstance(inner, dict):
        return said
    left = _bare(inner, path[1:], delete=delete)
    return {name: left if name == path[0] else value for name, value in said.items() if name != path[0] or left}


def _unset(text: str, path: Sequence[str]) -> str:
    document = tomlkit.parse(text)
    table: Any = document
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]
    return tomlkit.dumps(document)


def _cut(text: str, path: Sequence[str]) -> str:
    """Without a table that has heads of its own, and with the words above the next one left: tomlkit takes these for a part of this one."""
    lines = text.splitlines(keepends=True)
    heads = [(number, head) for number, line in enumerate(lines) if (head := _head(line))]
    for (begin, head), (end, _) in reversed(list(pairwise([*heads, (len(lines), [])]))):
        if head[: len(path)] == list(path):
            _remove(lines, _first(lines, begin), _last(lines, begin, _first(lines, end)))
    return "".join(lines)


def _remove(lines: list[str], begin: int, end: int) -> None:
    """Not two gaps where one was."""
    while end < len(lines) and not lines[end].strip() and (begin == 0 or not lines[begin - 1].strip()):
        end += 1
    lines[begin:end] = []


def _head(line: str) -> list[str]:
    """The path of the table that begins here."""
    if not line.lstrip().startswith("["):
        return []
    try:
        found: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return []
    path = []
    while isinstance(found, dict) and found:
        ((name, found),) = found.items()
        path.append(name)
    return path


def _first(lines: Sequence[str], head: int) -> int:
    """Where the words about a table begin: they stand directly above its head."""
    while 0 < head < len(lines) and lines[head - 1].lstrip().startswith("#"):
        head -= 1
    return head


def _last(lines: Sequence[str], head: int, end: int) -> int:
    """Where a table ends: words that stand apart after it are not about it."""
    said = next(number for number in range(end, head, -1) if lines[number - 1].strip() and not lines[number - 1].lstrip().startswith("#"))
    return next((number for number in range(said, end) if not lines[number].strip()), end)
