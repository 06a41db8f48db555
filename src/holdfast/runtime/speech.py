"""What is said to a chat, and fetched from it: one account's sends through its gate, and what came of them as facts.

Accounts have weather as routes have: a send that shows that the account is away closes its gate, for all its conversations, and the wait is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from holdfast.core import words
from holdfast.core.entries import QUIET, Delivered, DeliveryFailed, DeliveryStarted, Fetched
from holdfast.core.failure import Failure
from holdfast.core.incoming import Place
from holdfast.core.steps import CallModel, Deliver, Fetch, Finish, LookUp
from holdfast.core.text import cuts, part
from holdfast.core.transcript import Transcript
from holdfast.errors import Request, Temporary
from holdfast.failpoints import failpoint
from holdfast.ports import Clock, Lease, Message, Platform, Receipt
from holdfast.runtime.weather import GateClosed, Weather
from holdfast.runtime.worker import Facts, Midway

RETRY_S: Final = 5.0
"""When a platform refuses for a while and does not say for how long."""

FETCH_RETRY_S_MAX: Final = 300.0

PREVIEW_ENDS_S: Final = 5.0
"""How long an answer waits for the preview that is just being sent: whoever cuts it short would never know its id."""

MORE: Final = " …"

Told = Callable[[str, Place, str], Awaitable[None]]
"""(account, place, why)"""


def gate_of(account: str) -> str:
    return f"account:{account}"


class Speech:
    """All platforms, as the workers' hands use them."""

    def __init__(self, platforms: Mapping[str, Platform], weather: Weather, clock: Clock) -> None:
        self._platforms, self._weather, self._clock = platforms, weather, clock
        self.blocked: Told | None = None
        """Told of a chat that takes nothing from us any more."""
        self.moved: Told | None = None
        """Told of a chat that has another id now."""
        self.stopped: Callable[[str, str], Awaitable[None]] | None = None
        """Told of an account that only a person can mend: (account, why)."""

    @property
    def accounts(self) -> tuple[str, ...]:
        """Those that are configured."""
        return tuple(self._platforms)

    def has(self, account: str) -> bool:
        return account in self._platforms

    def platform(self, account: str) -> Platform:
        return self._platforms[account]

    def is_open(self, account: str, conversation: str) -> bool:
        """May this conversation say something through the account now? (The page has no gate.)"""
        gate = gate_of(account)
        return self._weather.known(gate) is None or self._weather.is_open(gate, conversation)

    # --- steps -----------------------------------------------------------------------------------------------------------------------

    async def deliver(self, lease: Lease, step: Deliver) -> Facts:
        failpoint("deliver.before_send")
        message = Message(step.text, _key(lease, step.key), step.edit, step.files, step.question, step.options, step.replies_to)
        receipt = await self._send(lease, message)
        failpoint("deliver.after_send")
        return (self._outcome(step.of, step.part, receipt, Delivered(of=step.of, part=step.part, id=receipt.id, preview=step.id_only)),)

    async def finish(self, lease: Lease, step: Finish) -> Facts:
        receipt = await self._send(lease, Message(words.STOPPED, _key(lease, step.key), step.edit))
        done = Delivered(of=step.of, part=0, id=receipt.id or step.edit, preview=not step.edit)  # under its key alone it keeps its text
        return (self._outcome(step.of, 0, receipt, done),)

    async def look_up(self, lease: Lease, step: LookUp) -> Facts:
        message = Message(step.text, _key(lease, step.key), replies_to=step.replies_to)
        try:
            found = await self._platforms[lease.account].find(Place.of(lease.address), message, step.since)
        except Temporary as failure:
            until = self._clock.now() + (failure.retry_after_s or RETRY_S)
            return (DeliveryFailed(of=step.of, part=step.part, refusal="unknown", why=str(failure), until=until),)
        if found is not None:
            return (Delivered(of=step.of, part=step.part, id=found, preview=step.id_only),)
        return (DeliveryFailed(of=step.of, part=step.part, refusal="absent", why="it is not in the chat's history"),)

    async def fetch(self, lease: Lease, transcript: Transcript, step: Fetch) -> Facts:
        now = self._clock.now()
        try:
            sha256 = await self._platforms[lease.account].fetch(step.attachment)
        except Temporary as failure:
            message = transcript.fetching[step.id][0] if step.id in transcript.fetching else 0
            since = next((said.entry.at for said in transcript.spoken if said.entry.seq == message), now)
            delay_s = failure.retry_after_s or min(max((now - since) / 2, RETRY_S), FETCH_RETRY_S_MAX)  # so that waits grow
            return (Fetched(attachment=step.id, why=str(failure), until=self._clock.now() + delay_s),)
        except Request as failure:
            return (Fetched(attachment=step.id, why=str(failure)),)
        return (Fetched(attachment=step.id, sha256=sha256),)

    # --- sending ---------------------------------------------------------------------------------------------------------------------

    async def _send(self, lease: Lease, message: Message, *, preview: bool = False) -> Receipt:
        """Send through the account's gate, and tell it what that showed."""
        account, place, gate = lease.account, Place.of(lease.address), gate_of(lease.account)
        if self._weather.known(gate) is None:
            return replace(await self._platforms[account].send(place, message), account="")  # there is no gate to wait at
        try:
            async with self._weather.place(gate, lease.conversation):
                began = self._clock.now()
                receipt = await self._platforms[account].send(place, message)
                if not receipt.refusal:
                    self._weather.opened(gate)
        except GateClosed:
            return Receipt("retry", why="the account is away", retry_after_s=0.0)
        await self._account_for(lease, gate, began, receipt)
        if receipt.refusal == "blocked" and self.blocked is not None and not preview:
            await self.blocked(lease.account, place, receipt.why)
        if receipt.moved and self.moved is not None:
            await self.moved(lease.account, place, receipt.moved)
        return receipt

    async def _account_for(self, lease: Lease, gate: str, began: float, receipt: Receipt) -> None:
        """What a send showed of the account."""
        if receipt.account == "stopped":
            if self.stopped is not None:
                await self.stopped(lease.account, receipt.why)
        elif receipt.account or receipt.refusal == "unknown":
            failure = Failure(
                "transient" if receipt.retry_after_s is None else "rate-limit", reason=receipt.why, retry_after_s=receipt.retry_after_s
            )
            await self._weather.failed(gate, began, failure)
        elif not receipt.refusal:
            await self._weather.succeeded(gate, lease.conversation)
        elif receipt.refusal != "retry":
            await self._weather.lives(gate)  # be it only to refuse this

    def _outcome(self, of: str, part_: int, receipt: Receipt, delivered: Delivered) -> Delivered | DeliveryFailed:
        if not receipt.refusal:
            return delivered
        waits = receipt.refusal in {"retry", "unknown"}
        delay_s = receipt.retry_after_s
        if delay_s is None:
            delay_s = 0.0 if receipt.account else RETRY_S  # the account's gate says when
        until = self._clock.now() + delay_s if waits else 0.0
        return DeliveryFailed(of=of, part=part_, refusal=receipt.refusal, why=receipt.why, until=until)

    # --- while an answer is being made --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def typing(self, lease: Lease) -> AsyncIterator[None]:
        """Within, the chat sees that something is on its way."""
        platform = self._platforms[lease.account]
        if not platform.traits.typing_s:
            yield
            return
        typing = asyncio.create_task(self._keep_typing(platform, lease))
        try:
            yield
        finally:
            typing.cancel()
            await asyncio.wait([typing])
            if not typing.cancelled():
                typing.result()  # a bug in it is one of this step

    async def _keep_typing(self, platform: Platform, lease: Lease) -> None:
        while self.is_open(lease.account, lease.conversation):
            await platform.typing(Place.of(lease.address))
            await self._clock.sleep(platform.traits.typing_s)

    @asynccontextmanager
    async def growing(self, lease: Lease, transcript: Transcript, step: CallModel, midway: Midway) -> AsyncIterator[Callable[[str], None]]:
        """Within, what is yielded shows the text of the answer so far: in one message, which the answer itself will take the place of."""
        platform = self._platforms[lease.account]
        pace_s = None if QUIET in transcript.ways else platform.pace_s(Place.of(lease.address))
        if pace_s is None or not platform.traits.edits:
            yield lambda text: platform.show(lease.conversation, step.name, text)
            return
        part_now = transcript.part(step.name, 0)
        if part_now.previewed and not part_now.id and self._clock.now() - part_now.first_at >= platform.traits.key_holds_s:
            yield lambda _: None  # one may be there already, and nobody knows its id
            return
        preview = _Preview(self, lease, transcript, step, midway, pace_s)
        showing = asyncio.create_task(preview.run())
        try:
            yield preview.show
        finally:
            preview.over.set()
            done, _ = await asyncio.wait([showing], timeout=PREVIEW_ENDS_S)
            if not done:
                showing.cancel()
                await asyncio.wait([showing])
            if not showing.cancelled():
                showing.result()  # a bug in it is one of this step

    async def preview(self, lease: Lease, message: Message) -> Receipt:
        """One preview, or one edit of it."""
        return await self._send(lease, message, preview=True)


