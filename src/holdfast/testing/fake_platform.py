"""A chat system that keeps the truth, and the platform that speaks to it.

`FakeChat` is the world outside: it outlives every gateway, remembers what it was told and shown, and can be asked afterwards. It redelivers what
has not been acknowledged and forgets what has been; it takes keys, limits rates, refuses, and loses the answer to a send that happened.
`FakePlatform` is one gateway's connection to it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from holdfast import failpoints
from holdfast.core.commands import parse
from holdfast.core.entries import Attachment, Correction, Outside
from holdfast.core.incoming import Place
from holdfast.errors import Request, Temporary
from holdfast.ports import Accepted, Arrival, Clock, Cursor, Inbox, Message, Receipt, Traits

Accept = Callable[[Sequence[Arrival], Cursor | None], Awaitable[tuple[Accepted, ...]]]

Fault = Literal["limited", "refused", "blocked", "lost", "lost_before"]
"""What may befall a send. `limited`: too many, come back later; `refused`: this text; `blocked`: this chat; `lost`: it happens, and its answer is lost;
`lost_before`: it does not happen, and nobody can know."""

LIMITED_S: Final = 7.0
BATCH_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Update:
    """Something that somebody did in a chat, as the platform tells it."""

    offset: int
    kind: Literal["message", "edit", "delete"]
    chat: str
    author: str
    message: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class _Send:
    """A send under way."""

    address: str
    text: str
    key: str
    edit: str
    at: float


@dataclass(slots=True)
class Shown:
    """A message of ours on the chat's screen. `lost`: the answer to its send was. It was sent at `sent_at`, and got there at `at`."""

    id: str
    key: str
    sent_at: float
    at: float
    versions: list[str]
    lost: bool = False

    @property
    def text(self) -> str:
        return self.versions[-1]


@dataclass
class FakeChat:
    """One account of a chat system, seen from outside. `delay_s` says how long a send takes to get there, and its answer to come back."""

    account: str
    clock: Clock
    traits: Traits = field(default_factory=Traits)
    identity: str = "@holdfast"
    pace_s: float | None = None
    delay_s: Callable[[], float] = lambda: 0.0
    down: str = ""
    """Why nothing gets through just now."""
    seen: Callable[[str, Shown], None] = lambda _address, _shown: None
    """Told what appears on a screen."""
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    """Of each chat's sends: each takes the next one."""
    updates: list[Update] = field(default_factory=list)
    acknowledged: int = 0
    acknowledged_at: dict[int, float] = field(default_factory=dict)
    screens: defaultdict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    blocked: set[str] = field(default_factory=set)
    _keys: dict[tuple[str, str], Shown] = field(default_factory=dict)
    _messages: int = 0
    _polls: list[asyncio.Future[None]] = field(default_factory=list)

    # --- people -----------------------------------------------------------------------------------------------------------------------

    def write(self, chat: str, text: str, author: str = "ann") -> str:
        """Somebody writes. Returns the platform's id of the message."""
        self._messages += 1
        self.blocked.discard(chat)
        self._tell("message", chat, author, f"m{self._messages}", text)
        return f"m{self._messages}"

    def edit(self, chat: str, message: str, text: str, author: str = "ann") -> None:
        self._tell("edit", chat, author, message, text)

    def delete(self, chat: str, message: str, author: str = "ann") -> None:
        self._tell("delete", chat, author, message, "")

    def _tell(self, kind: Literal["message", "edit", "delete"], chat: str, author: str, message: str, text: str) -> None:
        version = sum(update.message == message and update.chat == chat for update in self.updates)
        self.updates.append(Update(len(self.updates) + 1, kind, chat, author, message, version, text))
        self._wake()

    # --- what a connection asks ---------------------------------------------------------------------------------------------------------

    def take_down(self, why: str) -> None:
        self.down = why
        self._wake()

    def bring_up(self) -> None:
        self.down = ""

    def _wake(self) -> None:
        polls, self._polls = self._polls, []
        for poll in polls:
            if not poll.done():
                poll.set_result(None)

    async def poll(self) -> list[Update]:
        """What has not been acknowledged; waits for something."""
        while True:
            self._check()
            if len(self.updates) > self.acknowledged:
                return self.updates[self.acknowledged :][:BATCH_MAX]
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._polls.append(news)
            await news

    def acknowledge(self, offset: int) -> None:
        """Everything up to `offset` is forgotten: it is told to nobody again."""
        for known in range(self.acknowledged + 1, offset + 1):
            self.acknowledged_at[known] = self.clock.now()
        self.acknowledged = max(self.acknowledged, offset)

    async def send(self, address: str, text: str, key: str, edit: str) -> Receipt:
        """What is under way gets there whatever becomes of the sender."""
        fault = self.faults[address].popleft() if self.faults[address] else None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Receipt] = loop.create_future()
        there, back, now = self.delay_s(), self.delay_s(), self.clock.now()

        def arrive() -> None:
            loop.call_later(back, _answer, answer, self._arrives(_Send(address, text, key, edit, now), fault))

        loop.call_later(there, arrive)
        return await answer

    def _arrives(self, send: _Send, fault: Fault | None) -> Receipt:
        address = send.address
        if fault == "blocked":
            self.blocked.add(address)
        if self.down or fault == "limited":
            after_s = LIMITED_S if fault else None
            return Receipt("retry", why=self.down or "too many", retry_after_s=after_s, account="away" if self.down else "")
        if fault == "refused":
            return Receipt("refused", why="the text is not allowed")
        if address in self.blocked:
            return Receipt("blocked", why="the bot was blocked by the user")
        if fault == "lost_before":
            return Receipt("unknown", why="the connection was lost")
        shown = self._show(send)
        if shown is None:
            return Receipt("gone", why=f"there is no message {send.edit}")
        shown.lost = shown.lost or fault == "lost"
        return Receipt("unknown", why="the connection was lost") if fault == "lost" else Receipt(id=shown.id)

    def _show(self, send: _Send) -> Shown | None:
        now, screen = self.clock.now(), self.screens[send.address]
        if send.edit:
            shown = next((shown for shown in screen if shown.id == send.edit), None)
            if shown is not None:
                shown.versions.append(send.text)
                self.seen(send.address, shown)
            return shown
        known = self._keys.get((send.address, send.key)) if send.key else None
        if known is not None and now - known.at <= self.traits.key_holds_s:
            return known
        shown = Shown(f"s{len(screen) + 1}", send.key, send.at, now, [send.text])
        screen.append(shown)
        if send.key:
            self._keys[send.address, send.key] = shown
        self.seen(send.address, shown)
        return shown

    async def find(self, address: str, text: str, key: str) -> str | None:
        self._check()
        await self.clock.sleep(self.delay_s())
        found = (s.id for s in reversed(self.screens[address]) if (s.key == key if key else s.text == text))
        return next(found, None)

    def _check(self) -> None:
        if self.down:
            raise Temporary(self.down)


