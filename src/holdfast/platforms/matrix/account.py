"""One account on Matrix, as the runtime sees it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast import accounts
from holdfast.core.entries import Attachment, Produced
from holdfast.core.files import FILE_BYTES_MAX
from holdfast.core.incoming import Incoming, Place, Wrote
from holdfast.core.text import Limit
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.matrix import rooms, writing
from holdfast.platforms.matrix.encryption import Crypto, Encryption, Plain, keys_of
from holdfast.platforms.matrix.http import ASK_S_MAX, Homeserver, Lost, Refused, Unreached, path
from holdfast.platforms.matrix.reading import Event, Us, media_of
from holdfast.platforms.matrix.signing_in import Signing
from holdfast.platforms.together import end, together
from holdfast.ports import Clock, Files, Inbox, Message, Receipt, Traits

POLL_S: Final = 30.0
"""So long the homeserver waits for news before it answers that there are none."""
POLL_SLACK_S: Final = 20.0
FILE_S_MAX: Final = 120.0
TYPING_S: Final = 10.0
TYPING_SLACK_S: Final = 5.0
TYPING_S_MAX: Final = 5.0
PACE_S: Final = 3.0
"""Each edit is a whole event in the room's history."""
KEY_HOLDS_S: Final = 23 * 3600.0
"""Synapse forgets our keys after a day."""
FIND_PAGE: Final = 100
CLOCKS_DIFFER_S: Final = 300.0
"""A homeserver's clock may be so far from ours."""
JOINS_AT_ONCE_MAX: Final = 4
JOIN_TRIES_MAX: Final = 5
JOIN_PAUSE_S_MAX: Final = 60.0

TRAITS: Final = Traits(
    limit=Limit(writing.TEXT_BYTES_MAX, "bytes"), key_holds_s=KEY_HOLDS_S, history=True, edits=True, typing_s=TYPING_S, buttons=False
)

_GONE: Final = frozenset({"M_FORBIDDEN", "M_NOT_FOUND", "M_UNKNOWN_ROOM"})

log = logging.getLogger(__name__)


