"""The kill sweep: the same conversations again and again, each time with the process killed at another place.

`python -m holdfast.testing.sweep NAME` is the long edition: every place, until a run comes to its end unharmed. (System calls need strace.)

One run: people talk in several conversations at once, with a tool that may be called again and one that must not, and send each message under
a key of its own until they are told that it is saved. The process dies, and is started again; when everything is at rest, the world outside
(`judge`) says what became of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeVar

from holdfast import failpoints
from holdfast.core.entries import Entry
from holdfast.ports import ConversationRow
from holdfast.testing.judge import Flaw, Seen, judge
from holdfast.testing.looking import LOOK_S, Looks
from holdfast.testing.process import COMMAND, Away, GatewayProcess, practice

REST_S_MAX: Final = 80.0
"""A run takes two seconds. One that is not at rest by then never will be, or the machine is hopeless."""
LIVES_MAX: Final = 12
KILLED: Final = -signal.SIGKILL
JOURNAL_FAILED: Final = 70

T = TypeVar("T")

# --- who talks, and what about --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Script:
    """What one person says in one conversation: each message when the one before is done with, or all `at_once`; the first with a `file`."""

    name: str
    texts: tuple[str, ...]
    at_once: bool = False
    file: bytes = b""


SCRIPTS: Final = (
    Script("a", ('use count {"key": "a1"}', 'use lookup {"key": "a2"} and count {"key": "a2"}'), file=b"What is counted counts."),
    Script("b", ('use count {"key": "b1"} and count {"key": "b2"}', "/help", "Thanks")),
    Script("c", ('use lookup {"key": "c1"}', 'use count {"key": "c2"}'), at_once=True),
)

# --- what goes wrong ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """What one life of the process suffers. `stop`: it is asked to go as soon as every message was taken."""

    prefix: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    stop: bool = False


def at_failpoint(name: str, passing: int = 1) -> Fault:
    """Killed when this point is passed for the `passing`-th time."""
    return Fault(environ={"HOLDFAST_FAILPOINT": f"{name}:{passing}"}, stop=name == "stop")


Calls = Literal["journal", "wire"]
CALLS: Final[Mapping[Calls, str]] = {"journal": "pwrite64,fdatasync,fsync,ftruncate,unlink", "wire": "sendto,write"}
"""The system calls that write: to the disk, and to clients and tool servers."""


def at_system_call(calls: Calls, when: str, effect: str = "signal=SIGKILL", only: Iterable[Path] = ()) -> Fault:
    """At the `when`-th of these calls that a thread of the process makes (its children are left alone), killed; or the call fails.

    `-D` makes the process itself, not its tracer, our child. `only` names the files that are meant.
    """
    paths = [word for path in only for word in ("-P", str(path))]
    options = ["-e", f"trace={CALLS[calls]}", "-e", f"inject={CALLS[calls]}:{effect}:when={when}", "-o", "/dev/null", *paths]
    return Fault(prefix=("strace", "-D", "-f", "-b", "execve", "-e", "signal=none", *options))


# --- one run --------------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Told:
    """What one conversation's clients were told: which keys were saved, and the entries that came to the one who follows."""

    saved: list[tuple[str, str]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `exits` are the exit codes of the lives, in order."""

    exits: tuple[int, ...]
    flaws: tuple[Flaw, ...]
    said: str

    @property
    def hit(self) -> bool:
        """Did the first life come to its end otherwise than in order?"""
        return self.exits[0] != 0


class Run:
    """One run in `folder`, which may hold a journal already. `backs_up`: each life begins with a backup, unless there is one."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str] = COMMAND,
        scripts: Sequence[Script] = SCRIPTS,
        config: str = "",
        *,
        backs_up: bool = False,
    ) -> None:
        self.effects = folder / "effects"
        backup = f'\n[backup]\ndir = "{folder}/backups"\n' if backs_up else ""
        self.gateway = GatewayProcess(folder, (config or practice(self.effects)) + backup, command)
        self._scripts = scripts
        self.told = {script.name: Told() for script in scripts}
        self._exits: list[int] = []

    async def through(self, *faults: Fault) -> Outcome:
        """Life after life, each with its fault, then without, until everything is at rest; then judge."""
        stuck = ""
        try:
            async with contextlib.AsyncExitStack() as owned:
                for script in self._scripts:
                    await owned.enter_async_context(_owned(self._follow(script.name)))
                try:
                    async with asyncio.timeout(REST_S_MAX):
                        await self._live(list(faults))
                except TimeoutError:
                    stuck = f"not at rest after {REST_S_MAX:g} s: {await self._rows()}"
                    self.gateway.kill()
                    self._exits.append(await self.gateway.ended())
            journal = await self.gateway.journal()
        finally:
            await self.gateway.end()
        saved = {name: told.saved for name, told in self.told.items()}
        followed = {name: tuple(told.entries) for name, told in self.told.items()}
        flaws = tuple(judge(journal, Seen(saved, followed, self.effects, stuck)))
        return Outcome(tuple(self._exits), flaws, self.gateway.said())

    async def _live(self, faults: list[Fault]) -> None:
        """Start it whenever it has ended, until every message was taken, nothing is owed, and it went in order when it was asked to."""
        async with _owned(self._talk()) as talk:
            while True:
                assert len(self._exits) < LIVES_MAX, f"it ended again and again: {self._exits}\n{self.gateway.said()}"
                fault = faults.pop(0) if faults else Fault()
                await self.gateway.start(*fault.prefix, environ=fault.environ)
                async with _owned(self._time_to_stop(talk, fault)) as time_to_stop, _owned(self.gateway.ended(REST_S_MAX)) as ended:
                    await asyncio.wait({time_to_stop, ended}, return_when=asyncio.FIRST_COMPLETED)
                    asked = not ended.done()
                    if asked:
                        time_to_stop.result()
                        with contextlib.suppress(ProcessLookupError):  # the fault may have come first
                            self.gateway.send_signal(signal.SIGTERM)
                    self._exits.append(await ended)
                if asked and self._exits[-1] == 0 and not fault.stop:
                    return

    async def _time_to_stop(self, talk: asyncio.Task[None], fault: Fault) -> None:
        if fault.stop:
            await self._until(lambda _: all(told.saved for told in self.told.values()))
            return
        await asyncio.wait({talk})
        talk.result()
        await self._until(lambda rows: all(_idle(row) for row in rows) and self._followed(rows))

    # --- people

    async def _talk(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for script in self._scripts:
                tasks.create_task(self._converse(script))

    async def _converse(self, script: Script) -> None:
        for number, text in enumerate(script.texts, 1):
            key = f"{script.name}{number}"
            await self._until_saved(script.name, key, text, script.file if number == 1 else b"")
            self.told[script.name].saved.append((key, text))
            if not script.at_once:
                await self._until(lambda rows: all(_idle(row) for row in rows if row.key.endswith(f":{script.name}")))

    async def _until_saved(self, name: str, key: str, text: str, file: bytes) -> None:
        while True:
            with contextlib.suppress(Away):
                files = [await self.gateway.door.upload("note.txt", file)] if file else []
                await self.gateway.door.send(name, key, text, *files)
                return
            await asyncio.sleep(LOOK_S)

    async def _follow(self, name: str) -> None:
        """As a reader does who was cut off: go on after the last entry that came."""
        entries = self.told[name].entries
        while True:
            with contextlib.suppress(Away):
                async for entry in self.gateway.door.follow(name, entries[-1].seq if entries else 0):
                    entries.append(entry)
            await asyncio.sleep(LOOK_S)

    # --- how it stands

    async def _until(self, true: Callable[[Sequence[ConversationRow]], bool]) -> None:
        """Return when the gateway is there and this is so."""
        looks = Looks()
        while True:
            rows = await self._rows()
            if rows is not None and true(rows):
                return
            await looks.pause()

    async def _rows(self) -> Sequence[ConversationRow] | None:
        with contextlib.suppress(Away):
            return await self.gateway.door.rows()
        return None

    def _followed(self, rows: Sequence[ConversationRow]) -> bool:
        """Have those who follow got everything?"""
        last = {name: told.entries[-1].seq if told.entries else 0 for name, told in self.told.items()}
        return all(last.get(row.key.rpartition(":")[2], row.last_seq) >= row.last_seq for row in rows)


def _idle(row: ConversationRow) -> bool:
    """Nothing is done or waited for, but perhaps a person's choice."""
    return not row.running and not row.turn_gate and not row.speech_gate and (row.due is None or row.due > time.time() + REST_S_MAX)


@contextlib.asynccontextmanager
async def _owned(work: Coroutine[None, None, T]) -> AsyncIterator[asyncio.Task[T]]:
    """A task that ends with the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# --- many runs ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Campaign:
    """Runs that are harmed at one system call after the other. `exit` is what the harmed life has to end with."""

    calls: Calls
    exit: int = KILLED
    error: str = ""
    fresh: bool = False
    """In an empty folder: the making of the journal is hit too."""

    def fault(self, number: int, data_dir: Path) -> Fault:
        match self.error:
            case "":
                return at_system_call(self.calls, str(number))
            case "ENOSPC":  # a disk that is full stays full
                return at_system_call(self.calls, f"{number}+", "error=ENOSPC", _journal_files(data_dir))
            case error:
                return at_system_call(self.calls, str(number), f"error={error}", _journal_files(data_dir))


CAMPAIGNS: Final = {
    "journal": Campaign("journal"),
    "fresh": Campaign("journal", fresh=True),
    "wire": Campaign("wire"),
    "EIO": Campaign("journal", JOURNAL_FAILED, "EIO"),
    "ENOSPC": Campaign("journal", JOURNAL_FAILED, "ENOSPC"),
}


def _journal_files(data_dir: Path) -> tuple[Path, ...]:
    return data_dir / "journal.db", data_dir / "journal.db-wal"


async def passes(folder: Path) -> Mapping[str, int]:
    """How often each failpoint is passed in a run that nothing disturbs."""
    log = folder / "passed"
    outcome = await Run(folder, backs_up=True).through(Fault(environ={"HOLDFAST_FAILPOINT_LOG": str(log)}))
    assert (outcome.exits, outcome.flaws) == ((0,), ()), outcome
    return Counter(log.read_text().split())


async def used(folder: Path) -> Path:
    """The data folder of a gateway that has been running: the schema is made, and the tools are known."""
    async with GatewayProcess(folder, practice(folder / "effects")) as gateway:
        await gateway.ready()
        await gateway.tools_ready()
        assert await gateway.stop() == 0
    return gateway.data_dir


async def system_calls(
    name: str, folder: Path, first: int, step: int, scripts: Sequence[Script] = SCRIPTS
) -> AsyncIterator[tuple[int, Outcome]]:
    """One run after the other, harmed at call `first`, `first + step` ..., up to and with one that comes to its end unharmed."""
    campaign = CAMPAIGNS[name]
    data_dir = None if campaign.fresh else await used(folder / "used")
    for number in itertools.count(first, step):
        place = folder / str(number)
        place.mkdir()
        if data_dir is not None:
            shutil.copytree(data_dir, place / "data")
        outcome = await Run(place, scripts=scripts).through(campaign.fault(number, place / "data"))
        yield number, outcome
        if not outcome.hit:
            return
        shutil.rmtree(place)


async def _failpoints(folder: Path) -> AsyncIterator[tuple[str, Outcome]]:
    """Every passing of every failpoint."""
    counts = await passes(folder / "0")
    for name in failpoints.NAMES:
        for passing in range(1, counts[name] + 1):
            place = folder / f"{name}:{passing}"
            place.mkdir()
            yield place.name, await Run(place, backs_up=True).through(at_failpoint(name, passing))


async def _main(name: str, first: int, step: int) -> int:
    flawed = runs = 0
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        sweep: AsyncIterator[tuple[object, Outcome]] = (
            _failpoints(Path(folder)) if name == "failpoints" else system_calls(name, Path(folder), first, step)
        )
        async for point, outcome in sweep:
            runs += 1
            flawed += bool(outcome.flaws)
            print(f"{name} {point}: lives ended with {outcome.exits} {outcome.flaws or 'no flaw'}", flush=True)  # noqa: T201 a report for who started it
    print(f"{runs} runs, {flawed} with flaws")  # noqa: T201
    return 1 if flawed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill the gateway at every place, and judge what became of its conversations.")
    parser.add_argument("name", choices=["failpoints", *CAMPAIGNS])
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the system call to begin with (default: 1)")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="harm every N-th only")
    options = parser.parse_args()
    sys.exit(asyncio.run(_main(options.name, options.first, options.step)))
