"""`holdfast config`: is the configuration good (`check`), what does it say (`show`), change it (`set`, `unset`), what may stand in it (`schema`)."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import cli, config, settings
from holdfast.cli.client import Away, Client
from holdfast.cli.output import count, print_json
from holdfast.cli.place import door_of
from holdfast.cli.screen import plain
from holdfast.errors import Config, Request
from holdfast.invoked import command

if TYPE_CHECKING:
    from holdfast.cli.editing import Edited, Judge
    from holdfast.tables import Mistake


def run(arguments: argparse.Namespace) -> int:
    path: Path | None = getattr(arguments, "config", None)
    match arguments.act:
        case "show":
            _show(path, as_json=arguments.json)
        case "set":
            _set(path, arguments.pairs)
        case "unset":
            _unset(path, arguments.keys)
        case "schema":
            print(settings.schema())
        case _:
            _check(path)
    return cli.ANSWERED


def _check(path: Path | None) -> None:
    """The running gateway looks itself, for it may have another environment than we; without one, we do."""
    found, mistakes = config.judged(*config.text_of(path, os.environ), os.environ)
    _refuse(mistakes)
    try:
        there, other = _asked(found)
    except Away:
        print(plain(_good(_rehearsed(path))))
        print(plain(f"No gateway runs on {found.data_dir} now: the next start takes it."))
        return
    if other is None:
        print(plain(_good(_rehearsed(path))))
        print(plain(f"The running gateway has another configuration: {there or 'it does not say which'}."))
        return
    print(plain(_good(found)))
    if not other:
        print("The running gateway has it.")
        return
    print("The running gateway does not have it yet. What it would take:")
    for line in other:
        print(f"  {plain(line)}")
    print(f"To have it taken: {command('reload')}")


def _asked(found: config.Config) -> tuple[str, tuple[str, ...] | None]:
    """Which file the running gateway has, and what it would take of this one: None if that is not it. Raises `Away`, or `Config` if it can't take it."""
    client = Client(door_of(found.data_dir))
    there = client.status().get("configuration", "")
    return there, client.compared() if there == str(found.file) else None


def _rehearsed(path: Path | None) -> config.Config:
    from holdfast.reload import examined  # noqa: PLC0415 the platforms take longer than the rest of the start

    found, mistakes = examined(*config.text_of(path, os.environ), os.environ)
    _refuse(mistakes)
    for warning in found.warnings:
        print(plain(f"Beware: {warning}"))
    return found


def _refuse(mistakes: Sequence[Mistake]) -> None:
    """Raises `Config` with all of them, if there are any."""
    if mistakes:
        raise Config("\nAlso: ".join(mistake.sentence for mistake in mistakes))


def _good(found: config.Config) -> str:
    if not found.file.exists():
        return f"There is no {found.file}: everything has its default, and the practice model answers."
    parts = (count(len(found.routes), "route"), count(len(found.tools), "tool server"), count(len(found.accounts), "account"))
    return f"{found.file} is good: {', '.join(parts)}."


def _show(path: Path | None, *, as_json: bool) -> None:
    from holdfast.cli import shown  # noqa: PLC0415 the other acts do without

    file, text = config.text_of(path, os.environ)
    tables = shown.tables(config.read(file, text, os.environ))
    if as_json:
        print_json(tables)
    else:
        print(f"# {plain(str(file))}")
        print("\n".join(shown.lines(tables, text)))


# --- changes --------------------------------------------------------------------------------------------------------------------------


def _set(path: Path | None, pairs: list[str]) -> None:
    from holdfast.cli import editing  # noqa: PLC0415 its library is not needed elsewhere

    if len(pairs) % 2:
        raise Request(f"A setting and its value belong together, such as: {command('config')} set routes.main.model qwen3:8b")
    file, text = _there(path)
    _write(file, text, editing.with_settings(file, text, list(zip(pairs[::2], pairs[1::2], strict=True)), _judge(file)))


def _unset(path: Path | None, keys: list[str]) -> None:
    from holdfast.cli import editing  # noqa: PLC0415 as above

    file, text = _there(path)
    _write(file, text, editing.without(file, text, keys, _judge(file)))


def _there(path: Path | None) -> tuple[Path, str]:
    """The file, and what stands in it: nothing, if it is to be made."""
    file = config.file_of(path, os.environ)
    return config.text_of(file, os.environ) if file.exists() else (file, "")


def _judge(file: Path) -> Judge:
    from holdfast.reload import examined  # noqa: PLC0415 the platforms take longer than the rest of the start

    return lambda text: examined(file, text, os.environ)[1]


def _write(file: Path, text: str, edited: Edited) -> None:
    from holdfast.cli import editing  # noqa: PLC0415 as above

    if edited.text == text:
        print(plain(f"{file} says so already."))
    else:
        kept = editing.put(file, edited.text)
        print(plain(f"Written: {file}" + (f"    (as it was: {kept})" if kept else "")))
    doubts = _doubts(file, edited)
    for mistake in doubts:
        print(plain(f"Beware: {mistake.sentence}"))
    if edited.still:
        print("No gateway starts with it yet. This was wrong before, and still is:")
        for mistake in edited.still:
            print(plain(f"  {mistake.sentence}"))
    elif edited.text != text and not doubts:
        print(plain(_taken(file, text, edited.text)))


def _taken(file: Path, before: str, after: str) -> str:
    """How a gateway comes to have the change."""
    old, new = (config.judged(file, text, os.environ)[0].data_dir for text in (before, after))
    if old != new and (new / "journal.db").exists():
        return (
            f"It takes effect at a start: stop the gateway if it runs, and start it. It goes on with the journal that is in {new} already."
        )
    if old != new and old.exists():
        return f"It takes effect at a start: stop the gateway if it runs, move {old} to {new}, start it."
    return f"A gateway that runs takes it with `{command('reload')}`."


def _doubts(file: Path, edited: Edited) -> Sequence[Mistake]:
    """What is not in our environment may be in that of the gateway: it is asked, if it runs."""
    if edited.doubts and not edited.still:
        with contextlib.suppress(Away, Config):
            if _asked(config.load(file, os.environ))[1] is not None:
                return ()
    return edited.doubts
