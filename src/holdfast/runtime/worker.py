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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from holdfast.core import turn, words
from holdfast.core.entries import ENDS_AN_ATTEMPT, Entry, Fact, Intention, Notice, Question
from holdfast.core.records import Asked
from holdfast.core.steps import Decision, Deliver, Finish, LookUp, Step, Write
from holdfast.core.transcript import Transcript
from holdfast.core.world import World
from holdfast.ports import Appended, Clock, Journal, Lease, Release

Facts = tuple[Fact | Question, ...]

Ask = Callable[[Question], Awaitable[Asked]]
"""Commits a question, and returns what became of it."""

WAKE_S_MAX: Final = 300.0
"""However far away the instant that is waited for: the clock is looked at this often, for it may be set."""


class Hands(Protocol):
    """What a worker needs of the world: how it stands, and somebody to do the steps (`runtime/acts.py`)."""

    def world(self, lease: Lease, attempts: int) -> World:
        """The weather and the policy for this conversation, now."""

    async def perform(self, lease: Lease, transcript: Transcript, step: Step, ask: Ask) -> Facts:
        """Do a step, and say what happened. In the middle of it a person may be asked."""

    def appended(self, conversation: str) -> None:
        """The conversation was let go, or entries were committed: whoever follows it may read them."""


@dataclass(slots=True)
class _Running:
    task: asyncio.Task[None]
    facts: Facts | None = None
    cancelled: bool = False


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
        self._to_ask: list[tuple[Question, asyncio.Future[Asked]]] = []
        self._asked: dict[int, asyncio.Future[Asked]] = {}
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
        intentions = [*taken_back, *(body for step in starts for body in step.first)]
        release = None if self._running or starts else self._release(decision, decided_on, now)
        if facts or intentions or release is not None:
            appended = await self._append(now, facts, intentions, release)
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
        asked = (question for question, answer in self._to_ask if not answer.done())
        return (*(fact for _, running in ended for fact in running.facts or ()), *asked)

    async def _ask(self, question: Question) -> Asked:
        """See `Ask`."""
        answer: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda _: self._woken.set())
        self._to_ask.append((question, answer))
        self._woken.set()
        return await answer

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
        return turn.steps(transcript, self.lease.epoch, self._hands.world(self.lease, self._attempts), now)

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
        if any(isinstance(body, ENDS_AN_ATTEMPT) for body in facts):
            self._attempts = 1
        appended = await self._journal.append(self.lease, now, self._wakes, facts, intentions, release)
        committed = {id(fact): entry.seq for fact, entry in zip(facts, appended.entries, strict=False)}
        self._asked |= {committed[id(question)]: answer for question, answer in self._to_ask if id(question) in committed}
        self._to_ask = [one for one in self._to_ask if id(one[0]) not in committed and not one[1].done()]
        if appended.intended and any(isinstance(body, ENDS_AN_ATTEMPT) for body in intentions):
            self._attempts = 1
        if appended.entries or appended.released:
            self._hands.appended(self.lease.conversation)
        return appended

    def _start(self, tasks: asyncio.TaskGroup, starts: list[Step]) -> None:
        for step in starts:
            if not isinstance(step, Write):
                task = tasks.create_task(self._perform(step))
                task.add_done_callback(lambda _: self._woken.set())
                self._running[step] = _Running(task)

    async def _perform(self, step: Step) -> None:
        self._running[step].facts = await self._hands.perform(self.lease, self._transcript, step, self._ask)

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