def _answer(answer: asyncio.Future[Receipt], receipt: Receipt) -> None:
    if not answer.done():
        answer.set_result(receipt)


class FakePlatform:
    """See `holdfast.ports.Platform`. Everything it receives goes through `accept`, before it is acknowledged: it asks nobody who may talk."""

    def __init__(self, chat: FakeChat, accept: Accept) -> None:
        self.account = chat.account
        self.traits = chat.traits
        self.previews: dict[str, str] = {}
        self.progressed: dict[str, list[str]] = {}
        self._chat, self._accept = chat, accept

    async def run(self, inbox: Inbox) -> None:
        """As a `ports.Platform`."""
        await self.serve(inbox.alive)

    async def serve(self, ready: Callable[[], None]) -> None:
        """As a child of a supervisor."""
        chat = self._chat
        chat._check()  # noqa: SLF001 - connecting: the two halves of one fake
        ready()
        while True:
            updates = await chat.poll()
            arrivals = [self._arrival(update) for update in updates]
            await self._accept(arrivals, Cursor(self.account, chat.identity, str(updates[-1].offset)))
            failpoints.failpoint("acknowledge")
            chat.acknowledge(updates[-1].offset)

    def _arrival(self, update: Update) -> Arrival:
        return Arrival(
            conversation=f"{self.account}:{update.chat}",
            account=self.account,
            address=update.chat,
            dedupe=f"{self.account} {update.chat} {update.message} {update.kind} {update.version}",
            body=_body(update),
            at=self._chat.clock.now(),
        )

    async def send(self, place: Place, message: Message) -> Receipt:
        shown = "".join(f"\n[{file.name}]" for file in message.files)
        return await self._chat.send(place.address, message.text + shown, message.key, message.edit)

    async def find(self, place: Place, message: Message, since: float) -> str | None:  # noqa: ARG002 it keeps few
        return await self._chat.find(place.address, message.text, message.key)

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 the same everywhere
        return self._chat.pace_s

    async def typing(self, place: Place) -> None:
        """Nobody looks."""

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def fetch(self, attachment: Attachment) -> str:
        raise Request(f"{attachment.name} can't be had: this chat keeps no files.")

    def show(self, conversation: str, name: str, text: str) -> None:
        self.previews[f"{conversation}/{name}"] = text

    def progress(self, conversation: str, call: str, text: str) -> None:
        self.progressed.setdefault(f"{conversation}/{call}", []).append(text)


def _body(update: Update) -> Outside:
    """An edited or deleted message has an id of its own, as an entry."""
    if update.kind == "message":
        return parse(update.text, update.author, update.message)
    text = update.text if update.kind == "edit" else None
    return Correction(author=update.author, id=f"{update.message}.{update.version}", of=update.message, text=text)
