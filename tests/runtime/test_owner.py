from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from runtime_rig import GATE, Rig

from holdfast.core.entries import Delivered, Note, UserMessage
from holdfast.core.failure import Failure, Kind
from holdfast.core.request import Request, User
from holdfast.core.words import UNKNOWN_TRIES
from holdfast.errors import JournalFailed
from holdfast.ports import Accepted, Arrival
from holdfast.runtime.owner import Owner
from holdfast.runtime.weather import GateSettings, Weather
from holdfast.testing.clock import ManualClock
from holdfast.testing.memory_journal import MemoryDisk, MemoryJournal
from holdfast.testing.scripted_model import Say, Step
from holdfast.testing.sim import simulated

PLACE = ("web:notes", "web", "notes")


class Life:
    """One process after another, on the same disk and the same clock."""

    def __init__(self, places: Sequence[tuple[str, str, str]] = (PLACE,), fingerprint: str = "f1") -> None:
        self.disk, self.clock, self.places, self.fingerprint = MemoryDisk(), ManualClock(), places, fingerprint
        self.begin()

    def begin(self) -> None:
        self.journal = MemoryJournal(self.disk)
        gates = list(self.disk.gates.values())
        self.weather = Weather(self.journal, self.clock, lambda: 1.0, [GateSettings(GATE, self.fingerprint, 4)], gates)
        self.owner = Owner(self.places, self.accept, self.clock)
        self.weather.closed = self.owner.closed

    async def accept(self, arrivals: Sequence[Arrival]) -> tuple[Accepted, ...]:
        return await self.journal.ingest(arrivals)

    async def fails(self, kind: Kind, hint: float | None = None, why: str = "why") -> None:
        """The next try, when its time has come, fails."""
        self.clock.advance(max(self.weather.row(GATE).until - self.clock.now(), 1.0))
        await self.weather.failed(GATE, self.clock.now(), Failure(kind, hint, why))

    def told(self, conversation: str = "web:notes") -> list[str]:
        row = self.disk.conversations.get(conversation)
        return [entry.body.text for entry in row.entries if isinstance(entry.body, Note)] if row else []


@pytest.mark.parametrize("kind", ["config", "quota"])
async def test_what_only_an_owner_can_mend_is_said_once_for_each_closing_also_across_restarts(kind: Kind) -> None:
    life = Life()
    for _ in range(3):
        await life.fails(kind)
        await life.fails(kind)
        life.begin()
    (said,) = life.told()
    assert "main" in said and "why" in said
    await life.weather.succeeded(GATE, "a")
    await life.fails(kind)
    assert len(life.told()) == 2, "it was open meanwhile: this is another closing"


async def test_an_outage_and_a_limit_are_nothing_to_tell_an_owner() -> None:
    life = Life()
    for kind in ("transient", "rate-limit", "cut", "transient"):
        await life.fails(kind)
    assert life.told() == []


async def test_a_failure_that_nobody_knows_is_told_after_three_tries() -> None:
    life = Life()
    for tries in range(1, 6):
        await life.fails("unknown", why="a riddle")
        assert len(life.told()) == (tries >= UNKNOWN_TRIES), f"after {tries}"
    assert "a riddle" in life.told()[0]


async def test_who_was_killed_before_it_was_said_says_it_when_it_happens_again_under_the_same_key() -> None:
    life = Life()
    right, tried = life.owner._accept, list[Arrival]()

    async def killed(arrivals: Sequence[Arrival]) -> tuple[Accepted, ...]:
        tried.extend(arrivals)
        raise JournalFailed("the process was killed")

    life.owner._accept = killed
    with pytest.raises(JournalFailed):
        await life.fails("quota")
    assert life.disk.gates[GATE].kind == "quota", "the weather was written down first"
    assert life.told() == []
    life.owner._accept = right
    life.begin()
    await life.fails("quota")
    assert len(life.told()) == 1
    assert list(life.disk.arrivals) == [tried[0].dedupe]


async def test_another_configuration_that_is_wrong_too_is_told_anew() -> None:
    life = Life()
    await life.fails("config", why="bad key")
    life.fingerprint = "f2"
    life.begin()
    await life.fails("config", why="bad key")
    assert len(life.told()) == 2


async def test_an_outage_that_turns_out_to_be_a_mistake_is_told() -> None:
    life = Life()
    await life.fails("transient", why="refused")
    await life.fails("config", why="no such model")
    await life.fails("transient", why="refused")
    await life.fails("config", why="no such model")
    (said,) = life.told()
    assert "no such model" in said and "[routes.main]" in said


async def test_the_owner_is_told_wherever_he_wants_to_be_and_nowhere_else() -> None:
    life = Life((PLACE, ("chat:boss", "chat", "boss")))
    await life.fails("quota")
    assert life.told() == life.told("chat:boss") != []
    nowhere = Life(())
    await nowhere.fails("quota")
    assert nowhere.disk.conversations == {}


async def test_a_server_that_reads_less_than_it_is_sent_is_told_of_once_for_each_configuration() -> None:
    life = Life()
    for asked in (9000, 12_000):
        await life.owner.cut_short("main", "f1", asked, 2048)
        life.begin()
    (said,) = life.told()
    assert "context_tokens = 2000" in said and "9,000" in said
    await life.owner.cut_short("main", "f2", 9000, 4096)
    assert len(life.told()) == 2


@simulated
async def test_what_the_owner_is_told_is_delivered_owes_no_answer_and_is_shown_to_no_model() -> None:
    read: list[str] = []

    def script(request: Request) -> Step:
        read.extend(message.text for message in request.messages if isinstance(message, User))
        return Say(text="Yes.")

    rig = Rig(script)

    async def accept(arrivals: Sequence[Arrival]) -> tuple[Accepted, ...]:
        accepted = await rig.journal.ingest(arrivals)
        for one in accepted:
            rig.dispatch.arrived(one.conversation)
        return accepted

    owner = Owner([("fake:boss", "fake", "boss")], accept, rig.clock)
    async with rig.running():
        await owner.tell("a key", "There is something to mend.")
        await owner.tell("a key", "There is something to mend.")
        await asyncio.sleep(5)
        assert rig.shown("boss") == ["There is something to mend."]
        assert read == [] and rig.idle("boss")
        await rig.say("What was that?", chat="boss")
        await asyncio.sleep(5)
    assert rig.shown("boss") == ["There is something to mend.", "Yes."]
    assert read == ["What was that?"]
    assert len(rig.bodies(Delivered, "boss")) == 2 and len(rig.bodies(UserMessage, "boss")) == 1
