"""One app of Feishu or Lark: see `ports.Platform`. What is brought to us is answered once it is durable; what was written while nobody listened is read in
the history of the chats that we know, before anything that comes meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Deleted, Incoming, Place, Unread, Wrote
from holdfast.core.text import Limit
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.feishu.api import Api, Refused
from holdfast.platforms.feishu.looking import Looking, keep
from holdfast.platforms.feishu.reading import Told, Us, edited, of_event, wrote
from holdfast.platforms.feishu.receipts import is_for_a_person, is_passing, receipt
from holdfast.platforms.feishu.render import TEXT_BYTES_MAX, mark
from holdfast.platforms.feishu.sending import Sending
from holdfast.platforms.feishu.way import PUSHES_MAX, Hooks, Push, Pushes, Way
from holdfast.platforms.feishu.wire import BotInfo, Carried, Pressed, Pushed, Recalled, Received, Said, Updated
from holdfast.platforms.together import end, together
from holdfast.ports import Clock, Files, HookReply, Inbox, Message, Receipt, Traits

KEY_HOLDS_S: Final = 3_300.0
"""Feishu knows our keys for an hour."""
COMES_AGAIN_S: Final = 15.0 + 300.0 + 3_600.0 + 21_600.0
"""What was not answered comes again after each of these."""
OVERLAP_MS: Final = 300_000
"""History is read from so long before where we had got to: what came out of order is recognised."""
CLOCKS_DIFFER_MS: Final = 300_000
PACE_S: Final = 0.8
BATCH_MAX: Final = 100
ASK_S_MAX: Final = 1.5
"""Feishu waits for three seconds: so long we ask for what is nice to know."""
SIGN_S_MAX: Final = 5.0
LOOKS_MAX: Final = 5
"""Of what comes at once, so many groups see that their newest message was seen."""
SEEN: Final = "Get"

TRAITS: Final = Traits(Limit(TEXT_BYTES_MAX, "bytes"), key_holds_s=KEY_HOLDS_S, history=True, edits=True, missed_s=COMES_AGAIN_S)

log = logging.getLogger("holdfast.feishu")


@dataclass(frozen=True, slots=True)
class _Read:
    """What a push says; `at_ms`: when, if it is a message; `answer`: what it is answered with (None: nothing, so that it comes again)."""

    event: Incoming | Unread | None = None
    at_ms: int = 0
    answer: bytes | None = b""


class FeishuPlatform:
    """See `ports.Platform`, and `ports.Hook` where `hooks` says that Feishu calls us."""

    def __init__(self, name: str, app_id: str, api: Api, way: Way, files: Files, clock: Clock, hooks: Hooks | None = None) -> None:
        self.account: str = f"feishu:{name}"
        self.traits: Traits = replace(TRAITS, silence_s_max=way.silence_s_max)
        self.is_called = hooks is not None
        self._app_id, self._api, self._way, self._files, self._clock, self._hooks = app_id, api, way, files, clock, hooks
        self._looking = Looking(api, clock, app_id)
        self._authors: dict[str, tuple[str, bool]] = {}
        """Of messages that were brought: who wrote it, and whether in a group. Whoever recalls one is not named."""
        self._aside: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] | None = None
        """Of the connection that there is: it gets the reason to end."""

    # --- receiving ------------------------------------------------------------------------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        over = self._over = asyncio.get_running_loop().create_future()
        try:
            await together(self._receive(inbox), over)
        finally:
            self._over = None
            await end(self._aside)

    async def _receive(self, inbox: Inbox) -> None:
        try:
            bot = (await self._api.get("/bot/v3/info", BotInfo)).bot
            self._looking.us = Us(bot.open_id, self._app_id, bot.app_name or "")
            async with self._way.open() as bring:
                cursor = await inbox.begin(self._app_id)
                pushes = Pushes(PUSHES_MAX)
                await together(bring(pushes, inbox.alive), self._take(inbox, pushes, cursor))
        except Failure as failure:
            raise self._why(failure) from None

    def _why(self, failure: Failure) -> Temporary | Config:
        if isinstance(failure, Refused):
            return self._not_let_in(str(failure)) if is_for_a_person(failure) else Temporary(f"Feishu: {failure}.", failure.retry_after_s)
        return Temporary(f"{self._api.host} can't be reached: {failure}.")

    def _not_let_in(self, why: str) -> Config:
        return Config(
            f"Feishu does not let {self.account} in: {why}. In the developer console, see whether app_id and app_secret are those of the page "
            "Credentials, and whether the app has the bot capability and is published; then start me again. (If all was right: holdfast platforms "
            f"retry {self.account}.)"
        )

    async def _take(self, inbox: Inbox, pushes: Pushes, cursor: str) -> None:
        """First what was missed, then what comes: until then that waits, unanswered."""
        reached = await self._catch_up(inbox, int(cursor)) if cursor.isdecimal() else 0
        while True:
            batch = [await pushes.get()]
            while len(batch) < BATCH_MAX and not pushes.empty():
                batch.append(pushes.get_nowait())
            read = await asyncio.gather(*map(self._read, batch))
            reached = max(reached, *(one.at_ms for one in read))
            events = [one.event for one in read if one.event is not None]
            kept = await inbox.take(events, str(reached) if reached else None) if events else ()
            for push, one in zip(batch, read, strict=True):
                if one.answer is not None:
                    await push.answer(one.answer)
            self._show_seen(kept)

    async def _catch_up(self, inbox: Inbox, reached: int) -> int:
        """Where we have got to then. A chat that can't be read hides no other."""
        chats: defaultdict[str, set[str]] = defaultdict(set)
        for place in await inbox.chats():
            chats[place.chat] |= {place.thread} - {""}
        since, newest = reached - OVERLAP_MS, reached
        for chat, roots in chats.items():
            try:
                async for told in self._looking.missed(chat, roots, since):
                    events = [event for event in await asyncio.gather(*map(self._wrote, told)) if event is not None]
                    newest = max([newest, *(one.at_ms for one in told)])
                    inbox.alive()
                    await inbox.take(events)
            except Refused as refused:
                if is_for_a_person(refused) or is_passing(refused):
                    raise
                log.warning(
                    "%s can't read the history of %s: %s. What Feishu does not bring again is not seen there.", self.account, chat, refused
                )
        await inbox.take([], str(newest))
        return newest

    # --- reading --------------------------------------------------------------------------------------------------------------------

    async def _read(self, push: Push) -> _Read:
        """What it says. Raises `Refused` if the app is not let in any more."""
        try:
            pushed = msgspec.json.decode(push.body, type=Pushed)
            match pushed.header.event_type:
                case "im.message.receive_v1":
                    told = of_event(msgspec.json.decode(pushed.event, type=Received), self._looking.us)
                    keep(self._authors, told.id, (told.author, told.group))
                    return _Read(await self._wrote(told), told.at_ms)
                case "im.message.updated_v1":
                    return await _asked(self._edited(msgspec.json.decode(pushed.event, type=Updated)), b"")
                case "im.message.recalled_v1":
                    return await _asked(self._recalled(msgspec.json.decode(pushed.event, type=Recalled)), b"")
                case "card.action.trigger":
                    pressed = msgspec.json.decode(pushed.event, type=Pressed)
                    return await _asked(self._pressed(pressed, pushed.header.event_id or ""), b"{}")
                case _:
                    return _Read()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _Read(Unread(push.body.decode("utf-8", "replace"), f"Feishu sent something unexpected: {error}"))

    async def _wrote(self, told: Told) -> Incoming | None:
        """The message, with what Feishu says of it within a moment."""
        name, replied = "", None
        forwarded: Sequence[Told] = ()
        self._looking.learn(told)
        if told.person:
            with contextlib.suppress(Failure, TimeoutError):
                async with asyncio.timeout(ASK_S_MAX):
                    if told.parent:
                        replied = next(iter(await self._looking.message(told.parent, told.chat, group=told.group)), None)
                    if told.kind == "merge_forward":
                        forwarded = (await self._looking.message(told.id, told.chat, group=told.group))[1:]
                    name = told.name or await self._looking.name(told)
        return wrote(told, self._looking.us, name, replied, forwarded)

    async def _edited(self, event: Updated) -> Incoming | None:
        """What it says now is asked for: the event is not to be relied on. Who wrote it, and where, is the message's."""
        id_ = event.message.message_id
        found = next(iter(await self._looking.message(id_, "", group=True)), None)
        if found is None:
            return None
        return edited(replace(found, group=await self._looking.is_group(found.chat)), self._looking.us)

    async def _recalled(self, event: Recalled) -> Incoming | None:
        """By whomever: its author's message is gone."""
        if event.message_id in self._authors:
            author, group = self._authors[event.message_id]
        else:
            found = next(iter(await self._looking.message(event.message_id, event.chat_id, group=True, gone=True)), None)
            if found is None:
                return None
            author, group = found.author, await self._looking.is_group(event.chat_id)
        return Incoming(place=Place(event.chat_id), id=event.message_id, author=author, did=Deleted(), group=group)

    async def _pressed(self, event: Pressed, id_: str) -> Incoming | None:
        try:
            carried = msgspec.json.decode(event.action.value, type=Carried)
        except msgspec.DecodeError:
            return None  # a button that is not ours
        chat, author = event.context.open_chat_id or "", event.operator.open_id or ""
        group = bool(carried.person) or await self._looking.is_group(chat)
        did = Chose(carried.question, carried.option)
        return Incoming(place=Place(chat, carried.thread), id=id_, author=author, did=did, group=group)

    # --- showing that it was seen -----------------------------------------------------------------------------------------------------

    def _show_seen(self, kept: Sequence[Incoming]) -> None:
        """In groups. (In a direct chat everything is.)"""
        newest = {event.place.chat: event.id for event in kept if event.group and isinstance(event.did, Wrote)}
        for id_ in [*newest.values()][-LOOKS_MAX:]:
            task = asyncio.create_task(self._look(id_))
            self._aside.add(task)
            task.add_done_callback(self._aside.discard)

    async def _look(self, id_: str) -> None:
        with contextlib.suppress(Failure):
            await self._api.post(f"/im/v1/messages/{id_}/reactions", Said, {"reaction_type": {"emoji_type": SEEN}}, s_max=SIGN_S_MAX)

    async def hook(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> HookReply:  # noqa: ARG002 - it has none
        """See `ports.Hook`."""
        assert self._hooks is not None, "only who is called is"
        return await self._hooks.hook(method, headers, body)

    # --- sending --------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        try:
            return Receipt(id=await Sending(self._api, self._files, place, message).send())
        except Failure as failure:
            said = receipt(failure, message.edit)
            if said.account == "stopped" and self._over is not None and not self._over.done():
                self._over.set_exception(self._not_let_in(str(failure)))
            return said
        except Request as missing:
            return Receipt("refused", why=str(missing))

    async def find(self, place: Place, message: Message, since: float) -> str | None:
        if not message.key:
            return None
        try:
            return await self._looking.sent(place.chat, place.thread, mark(message.key), int(1000 * since) - CLOCKS_DIFFER_MS)
        except Failure as failure:
            raise Temporary(f"{self.account} can't look into the chat: {failure}.") from None

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 - the same everywhere
        """A card takes five texts a second."""
        return PACE_S

    async def typing(self, place: Place) -> None:
        """Feishu has no such sign."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """A chat is shown no more than the answer."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """Answers grow here by edits."""

    # --- files ----------------------------------------------------------------------------------------------------------------------

    async def fetch(self, attachment: Attachment) -> str:
        message, key, kind = (*attachment.source.split(" "), "", "")[:3]
        try:
            return await self._files.put(self._api.download(f"/im/v1/messages/{message}/resources/{key}", {"type": kind}))
        except Refused as refused:
            if refused.to_the_app or is_for_a_person(refused) or is_passing(refused):
                raise Temporary(f"{attachment.name} can't be had from Feishu now: {refused}.", refused.retry_after_s) from None
            raise Request(f"Feishu does not give {attachment.name}: {refused}. Send it again, or another way.") from None
        except Failure as failure:
            raise Temporary(f"{attachment.name} can't be had from Feishu now: {failure}.") from None

    async def close(self) -> None:
        await self._api.close()


async def _asked(reading: Awaitable[Incoming | None], answer: bytes) -> _Read:
    """For whose sake Feishu had to be asked. What it does not say in time is not answered, and comes again."""
    try:
        async with asyncio.timeout(ASK_S_MAX):
            return _Read(await reading, answer=answer)
    except Refused as refused:
        if is_for_a_person(refused):
            raise
        return _Read(answer=None if is_passing(refused) else answer)  # it is gone, or was never ours to see
    except (Failure, TimeoutError):
        return _Read(answer=None)
