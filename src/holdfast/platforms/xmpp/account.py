"""One user on an XMPP server: see `ports.Platform`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from typing import Final

from holdfast import accounts
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Place
from holdfast.core.text import Limit
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.together import together
from holdfast.platforms.xmpp import files, wire
from holdfast.platforms.xmpp.archive import Archives
from holdfast.platforms.xmpp.receiving import Receiving
from holdfast.platforms.xmpp.render import render
from holdfast.platforms.xmpp.rooms import Rooms
from holdfast.platforms.xmpp.sending import Sending, not_sent, refused
from holdfast.platforms.xmpp.stream import Refused, Stream, is_here
from holdfast.ports import Clock, Files, Inbox, Message, Receipt, Traits

CHECK_S: Final = 30.0
"""How often the server is asked whether it hears us."""
CLOCKS_DIFFER_S: Final = 300.0
TYPING_S: Final = 20.0
DAY_S: Final = 86_400.0

TRAITS: Final = Traits(
    Limit(5000, "escaped"),  # it is not the servers that want it short (they take 10 kB at least), but telephones
    history=True,
    typing_s=TYPING_S,
    missed_s=7 * DAY_S,  # so long prosody keeps its archives; others keep them longer
    buttons=False,
)
"""Answers come whole: clients that don't know corrections would show each as a message of its own."""

log = logging.getLogger(__name__)


class _Link:
    """One connection, and those who hear what comes by it."""

    def __init__(self, account: str, settings: accounts.Xmpp) -> None:
        self.stream = Stream(account, settings, self._heard)
        self.archives = Archives(self.stream)
        self.rooms = Rooms(account, self.stream, settings.rooms)
        self.sending = Sending(self.stream, self.rooms)
        self.receiving: Receiving | None = None
        self.uploads: str | None = None
        """Where files go ("": nowhere; None: it was not asked yet)."""

    def _heard(self, stanza: wire.Element) -> None:
        if stanza.tag.endswith("presence"):
            room = self.rooms.heard(stanza)
            if room and self.receiving is not None:
                self.receiving.ring(room)
        elif not self.archives.heard(stanza):
            self.sending.heard(stanza)
            if self.receiving is not None:
                self.receiving.heard(stanza)


