"""Advance one conversation: read, decide, act, append, until nothing is owed.

    while the lease holds:
        read; wanted, held, waits = steps(...)
        cancel(running - wanted - held)
        start(wanted - running)                        # the intention first; refused -> read again
        if nothing runs and release(waits): return     # refused if anything arrived -> read again
        wait for the first of: a step ended, a wake, the earliest instant

That is all. A crash, a restart, an outage and a new configuration are the same thing: this loop entered again. A fact and the intention that it
leads to go in one commit; if the intention is refused because something arrived, the fact goes alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from holdfast.core import turn, words
from holdfast.core.entries import Entry, Fact, Intention, Notice, Question, ends_an_attempt
from holdfast.core.records import Asked
from holdfast.core.steps import Decision, Deliver, Finish, LookUp, Step, Write
from holdfast.core.transcript import Transcript
from holdfast.core.world import World
from holdfast.ports import Appended, Clock, Journal, Lease, Release

Facts = tuple[Fact | Question, ...]


class Midway(Protocol):
    """What a step may have committed before it has ended."""

    async def ask(self, question: Question) -> Asked:
        """Ask a person. Returns what became of it."""

    async def start(self, intention: Intention) -> bool:
        """Write down what is about to be said. False: it must not be now; something has arrived meanwhile, or is still to be said before."""

    async def add(self, fact: Fact) -> None:
        """Write down what happened."""


WAKE_S_MAX: Final = 300.0
"""However far away the instant that is waited for: the clock is looked at this often, for it may be set."""


class Hands(Protocol):
    """What a worker needs of the world: how it stands, and somebody to do the steps (`runtime/acts.py`)."""

    def world(self, lease: Lease, attempts: int, transcript: Transcript) -> World:
        """The weather and the policy for this conversation and its people, now."""

    async def perform(self, lease: Lease, transcript: Transcript, step: Step, midway: Midway) -> Facts:
        """Do a step, and say what happened."""

    def appended(self, lease: Lease, appended: Appended) -> None:
        """The conversation was let go, or entries were committed: whoever follows it may read them."""

    def written(self, lease: Lease, step: Write) -> None:
        """This step is done: it was committed."""


_Body = TypeVar("_Body", bound=Fact | Intention)


@dataclass(slots=True)
class _Said(Generic[_Body]):
    """What a step has to say before it ends, and who waits for its being written down."""

    body: _Body
    written: asyncio.Future[bool]


@dataclass(slots=True)
class _Running:
    task: asyncio.Task[None]
    facts: Facts | None = None
    cancelled: bool = False


def _waited_for(said: list[_Said[_Body]]) -> list[_Said[_Body]]:
    """What steps under way want written down, as far as they still wait for it."""
    said[:] = [one for one in said if not one.written.done()]
    return list(said)


def _written(said: list[_Said[_Body]], *, taken: bool) -> None:
    for one in said:
        if not one.written.done():
            one.written.set_result(taken)


class Worker:
    """One claimed conversation."""

    def __init__(self, lease: Lease, journal: Journal, clock: Clock, hands: Hands) -> None:
        self.lease = lease
        self.waits_at_gate = False
        self._journal, self._clock, self._hands = journal, clock, hands
        self._attempts = lease.attempts
        self._transcript = Transcript()
        self._wakes = 0
        self._running: dict[Step, _Running] = {}
        self._said: list[_Said[Fact | Question]] = []
        self._meant: list[_Said[Intention]] = []
        self._answers: dict[int, asyncio.Future[Asked]] = {}  # of questions not yet written down, by their `id()`
        self._asked: dict[int, asyncio.Future[Asked]] = {}  # by the question's seq
        self._woken = asyncio.Event()
        self._unread = True
        self._stopping = False

    def wake(self) -> None:
        """Something arrived, or the weather changed: look again. Always harmless."""
        self._unread = True
        self._woken.set()

    def stop(self) -> None:
        """The gateway stops: start nothing more, let sends in flight finish, let go."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Until nothing is owed, or only waited for. Raises `LeaseLost` or `JournalFailed`; any other error is a bug."""
        async with asyncio.TaskGroup() as tasks:
            while not await self._advance(tasks):
                pass

    async def _advance(self, tasks: asyncio.TaskGroup) -> bool:
        """Once around the loop. True when the lease has been released."""
        self._woken.clear()
        if self._unread:
            await self._read()
        self._answer()
        facts = self._collect()
        now = self._clock.now()
        decided_on = self._predicted(facts, now)
        decision = self._decide(decided_on, now)
        self._cancel(decision)
        starts = self._startable(decision)
        taken_back = self._taken_back(decided_on)
        meant = _waited_for(self._meant)
        if self._stopping or decided_on.speech or any(running.cancelled for running in self._running.values()):
            _written(meant, taken=False)  # what was said before comes first
            meant = []
        intentions = [*taken_back, *(one.body for one in meant), *(body for step in starts for body in step.first)]
        release = None if self._running or starts else self._release(decision, decided_on, now)
        if facts or intentions or release is not None:
            appended = await self._append(now, facts, intentions, release)
            _written(meant, taken=appended.intended)
            if appended.released:
                return True
            if appended.wakes != self._wakes:
                self._unread = True  # something arrived: its seq lies among ours
                return False
            decided_on.extend(appended.entries[len(facts) :])
            self._transcript = decided_on
        self._start(tasks, starts)
        if not taken_back and not any(isinstance(step, Write) for step in starts) and release is None:
            await self._wait(decision)
        return False

    async def _read(self) -> None:
        self._unread = False
        after = self._transcript.last_seq or self.lease.floor - 1
        snapshot = await self._journal.read(self.lease.conversation, max(after, 0))
        self._transcript.extend(snapshot.entries)
        self._wakes = snapshot.wakes

    def _collect(self) -> Facts:
        """What the steps that ended have to say, and what those under way ask. A cancelled step says nothing."""
        ended = [(step, running) for step, running in self._running.items() if running.task.done()]
        for step, _ in ended:
            del self._running[step]
        said = (one.body for one in _waited_for(self._said))
        return (*(fact for _, running in ended for fact in running.facts or ()), *said)

    async def _have_written(self, said: list[_Said[_Body]], body: _Body) -> bool:
        """Have this written down by the loop, the only one who writes."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        said.append(_Said(body, written))
        self._woken.set()
        return await written

    async def ask(self, question: Question) -> Asked:
        """See `Midway`."""
        answer: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda _: self._woken.set())
        self._answers[id(question)] = answer
        try:
            await self._have_written(self._said, question)
            return await answer
        finally:
            answer.cancel()
            self._answers.pop(id(question), None)

    async def start(self, intention: Intention) -> bool:
        """See `Midway`."""
        return await self._have_written(self._meant, intention)

    async def add(self, fact: Fact) -> None:
        """See `Midway`."""
        await self._have_written(self._said, fact)

    def _answer(self) -> None:
        """Tell the steps that asked what became of their questions."""
        for seq, answer in list(self._asked.items()):
            asked = self._transcript.questions[seq]
            if asked.closed:
                del self._asked[seq]
                if not answer.done():
                    answer.set_result(asked)

    def _taken_back(self, transcript: Transcript) -> list[Intention]:
        """What writes off the questions whose step goes on and no longer asks them. (Of one that has ended the table says so.)"""
        gone = [transcript.questions[seq] for seq, answer in self._asked.items() if answer.cancelled()]
        return [
            Notice(text=words.moot(asked.question), about=asked.seq)
            for asked in gone
            if not asked.closed and asked.question.about in transcript.calls
        ]

    def _predicted(self, facts: Facts, now: float) -> Transcript:
        """The transcript as it will be if these facts are committed and nothing arrives before them."""
        seq = self._transcript.last_seq
        return self._transcript.extended(Entry(seq + i, now, self.lease.epoch, fact) for i, fact in enumerate(facts, 1))

    def _decide(self, transcript: Transcript, now: float) -> Decision:
        if self._stopping:
            return Decision(held=[step for step in self._running if isinstance(step, Deliver | LookUp | Finish)])
        return turn.steps(transcript, self.lease.epoch, self._hands.world(self.lease, self._attempts, transcript), now)

    def _cancel(self, decision: Decision) -> None:
        """Once each: a step that takes a while to end is not cut short in its clean-up."""
        stays = {*decision.wanted, *decision.held}
        for step, running in self._running.items():
            if step not in stays and not running.cancelled:
                running.cancelled = True
                running.task.cancel()

    def _startable(self, decision: Decision) -> list[Step]:
        """What is wanted and does not run, but for what touches the same thing as a step that has not ended yet.

        What is only written may change everything (an expiry cuts): so it goes alone, and the table is asked again.
        """
        busy = {step.subject for step in self._running}
        starts = [step for step in decision.wanted if step.subject not in busy]
        writes: list[Step] = [step for step in starts if isinstance(step, Write)]
        return writes[:1] or starts

    async def _append(self, now: float, facts: Facts, intentions: list[Intention], release: Release | None) -> Appended:
        if any(ends_an_attempt(body) for body in facts):
            self._attempts = 1
        appended = await self._journal.append(self.lease, now, self._wakes, facts, intentions, release)
        for fact, entry in zip(facts, appended.entries, strict=False):
            if id(fact) in self._answers:
                self._asked[entry.seq] = self._answers.pop(id(fact))
        committed = {id(fact) for fact in facts}
        _written([one for one in self._said if id(one.body) in committed], taken=True)
        if appended.intended and any(ends_an_attempt(body) for body in intentions):
            self._attempts = 1
        if appended.entries or appended.released:
            self._hands.appended(self.lease, appended)
        return appended

    def _start(self, tasks: asyncio.TaskGroup, starts: list[Step]) -> None:
        for step in starts:
            if isinstance(step, Write):
                self._hands.written(self.lease, step)
            else:
                task = tasks.create_task(self._perform(step))
                task.add_done_callback(lambda _: self._woken.set())
                self._running[step] = _Running(task)

    async def _perform(self, step: Step) -> None:
        self._running[step].facts = await self._hands.perform(self.lease, self._transcript, step, self)

    def _release(self, decision: Decision, transcript: Transcript, now: float) -> Release:
        due = now if self._stopping else decision.due
        asks = any(True for _ in transcript.open_questions())
        return Release(due, decision.turn_gate, decision.speech_gate, transcript.floor(), asks=asks, rests=not decision.held)

    async def _wait(self, decision: Decision) -> None:
        self.waits_at_gate = bool(decision.turn_gate or decision.speech_gate)
        delay_s = WAKE_S_MAX if decision.due is None else min(max(decision.due - self._clock.now(), 0.0), WAKE_S_MAX)
        try:
            async with asyncio.timeout(delay_s):
                await self._woken.wait()
        except TimeoutError:
            pass
