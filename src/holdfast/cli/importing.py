"""`holdfast import hermes DIR` and `import jsonl FILE`: conversations from elsewhere, with their past. It says first what it would do."""

from __future__ import annotations

import argparse
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast import cli, config
from holdfast.cli.client import Away
from holdfast.cli.interrupted import saying
from holdfast.cli.jsonl import Found, conversations, found, name_of
from holdfast.cli.kept import Kept, Nothing, kept
from holdfast.cli.output import count, when
from holdfast.cli.questions import agree, somebody_is_there
from holdfast.cli.screen import plain
from holdfast.core.entries import Fetched, Forgotten, ToolResult
from holdfast.core.exported import Unusable
from holdfast.core.history import told, transcribed
from holdfast.errors import Request
from holdfast.invoked import command
from holdfast.web.wire import ACCOUNT, AUTHOR

SHOWN_MAX: Final = 20
"""So many that can't be read, or were forgotten, are named."""
NOTHING: Final = "Nothing was changed."

Source = Callable[[], Iterator[Found]]
"""Reads all conversations, one at a time; again from the beginning whenever it is called."""


def run(arguments: argparse.Namespace) -> int:
    if arguments.kind is None:
        raise Request(f"Say from where: `{command('import')} hermes DIR`, or `{command('import')} jsonl FILE`.")
    settings = config.load(getattr(arguments, "config", None), os.environ)
    with saying(NOTHING):
        source, left_out = _hermes(arguments.place) if arguments.kind == "hermes" else _jsonl(arguments.place)
        known = _known(settings.data_dir)
        plan = _planned(source(), known, {ACCOUNT, *settings.accounts})
        plan.left_out.update(left_out)
        plan.forgotten = _forgotten(settings.data_dir, [key for key in plan.here if key in known])
        for line in plan.told():
            print(plain(line))
        if plan.new and not arguments.yes and not somebody_is_there():
            again = shlex.join((arguments.kind, str(arguments.place), *_files_named(arguments)))
            raise Request(f"{NOTHING} To do it: {command('import')} {again} --yes")
        if plan.new:
            agree("Shall they come? (yes or no)", NOTHING, yes=arguments.yes)
    if plan.new:
        with (
            saying("What came so far is whole, and stays. The same command brings the others."),
            kept(settings.data_dir, make=True) as here,
        ):
            brought = _brought(here, source(), known, arguments.files)
        print(f"{count(brought, 'conversation')} came here. `{command('show')}` lists them.")
    return cli.WRONG if plan.broken else cli.ANSWERED


def _known(data_dir: Path) -> set[str]:
    """What is here already."""
    try:
        with kept(data_dir) as here:
            return {row.key for row in here.rows()}
    except Nothing:
        return set()


def _forgotten(data_dir: Path, keys: Sequence[str]) -> Mapping[str, float]:
    """Which of these were forgotten, and when."""
    if not keys:
        return {}
    with kept(data_dir) as here:
        firsts = ((key, next(here.entries(key), None)) for key in keys)
        return {key: first.at for key, first in firsts if first is not None and isinstance(first.body, Forgotten)}


def _files_named(arguments: argparse.Namespace) -> tuple[str, ...]:
    return ("--files", str(arguments.files)) if arguments.files else ()


# --- what would be done ---------------------------------------------------------------------------------------------------------------


