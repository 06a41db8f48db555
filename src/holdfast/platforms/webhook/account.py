"""The programs behind one secret: see `ports.Platform`. What they send is durable before they are told so; what is said to them they get by calls to their
`callback_url`, or when they ask. Our key is in each call, and theirs in each request, so nothing counts twice."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from math import inf
from typing import Final

import msgspec

from holdfast.core.entries import Attachment
from holdfast.core.files import media_type_of
from holdfast.core.incoming import Chose, Incoming, Place, Wrote
from holdfast.errors import Config, Request
from holdfast.platforms.asking import Failure, Http, unanswered
from holdfast.platforms.webhook import said, signing, wire
from holdfast.platforms.webhook.receipts import receipt
from holdfast.platforms.webhook.wire import Said
from holdfast.ports import Clock, Files, HookReply, Inbox, Message, Receipt, Traits

CALL_S_MAX: Final = 30.0
READ_AT_ONCE: Final = 500
TOLD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of files, an answer to one question for news holds about so much; what is left comes with the next."""
WAITING_MAX: Final = 100
"""So many questions for news are kept at once; others are answered at once."""

TRAITS: Final = Traits(key_holds_s=inf, silence_s_max=inf, corrections=False)


class WebhookPlatform:
    """See `ports.Platform` and `ports.Hook`."""

    def __init__(self, name: str, secret: str, callback_url: str, files: Files, clock: Clock) -> None:
        self.account: str = f"webhook:{name}"
        self.traits: Traits = TRAITS
        self.is_called = True
        self._name, self._secret, self._files, self._clock = name, secret, files, clock
        self._callback = Http(callback_url) if callback_url else None
        self._gone = asyncio.Event()
        self._inbox: Inbox | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}

    async def run(self, inbox: Inbox) -> None:
        """There is nothing to connect to: we are called."""
        self._gone.clear()
        await inbox.begin(self._name)
        self._inbox = inbox
        try:
            await self._gone.wait()
        finally:
            self._inbox = None
        raise Config(
            f"callback_url of {self.account} says that it is gone for good (410). Correct it, or take it out; then start me again. (If it is back: "
            f"holdfast platforms retry {self.account}.)"
        )

    # --- what they send -----------------------------------------------------------------------------------------------------------------

    async def hook(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> HookReply:
        """See `ports.Hook`. POST says something, GET asks for what was said."""
        signed = query.encode() if method == "GET" else body
        try:
            name = signing.name_of(self._secret, headers, signed, self._clock.now())
        except signing.Unsigned as unsigned:
            return wire.reply(HTTPStatus.UNAUTHORIZED, error=str(unsigned))
        if self._inbox is None:
            return wire.reply(HTTPStatus.SERVICE_UNAVAILABLE, error=f"{self.account} does not listen now. Nothing was kept; send it again.")
        try:
            if method == "GET":
                return await self._told(self._inbox, wire.wanted(query))
            return await self._take(self._inbox, name, wire.sent(body))
        except Request as wrong:
            return wire.reply(HTTPStatus.BAD_REQUEST, error=str(wrong))

    async def _take(self, inbox: Inbox, name: str, sent: wire.Sent) -> HookReply:
        attachments = [await self._keep(name, index, file) for index, file in enumerate(sent.files)]
        did = Chose(sent.choose, sent.option) if sent.choose else Wrote(sent.text, tuple(attachments))
        author = sent.author or sent.chat
        kept = await inbox.keep(Incoming(place=Place(sent.chat), id=name, author=author, did=did, name=sent.name))
        if kept is None:
            why = (
                f"{author} may not talk to {self.account}, and the message was not kept. Let them in (`holdfast people` lists who asks), or put them into "
                "its `allow`; then send it again."
            )
            return wire.reply(HTTPStatus.FORBIDDEN, error=why)
        more = {"after": kept.seq, "ask": wire.next_question(sent.chat, kept.seq)}
        return wire.reply(HTTPStatus.ACCEPTED, saved=True, new=kept.new, chat=sent.chat, **more)

    async def _keep(self, name: str, index: int, file: wire.File) -> Attachment:
        """The bytes are here before the message is."""
        data = file.decoded
        sha256 = await self._files.put(_pieces(data))
        return Attachment(id=f"{name}/{index}", name=file.name, media_type=media_type_of(data), source=sha256)

    async def fetch(self, attachment: Attachment) -> str:
        """They came with the message."""
        await self._files.head(attachment.source)
        return attachment.source

    # --- what they are told -------------------------------------------------------------------------------------------------------------

    async def _told(self, inbox: Inbox, wanted: wire.Wanted) -> HookReply:
        """What was said; if nothing was, as soon as something is."""
        found = await self._said(inbox, wanted)
        if not found and wanted.wait_s and sum(map(len, self._waiting.values())) < WAITING_MAX:
            found = await self._waited_for(inbox, wanted)
        messages: list[dict[str, object]] = []
        after, size = wanted.after, 0
        for one in found:
            size += sum(file.size for file in one.files)
            if messages and size > TOLD_BYTES_MAX:
                break
            messages.append(await self._shown(wanted.chat, one))
            after = one.seq
        return wire.reply(HTTPStatus.OK, messages=messages, after=after, ask=wire.next_question(wanted.chat, after))

    async def _waited_for(self, inbox: Inbox, wanted: wire.Wanted) -> list[Said]:
        found: list[Said] = []
        with self._listening(wanted.chat) as changed, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wanted.wait_s):
                while not (found := await self._said(inbox, wanted)):
                    await changed.wait()
                    changed.clear()
        return found

    async def _said(self, inbox: Inbox, wanted: wire.Wanted) -> list[Said]:
        place, conversation = Place(wanted.chat), Place(wanted.chat).conversation(self.account)
        entries = [*await inbox.read(place, wanted.after, READ_AT_ONCE)]
        while not (found := said.said(conversation, entries)) and len(entries) % READ_AT_ONCE == 0 and entries:
            more = await inbox.read(place, entries[-1].seq, READ_AT_ONCE)
            if not more:
                break
            entries += more
        return found

    async def _shown(self, chat: str, one: Said) -> dict[str, object]:
        return wire.shown(chat, one, [await self._files.read(file.sha256) for file in one.files])

    @contextmanager
    def _listening(self, chat: str) -> Iterator[asyncio.Event]:
        """Within, the event is set when something is said there."""
        changed = asyncio.Event()
        self._waiting.setdefault(chat, set()).add(changed)
        try:
            yield changed
        finally:
            self._waiting[chat].discard(changed)
            if not self._waiting[chat]:
                del self._waiting[chat]

    async def send(self, place: Place, message: Message) -> Receipt:
        """See `ports.Platform`. Whoever asks reads it from the journal."""
        for changed in self._waiting.get(place.chat, ()):
            changed.set()
        key = message.key or f"{place.conversation(self.account)}/n/{hashlib.sha256(message.text.encode()).hexdigest()[:16]}"
        if self._callback is None:
            return Receipt(id=key)
        one = Said(key, message.text, files=message.files, question=message.question, options=message.options)
        try:
            body = msgspec.json.encode(await self._shown(place.chat, one))
            headers = {"content-type": "application/json", **signing.headers(self._secret, key, self._clock.now(), body)}
            response, _ = await self._callback.ask("POST", "", CALL_S_MAX, content=body, headers=headers)
        except Request as missing:
            return Receipt("refused", why=str(missing))
        except Failure as failure:
            return unanswered("callback_url", failure)
        told = receipt(response.status_code, response.headers, key)
        if told.account == "stopped":
            self._gone.set()
        return told

    async def find(self, place: Place, message: Message, since: float) -> str | None:  # noqa: ARG002 - who knows our keys need not be asked
        return None

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 - what was said is never changed
        return None

    async def typing(self, place: Place) -> None:
        """A program need not see that."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """It gets whole answers."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """As above."""

    async def close(self) -> None:
        if self._callback is not None:
            await self._callback.close()


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data
