"""`holdfast config`: is the configuration good (`check`), what does it say (`show`), change it (`set`), what may stand in it (`schema`)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from holdfast import cli, config, settings
from holdfast.cli.client import Away, Client
from holdfast.cli.output import count, print_json
from holdfast.cli.place import door_of
from holdfast.cli.screen import plain
from holdfast.config import Config
from holdfast.errors import Request
from holdfast.invoked import command


def run(arguments: argparse.Namespace) -> int:
    path: Path | None = getattr(arguments, "config", None)
    match arguments.act:
        case "show":
            _show(path, as_json=arguments.json)
        case "set":
            _set(path, arguments.pairs)
        case "schema":
            print(settings.schema())
        case _:
            _check(path)
    return cli.ANSWERED


def _check(path: Path | None) -> None:
    """The running gateway looks itself, for it may have another environment than we; without one, we do."""
    found = config.load(path, os.environ)
    client = Client(door_of(found.data_dir))
    try:
        there = client.status().get("configuration", "")
        other = client.compared() if there == str(found.file) else None
    except Away:
        print(plain(_good(_rehearsed(path))))
        print("No gateway runs on it now: the next start takes it.")
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


def _rehearsed(path: Path | None) -> Config:
    from holdfast.reload import rehearsed  # noqa: PLC0415 the platforms take longer than the rest of the start

    found = rehearsed(path, os.environ)
    for warning in found.warnings:
        print(plain(f"Beware: {warning}"))
    return found


def _good(found: Config) -> str:
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


def _set(path: Path | None, pairs: list[str]) -> None:
    from holdfast.cli import editing  # noqa: PLC0415 its library is not needed elsewhere

    if len(pairs) % 2:
        raise Request(f"A setting and its value belong together, such as: {command('config')} set routes.main.model qwen3:8b")
    file, text = _there(path)
    edited = editing.edited(file, text, list(zip(pairs[::2], pairs[1::2], strict=True)), os.environ)
    if edited == text:
        print(plain(f"{file} says so already."))
        return
    kept = editing.put(file, edited)
    print(plain(f"Written: {file}" + (f"    (as it was: {kept})" if kept else "")))
    print(f"A gateway that runs takes it with `{command('reload')}`.")


def _there(path: Path | None) -> tuple[Path, str]:
    """The file, and what stands in it: nothing, if it is to be made."""
    file = config.file_of(path, os.environ)
    return config.text_of(file, os.environ) if file.exists() else (file, "")