@dataclass
class _Plan:
    new: int = 0
    messages: int = 0
    here: list[str] = field(default_factory=list)
    forgotten: Mapping[str, float] = field(default_factory=dict)
    empty: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def told(self) -> Iterator[str]:
        yield (
            f"{count(self.new, 'conversation')} with {count(self.messages, 'message')} would come here."
            if self.new
            else "Nothing new would come here."
        )
        if here := len(self.here) - len(self.forgotten):
            yield f"{count(here, 'conversation is', 'conversations are')} here already, and left as {'it is' if here == 1 else 'they are'}."
        if self.forgotten:
            yield f"{count(len(self.forgotten), 'conversation was', 'conversations were')} forgotten here, by your order, and {'stays' if len(self.forgotten) == 1 else 'stay'} forgotten:"
            yield from _some(f"{key}: on {when(at)}" for key, at in self.forgotten.items())
        for account, number in self.elsewhere.items():
            yield f"{count(number, 'conversation is', 'conversations are')} of the account {account}, which is not configured here: to be read, and gone on with once it is."
        if self.empty:
            self.left_out["conversations in which nothing was said"] += self.empty
        if self.left_out:
            yield "Left out:"
            yield from (f"    {one}" for one in told(self.left_out))
        if self.broken:
            yield f"{count(len(self.broken), 'conversation')} can't be read, and nothing of {'it' if len(self.broken) == 1 else 'them'} comes:"
            yield from _some(f"{name}: {why}" for name, why in self.broken)
        if self.new:
            yield "Texts are copied as they are, with whatever secrets stand in them. Nothing of them is run: what was not done there is not done here."


def _some(told: Iterable[str]) -> Iterator[str]:
    """The first of them, and how many more there are."""
    all_ = list(told)
    yield from (f"    {one}" for one in all_[:SHOWN_MAX])
    if len(all_) > SHOWN_MAX:
        yield f"    and {len(all_) - SHOWN_MAX:,} more"


def _planned(source: Iterator[Found], known: set[str], accounts: set[str]) -> _Plan:
    plan, coming = _Plan(), set[str]()
    for one in source:
        if one.why:
            plan.broken.append((one.name, one.why))
        elif one.head is None:
            plan.empty += 1
        elif one.head.conversation in known | coming:
            plan.here.append(one.head.conversation)
        else:
            coming.add(one.head.conversation)
            plan.new += 1
            plan.messages += one.messages
            plan.left_out.update(one.left_out)
            if one.head.account not in accounts:
                plan.elsewhere[one.head.account] += 1
    return plan


# --- doing it -------------------------------------------------------------------------------------------------------------------------


def _brought(here: Kept, source: Iterator[Found], known: set[str], files: Path | None) -> int:
    """How many came. Each comes whole, or not at all; what is here already is passed over, so that it can be done again."""
    done = 0
    for one in source:
        if one.head is None or one.head.conversation in known:
            continue
        try:
            if files is not None:
                _bring_files(here, one, files)
            done += here.adopt(one.head, one.entries)
        except Away as away:
            raise Away(f"{away} {count(done, 'conversation')} came before. The same command brings the others.") from away
    return done


def _bring_files(here: Kept, one: Found, folder: Path) -> None:
    """Those of the conversation that are in the folder, whatever comes after the sha256 in their names."""
    wanted = {entry.body.sha256 for entry in one.entries if isinstance(entry.body, Fetched) and entry.body.sha256}
    wanted |= {file.sha256 for entry in one.entries if isinstance(entry.body, ToolResult) for file in entry.body.files}
    for path in (path for path in sorted(folder.iterdir()) if path.stem in wanted):
        if here.put(path) != path.stem:
            raise Request(f"{path} is not the file that it is named after: its bytes are others. Nothing more was brought.")


# --- where from -----------------------------------------------------------------------------------------------------------------------


def _jsonl(file: Path) -> tuple[Source, Counter[str]]:
    return lambda: conversations(file), Counter()


def _hermes(place: Path) -> tuple[Source, Counter[str]]:
    from holdfast.store.hermes import NAME, Foreign  # noqa: PLC0415 brings the database along

    foreign = Foreign(place)
    print(plain(f"{foreign.file} of {NAME}:"))
    for other in foreign.profiles():
        print(plain(f"(The profile {other.name} there has conversations of its own: {command('import hermes')} {shlex.quote(str(other))})"))

    def source() -> Iterator[Found]:
        for chain in foreign.chains:
            try:
                done = transcribed(foreign.history(chain), AUTHOR)
                yield found(chain.id, name_of(f"hermes {chain.id}"), done.entries, done.messages, done.left_out)
            except (Request, Unusable) as error:
                yield Found(chain.id, why=str(error))

    return source, foreign.left_out