@dataclass
class _Preview:
    """One answer as it grows."""

    speech: Speech
    lease: Lease
    transcript: Transcript
    step: CallModel
    midway: Midway
    pace_s: float
    over: asyncio.Event = field(default_factory=asyncio.Event)
    text: str = ""
    _id: str = ""

    def show(self, text: str) -> None:
        self.text = text

    async def run(self) -> None:
        """Until over, or until it is of no use any more. The first is shown once an answer has taken its pace: quick ones need none."""
        shown, delay_s = "", self.pace_s
        self._id = self.transcript.part(self.step.name, 0).id
        while not await self._is_over_in(delay_s):
            text, delay_s = self._visible(), self.pace_s
            if not text or text == shown or not self.speech.is_open(self.lease.account, self.lease.conversation):
                continue
            receipt = await (self._edit(text) if self._id else self._begin(text))
            if receipt is None:
                continue
            if receipt.refusal in {"refused", "gone", "blocked", "unknown"}:
                return
            if receipt.refusal:
                delay_s = max(self.pace_s, receipt.retry_after_s or RETRY_S)
            else:
                shown = text

    async def _is_over_in(self, delay_s: float) -> bool:
        try:
            async with asyncio.timeout(delay_s):
                await self.over.wait()
        except TimeoutError:
            return False
        return True

    def _visible(self) -> str:
        limit = self.speech.platform(self.lease.account).traits.limit
        text = self.text.rstrip()
        if not text:
            return ""
        return part(text, cuts(text, replace(limit, length=limit.length - len(MORE.encode()))), 0) + MORE

    async def _begin(self, text: str) -> Receipt | None:
        """The first: written down before it is sent, and its id after it. None if it can't be just now: something has arrived, or waits to be said before."""
        name, keyed = self.step.name, self.speech.platform(self.lease.account).traits.keyed
        key = f"{name}/0" if keyed else ""
        if not await self.midway.start(DeliveryStarted(of=name, part=0, key=key, preview=True)):
            return None
        failpoint("preview.before_send")
        replies_to = self.transcript.replies_to(self.step.seen)
        receipt = await self.speech.preview(self.lease, Message(text, _key(self.lease, key), replies_to=replies_to))
        failpoint("preview.after_send")
        if receipt.refusal:
            return Receipt("refused") if receipt.refusal == "retry" else receipt  # begun once: a second one might be a second message
        self._id = receipt.id
        await self.midway.add(Delivered(of=name, part=0, id=receipt.id, preview=True))
        return receipt

    async def _edit(self, text: str) -> Receipt:
        failpoint("preview.edit")
        return await self.speech.preview(self.lease, Message(text, edit=self._id))


def _key(lease: Lease, key: str) -> str:
    """The key under which the platform sees a part: the conversation's name and the part's."""
    return f"{lease.conversation}/{key}" if key else ""