class MatrixPlatform:
    """See `holdfast.ports.Platform`."""

    def __init__(self, name: str, settings: accounts.Matrix, files: Files, clock: Clock, folder: Path) -> None:
        self.account: str = f"matrix:{name}"
        self.traits: Traits = TRAITS
        self._settings, self._files, self._clock = settings, files, clock
        self._server = Homeserver(settings.homeserver)
        self._signing = Signing(name, settings, self._server)
        self._crypto: Crypto = Encryption(self._signing.account, settings.user, folder, self._ask) if settings.encrypted else Plain()
        self._connecting = asyncio.Lock()
        self._device, self._begun = "", False
        self._joins = asyncio.Semaphore(JOINS_AT_ONCE_MAX)
        self._aside: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] | None = None
        """Of the connection that there is: it gets the reason to end."""

    # --- receiving ------------------------------------------------------------------------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        over = self._over = asyncio.get_running_loop().create_future()
        try:
            await together(over, self._receive(inbox))
        except Refused as refused:
            why = f"{self.account}: the homeserver refuses to say what is new: {refused}."
            raise Temporary(why, refused.retry_after_s) from refused
        except (Unreached, Lost) as error:
            raise Temporary(f"{self.account}: {error}.") from error
        finally:
            self._over = None
            await end(self._aside)

    async def _receive(self, inbox: Inbox) -> None:
        await self._connect()
        us = Us(self._settings.user, await self._name())
        known = rooms.Rooms(self._ask, us, self._crypto)
        look = await self._ask("GET", "/sync", None, {"filter": rooms.FILTER_OF_LOOK, "timeout": "0"})
        since = await inbox.begin(us.id)
        if not since:
            since = look["next_batch"]
            await inbox.take([], since)
        self._welcome(look)
        while True:
            news = await self._news(since)
            inbox.alive()
            self._welcome(news)
            await self._crypto.heard(news)
            told = news.get("rooms", {})
            known.forget(list(told.get("leave", {})))
            events = await known.take(told.get("join", {}), since)
            since = news["next_batch"]
            if told:
                self._start(self._seen(await inbox.take(events, since)))

    async def _connect(self) -> None:
        """Be signed in, and have our keys. Whoever comes first does it, be it a send."""
        async with self._connecting:
            if not self._server.token:
                self._device = await self._signing.sign_in(self._crypto.device)
                self._begun = False
            if not self._begun:
                await self._crypto.begin(self._device)
                self._begun = True

    async def _connect_some_time(self) -> None:
        """The same, for those who can wait until a person has mended it."""
        try:
            await self._connect()
        except Config as failed:
            raise Temporary(str(failed)) from failed

    async def _news(self, since: str) -> dict[str, Any]:
        wait = {"since": since, "filter": rooms.FILTER, "timeout": str(int(POLL_S * 1000))}
        return await self._ask("GET", "/sync", None, wait, POLL_S + POLL_SLACK_S)

    async def _name(self) -> str:
        """What people call us."""
        try:
            found = await self._ask("GET", path("profile", self._settings.user, "displayname"))
        except Refused as refused:
            if refused.status >= 429:
                raise
            return ""
        return str(found.get("displayname") or "")

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str] | None = None,
        within_s: float = ASK_S_MAX,
    ) -> dict[str, Any]:
        try:
            return await self._server.ask(method, path, body, parameters, within_s)
        except Refused as refused:
            self._note(refused)
            raise

    def _note(self, refused: Refused) -> None:
        """A refusal of any request may show that the connection is over."""
        why = self._signing.over(refused)
        if why is not None and self._over is not None and not self._over.done():
            self._over.set_exception(why)

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        """Something that nothing waits for. It ends with the connection at the latest."""
        task = asyncio.create_task(doing)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _seen(self, kept: Sequence[Incoming]) -> None:
        """Show people that what they wrote is here. Decoration."""
        for room, event in {one.place.chat: one.id for one in kept if isinstance(one.did, Wrote)}.items():
            with contextlib.suppress(Refused, Unreached, Lost):
                await self._ask("POST", path("rooms", room, "receipt", "m.read", event), {})

    # --- invitations ----------------------------------------------------------------------------------------------------------------

    def _welcome(self, news: Mapping[str, Any]) -> None:
        """Join the rooms that we are invited to by those who may."""
        for room, told in news.get("rooms", {}).get("invite", {}).items():
            events = told.get("invite_state", {}).get("events", [])
            if invites(self._settings, room, events):
                self._start(self._join(room, events))

    async def _join(self, room: str, events: Sequence[Event]) -> None:
        """An invitation that is not taken now is seen again when we connect the next time."""
        via = next((str(event.get("sender")) for event in events if event.get("state_key") == self._settings.user), "").partition(":")[2]
        async with self._joins:
            for _ in range(JOIN_TRIES_MAX):
                try:
                    await self._ask("POST", path("join", room), {}, {"via": via, "server_name": via})
                except Refused as refused:
                    if refused.status != 429:
                        log.warning("%s can't join a room that it was invited to: %s. Invite it again.", self.account, refused)
                        return
                    await self._clock.sleep(min(refused.retry_after_s or JOIN_PAUSE_S_MAX, JOIN_PAUSE_S_MAX))
                except (Unreached, Lost) as error:
                    log.warning("%s can't join a room that it was invited to: %s. Invite it again.", self.account, error)
                    return
                else:
                    return

    # --- sending --------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        try:
            await self._connect()
            return Receipt(id=await self._send(place, message))
        except Request as refused:
            return Receipt("refused", why=str(refused))
        except Temporary as failed:
            return Receipt("retry", why=str(failed), retry_after_s=failed.retry_after_s, account="away")
        except Config as failed:
            return Receipt("retry", why=str(failed), account="stopped")
        except Unreached as error:
            return Receipt("retry", why=str(error), account="away")
        except Lost as error:
            return Receipt("unknown", why=str(error), account="away")
        except Refused as refused:
            return self._receipt(refused)

    def _receipt(self, refused: Refused) -> Receipt:
        match self._signing.over(refused):
            case Config() as why:
                return Receipt("retry", why=str(why), account="stopped")
            case Temporary() as why:
                return Receipt("retry", why=str(why), account="away")
            case None if refused.status == 429:
                return Receipt("retry", why=str(refused), retry_after_s=refused.retry_after_s)
            case None if refused.status >= 500 or refused.status == 408:
                return Receipt("unknown", why=str(refused), retry_after_s=refused.retry_after_s, account="away" if refused.away else "")
            case None if refused.code in _GONE:
                return Receipt("blocked", why=str(refused))
            case None if not refused.code:
                return Receipt("retry", why=str(refused), account="away")  # no homeserver said that
            case None:
                return Receipt("refused", why=str(refused))

    async def _send(self, place: Place, message: Message) -> str:
        """The id of the first event, which is the message's. A repeat under the same key makes no second event; one of an edit is the same edit."""
        ids = [message.edit] if message.edit else []
        if message.edit:
            await self._event(place, writing.edit(message.text, message.edit, message.key), secrets.token_hex(16))
        elif message.text or not message.files:
            said = writing.related(writing.text(message.text, message.key), place.thread, message.replies_to)
            ids.append(await self._event(place, said, message.key))
        for number, produced in enumerate(message.files):
            key = f"{message.key or message.edit}/{number}" if ids else message.key
            content = writing.related(await self._file(place, produced, key), place.thread, "" if ids else message.replies_to)
            ids.append(await self._event(place, content, key))
        return ids[0]

    async def _event(self, place: Place, content: dict[str, Any], key: str) -> str:
        kind, content = await self._crypto.encrypted(place.chat, writing.fitting(content))
        sent = await self._ask("PUT", path("rooms", place.chat, "send", kind, key or secrets.token_hex(16)), content)
        return str(sent.get("event_id", ""))

    async def _file(self, place: Place, produced: Produced, key: str) -> dict[str, Any]:
        """The content of an event with this file, which is on the homeserver then. One that nobody speaks of in the end is no harm there."""
        data = await self._files.read(produced.sha256)
        media_type = produced.media_type or "application/octet-stream"
        try:
            sealed, keys = await self._crypto.sealed(place.chat, data)
            if keys is None:
                url = await self._server.upload(produced.name, media_type, sealed, FILE_S_MAX)
            else:
                url = await self._server.upload("", "application/octet-stream", sealed, FILE_S_MAX)
        except Refused as refused:
            self._note(refused)
            if refused.status == 413 or refused.code == "M_TOO_LARGE":
                raise Request(f"{produced.name} is too large for the homeserver.") from refused
            raise
        return writing.file(produced.name, media_type, {"url": url} if keys is None else {"file": {**keys, "url": url}}, len(data), key)

    async def find(self, place: Place, message: Message, since: float) -> str | None:
        start, ends = "", (since - CLOCKS_DIFFER_S) * 1000
        try:
            await self._connect_some_time()
            while True:
                parameters = {"dir": "b", "limit": str(FIND_PAGE)} | ({"from": start} if start else {})
                page = await self._ask("GET", path("rooms", place.chat, "messages"), None, parameters)
                for event in page.get("chunk", []):
                    content = event.get("content", {})
                    if message.key and event.get("sender") == self._settings.user and content.get(writing.KEY) == message.key:
                        return str(event["event_id"])
                start = page.get("end", "")
                if not start or any(event.get("origin_server_ts", ends) < ends for event in page.get("chunk", [])):
                    return None
        except (Refused, Unreached, Lost) as error:
            raise Temporary(f"{self.account} can't look into the room: {error}.") from error

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 the same everywhere
        return PACE_S

    async def typing(self, place: Place) -> None:
        body = {"typing": True, "timeout": int((TYPING_S + TYPING_SLACK_S) * 1000)}
        with contextlib.suppress(Refused, Unreached, Lost):
            await self._ask("PUT", path("rooms", place.chat, "typing", self._settings.user), body, within_s=TYPING_S_MAX)

    def progress(self, conversation: str, call: str, text: str) -> None:
        """A chat is shown that something is on its way, and no more."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """A room is shown edits."""

    # --- files ----------------------------------------------------------------------------------------------------------------------

    async def fetch(self, attachment: Attachment) -> str:
        keys = keys_of(attachment.source)
        media = media_of(str(keys.get("url")) if keys else attachment.source)
        if media is None:
            raise Request(f"{attachment.name} can't be had: its address is none of Matrix.")
        try:
            await self._connect_some_time()
            async with self._server.download(*media, FILE_S_MAX) as pieces:
                return await self._files.put(self._opened(keys, pieces) if keys else pieces)
        except Refused as refused:
            self._note(refused)
            if refused.away or refused.status in {401, 429} or refused.status >= 500:
                raise Temporary(f"{attachment.name} can't be had now: {refused}.", refused.retry_after_s) from refused
            raise Request(f"{attachment.name} can't be had: {refused}.") from refused
        except (Unreached, Lost) as error:
            raise Temporary(f"{attachment.name} can't be had now: {error}.") from error

    async def _opened(self, keys: Mapping[str, Any], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """An encrypted file is decrypted as a whole: before its end nobody knows whether it is what it should be."""
        data = bytearray()
        async for piece in pieces:
            data += piece
            if len(data) > FILE_BYTES_MAX:
                raise Request(f"The file is larger than {FILE_BYTES_MAX // 1024 // 1024} MB. Send a smaller one.")
        yield await self._crypto.opened(keys, bytes(data))

    async def close(self) -> None:
        self._crypto.close()
        await self._server.close()


def invites(settings: accounts.Matrix, room: str, events: Sequence[Event]) -> bool:
    """Does somebody invite us here whose invitation we take? Whoever may talk to us; anybody to a group on the list, or to one that replaces it; and to
    a direct chat anybody who can get a code there."""
    ours = next((event for event in events if event.get("type") == "m.room.member" and event.get("state_key") == settings.user), None)
    if ours is None:
        return False
    may = {name.casefold() for name in (*settings.allow, *settings.owners)}
    if "*" in may or str(ours.get("sender")).casefold() in may or {"*", room} & set(settings.groups):
        return True
    created: Event = next((event.get("content", {}) for event in events if event.get("type") == "m.room.create"), {})
    before = created.get("predecessor")
    if isinstance(before, dict) and before.get("room_id") in settings.groups:
        return True
    return settings.pairing and ours.get("content", {}).get("is_direct") is True