class XmppPlatform:
    """See `ports.Platform`."""

    def __init__(self, name: str, settings: accounts.Xmpp, files: Files, clock: Clock) -> None:
        self.account: str = f"xmpp:{name}"
        self.traits: Traits = TRAITS
        self._settings, self._files, self._clock = settings, files, clock
        self._connecting = asyncio.Lock()
        self._link: _Link | None = None

    async def _connect(self) -> _Link:
        """The connection that there is; else one is made, by whoever comes first, be it a send. Raises `Temporary` or `Config`."""
        async with self._connecting:
            if self._link is not None and not self._link.stream.over.done():
                return self._link
            await self._disconnect()
            link = _Link(self.account, self._settings)
            async with contextlib.AsyncExitStack() as undo:
                undo.push_async_callback(link.stream.close)
                await link.stream.open()
                undo.pop_all()
            self._link = link
            return link

    async def _disconnect(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            await link.stream.close()

    # --- receiving ----------------------------------------------------------------------------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        try:
            link = await self._connect()
            cursor = await inbox.begin(link.stream.jid)
            await together(asyncio.shield(link.stream.over), self._receive(link, inbox, cursor), self._check(link, inbox))
        finally:
            await self._disconnect()

    async def _receive(self, link: _Link, inbox: Inbox, cursor: str) -> None:
        link.receiving = Receiving(self.account, link.stream, link.archives, link.rooms, inbox, self._clock)
        with contextlib.suppress(Refused):  # one that keeps everything anyway
            await link.archives.keep_all()
        link.stream.send(wire.presence())
        link.rooms.join()
        await link.rooms.joined()
        try:
            await link.receiving.run(cursor)
        except Refused as why:
            if why.condition in {"feature-not-implemented", "service-unavailable"}:
                raise Config(
                    f"The server of {link.stream.jid} keeps no archive, so what is written while Holdfast is away could be lost. Switch it on there "
                    f"(mod_mam, in prosody and ejabberd). Then: holdfast platforms retry {self.account}."
                ) from why
            raise Temporary(f"{self.account}: the server does not show its archive: {why}.") from why

    async def _check(self, link: _Link, inbox: Inbox) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            await link.stream.ping()
            inbox.alive()

    # --- sending ----------------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        """The last message of it has the key: what is found under it, is there with all its files."""
        try:
            link = await self._connect()
            bodies = [(render(message.text), "")] if message.text or not message.files else []
            bodies += [(url, url) for url in await self._uploaded(link, message)]
        except Temporary as failed:  # where it says when to come again, it is no matter of the whole account
            return (
                not_sent(failed) if failed.retry_after_s is None else Receipt("retry", why=str(failed), retry_after_s=failed.retry_after_s)
            )
        except Config as failed:
            return not_sent(failed)
        except Request as why:
            return Receipt("refused", why=str(why))
        except Refused as why:
            return refused(why)
        last, receipt = self._id(message.key), Receipt()
        for number, (body, url) in enumerate(bodies, 1 - len(bodies)):
            more = [wire.link(url)] if url else []
            if message.replies_to and number == 1 - len(bodies):
                more.append(wire.element(wire.REPLY, "reply", id=message.replies_to))
            kind = "groupchat" if place.chat in self._rooms else "chat"
            receipt = await link.sending.send(place, wire.said(place.chat, kind, f"{last}{number or ''}", body, more))
            if receipt.refusal:
                return receipt
        return receipt

    @property
    def _rooms(self) -> frozenset[str]:
        return frozenset(wire.bare(room) for room in self._settings.rooms)

    def _id(self, key: str) -> str:
        """As others see it, who need not know what we call our conversations."""
        return hashlib.sha256(f"{self.account} {key}".encode()).hexdigest()[:32] if key else secrets.token_hex(16)

    async def _uploaded(self, link: _Link, message: Message) -> list[str]:
        if message.files and link.uploads is None:
            link.uploads = await files.service_for_files(link.stream)
        if message.files and not link.uploads:
            raise Request("The server takes no files. Its administrator can switch that on (HTTP File Upload).")
        here = is_here(self._settings)
        return [await files.upload(link.stream, link.uploads or "", self._files, produced, here=here) for produced in message.files]

    async def find(self, place: Place, message: Message, since: float) -> str | None:
        wanted = self._id(message.key)
        try:
            link = await self._connect()
            room = link.rooms.room(place.chat)
            archive, with_ = (room.jid, "") if room is not None else (link.stream.jid, place.chat)
            async for kept in link.archives.back(archive, with_):
                sender = kept.message.get("from", "")
                ours = wire.resource(sender) == room.nick if room is not None else wire.bare(sender) == link.stream.jid
                if ours and wanted in {kept.message.get("id"), wire.origin_id(kept.message)}:
                    return wanted
                if kept.at < since - CLOCKS_DIFFER_S:
                    return None
        except Config as failed:
            raise Temporary(str(failed)) from failed
        except Refused as why:
            raise Temporary(f"{place.chat} does not show its archive: {why}.") from why
        else:
            return None

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 nowhere
        return None

    async def typing(self, place: Place) -> None:
        link = self._link
        if link is not None and place.chat not in self._rooms:
            with contextlib.suppress(Temporary, Config):
                link.stream.send(wire.composing(place.chat))

    def progress(self, conversation: str, call: str, text: str) -> None:
        """A chat is shown that something is on its way, and no more."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """The answer is shown when it is there."""

    async def fetch(self, attachment: Attachment) -> str:
        domain = wire.bare(self._settings.jid).partition("@")[2]
        return await files.fetch(self._files, attachment, domain, here=is_here(self._settings))

    async def close(self) -> None:
        await self._disconnect()
