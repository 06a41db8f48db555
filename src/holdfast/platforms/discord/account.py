"""One bot on Discord, as the runtime sees it: see `ports.Platform`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from holdfast import accounts
from holdfast.core.commands import COMMANDS
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Incoming, Place, Wrote
from holdfast.core.text import Limit
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.discord import gateway, reading
from holdfast.platforms.discord.api import Api, Refused
from holdfast.platforms.discord.gateway import SessionOver, Shut, Unreached, Wire
from holdfast.platforms.discord.receipts import receipt
from holdfast.platforms.discord.reception import Reception, TooMuch
from holdfast.platforms.discord.render import render
from holdfast.platforms.discord.sending import Sending, channel_of, nonce
from holdfast.platforms.discord.session import Kept, Session
from holdfast.platforms.discord.wire import PRESS, Entrance, Interaction, Ready, User, snowflake
from holdfast.platforms.discord.wire import Message as Said
from holdfast.platforms.together import end, together
from holdfast.ports import Clock, Files, Inbox, Message, Receipt, Traits

TEXT_UNITS_MAX: Final = 1900
"""Of a part: Discord takes 2000, and what it shows differently is longer as it is written there."""
KEY_HOLDS_S: Final = 120.0
"""Discord knows our keys again "for a few minutes"."""
SILENCE_S_MAX: Final = 100.0
"""It is asked for a sign of life every 41 s."""
TYPING_S: Final = 8.0
PACE_S: Final = 1.2
"""A channel takes five edits in five seconds."""
SETTLE_S: Final = 30.0
"""So often the cursor follows what is not for us."""
SIGN_S_MAX: Final = 3.0
"""For what is only decoration, and for what has to be answered within so long."""
CLOCKS_DIFFER_S: Final = 2.0
"""Discord tells its time in whole seconds."""
LOOKS_MAX: Final = 5
"""Of what comes at once, so many channels see that their newest message was seen."""
DESCRIPTION_CHARS_MAX: Final = 100

TRAITS: Final = Traits(
    limit=Limit(TEXT_UNITS_MAX, "utf16"),
    key_holds_s=KEY_HOLDS_S,
    history=True,
    edits=True,
    silence_s_max=SILENCE_S_MAX,
    typing_s=TYPING_S,
)

_GROWS: Final = " …"
"""At the end of an answer that is being made."""
_PORTAL: Final = "the Developer Portal (discord.com/developers/applications)"


class DiscordPlatform:
    """See `ports.Platform`."""

    def __init__(self, name: str, settings: accounts.Discord, files: Files, clock: Clock, folder: Path) -> None:
        assert settings.token is not None, "what was loaded was checked"
        self.account: str = f"discord:{name}"
        self.traits: Traits = TRAITS
        self._token = settings.token.value
        self._groups = frozenset(settings.groups)
        self._files, self._clock = files, clock
        self._api = Api(settings.base_url, self._token, clock)
        self._kept = Kept(folder)
        self._reception = Reception(self._api, clock, self._is_wanted, self._heed, self._save)
        self._aside: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] | None = None
        """Of the connection that there is: it gets the reason to end."""

    # --- receiving ----------------------------------------------------------------------------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        """Ends, too, when any request shows that the token is not known any more."""
        over = self._over = asyncio.get_running_loop().create_future()
        try:
            await together(over, self._receive(inbox))
        finally:
            self._over = None
            await end(self._aside)

    async def _receive(self, inbox: Inbox) -> None:
        while True:
            had = self._kept.now
            try:
                await self._connect(inbox, had)
            except Unreached:
                if had is not None:
                    had.url = ""  # it may be that this one is gone: the next time, we ask for another
                raise
            except TooMuch:
                self._kept.end()
                raise
            except SessionOver as over:
                self._kept.end()
                if had is None:
                    raise Temporary(f"Discord ended the session: {over}.") from None
            except Shut as shut:
                raise self._shut_out(shut.code) from None

    async def _connect(self, inbox: Inbox, session: Session | None) -> None:
        """Go on with the session, or begin one."""
        url = session.url if session is not None and session.url else await self._entrance(begins=session is None)
        async with gateway.connected(url, self._clock) as wire:
            await (wire.resume(self._token, session) if session is not None else wire.identify(self._token))
            begun = asyncio.Event()
            await together(wire.beat(), self._listen(wire, inbox, begun), self._tend(begun))

    async def _entrance(self, *, begins: bool) -> str:
        """Where the gateway is. Whoever begins too many sessions in a day loses the token: so we wait."""
        try:
            found = await self._api.call("GET", "/gateway/bot", Entrance)
        except Refused as refused:
            if refused.status == HTTPStatus.UNAUTHORIZED:
                raise self._not_known() from None
            raise Temporary(f"Discord does not say where its gateway is: {refused}.", refused.retry_after_s) from None
        except Failure as failure:
            raise Temporary(f"{self._api.host} can't be reached: {failure}.") from None
        if begins and found.session_start_limit.remaining < 1:
            wait_s = found.session_start_limit.reset_after / 1000
            raise Temporary("This bot was connected too often today; Discord lets it come back later.", wait_s)
        return found.url

    async def _listen(self, wire: Wire, inbox: Inbox, begun: asyncio.Event) -> None:
        while True:
            event = await wire.next()
            if event.name == "READY":
                await self._begin(wire, inbox, msgspec.json.decode(event.data, type=Ready), event.seq or 0)
                begun.set()
                continue
            session = self._kept.now
            if session is None:
                raise Temporary("Discord's gateway began no session.")
            if not begun.is_set():
                cursor = await inbox.begin(session.us)
                if cursor and int(cursor) < session.cursor:
                    raise SessionOver("the journal was put back to where it was before")
                self._reception.go_on(inbox, session.us, cursor)
                wire.heard = inbox.alive
                begun.set()
            taken = await self._reception.heed(event)
            if event.seq is not None:
                session.seq = wire.seq = event.seq
            if taken is not None:
                self._answer(*taken)
                if self._reception.whole:
                    self._save()

    async def _begin(self, wire: Wire, inbox: Inbox, ready: Ready, seq: int) -> None:
        """A new session."""
        cursor = await inbox.begin(ready.user.id)
        self._kept.drop()
        await self._reception.begin(inbox, ready, cursor)
        self._kept.now = Session(ready.session_id, ready.resume_gateway_url, ready.user.id, seq)
        wire.seq, wire.heard = seq, inbox.alive
        self._start(self._sign("PUT", f"/applications/{ready.application.id}/commands", _slash_commands()))
        await self._reception.settle()

    async def _tend(self, begun: asyncio.Event) -> None:
        """What goes on beside listening, once it is known which session it is."""
        await begun.wait()
        await together(self._reception.read_gaps(), self._settle())

    async def _settle(self) -> None:
        while True:
            await self._clock.sleep(SETTLE_S)
            await self._reception.settle()

    def _save(self) -> None:
        """Whoever comes next may go on from here."""
        if self._kept.now is not None:
            self._kept.now.cursor = self._reception.flushed
        self._kept.save()

    def _is_wanted(self, chat: str) -> bool:
        """Do we answer in this channel of a server? (Whatever is said in another one need not be read.)"""
        return bool(self._groups & {"*", chat})

    # --- signs --------------------------------------------------------------------------------------------------------------------------

    def _answer(self, kept: Sequence[Incoming], interaction: Interaction | None) -> None:
        """Show people that what they did is here."""
        if interaction is not None:
            if kept:
                self._start(self._acknowledge(interaction))
            return
        newest = {event.place: event for event in kept if event.group and isinstance(event.did, Wrote)}
        for event in [*newest.values()][-LOOKS_MAX:]:
            message, _ = reading.split_id(event.id)
            eyes = f"/channels/{channel_of(event.place)}/messages/{message}/reactions/{quote('👀')}/@me"
            self._start(self._sign("PUT", eyes))

    async def _acknowledge(self, interaction: Interaction) -> None:
        """Under a slash command, it is written what was ordered: Discord shows only its name."""
        said = {"content": reading.command_text(interaction), "allowed_mentions": {"parse": []}}
        answer: dict[str, Any] = {"type": 6} if interaction.type == PRESS else {"type": 4, "data": said}
        await self._sign("POST", f"/interactions/{interaction.id}/{interaction.token}/callback", answer)

    async def typing(self, place: Place) -> None:
        await self._sign("POST", f"/channels/{channel_of(place)}/typing")

    async def _sign(self, method: str, path: str, body: Any = None) -> None:
        """Decoration: it may fail."""
        with contextlib.suppress(Failure):
            await self._api.call(method, path, msgspec.Raw, body, s_max=SIGN_S_MAX)

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        """Something that nothing waits for. It ends with the connection at the latest."""
        task = asyncio.create_task(doing)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    # --- sending ------------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        try:
            return Receipt(id=await Sending(self._api, self._files, place, message).send())
        except Failure as failure:
            self._heed(failure)
            return receipt(failure, message.edit)
        except Request as missing:
            return Receipt("refused", why=str(missing))

    async def find(self, place: Place, message: Message, since: float) -> str | None:
        """By our key where Discord still tells it, else by what it says."""
        _, thread = reading.split_id(message.replies_to)
        channel = place.thread or thread or place.chat
        after, found = snowflake(self._api.theirs(since) - CLOCKS_DIFFER_S), ""
        try:
            us = self._kept.now.us if self._kept.now is not None else (await self._api.call("GET", "/users/@me", User)).id
            while True:
                page = await self._api.call("GET", f"/channels/{channel}/messages?limit=100&after={after}", tuple[Said, ...])
                ours = (one for one in page if one.author is not None and one.author.id == us)
                found = max([found, *(one.id for one in ours if _is(one, message))], key=lambda id_: int(id_ or 0))
                after = max([after, *(int(one.id) for one in page)])
                if len(page) < 100:
                    home = channel == channel_of(place)
                    return (found if home else f"{found}@{channel}") if found else None
        except Failure as failure:
            self._heed(failure)
            wait_s = failure.retry_after_s if isinstance(failure, Refused) else None
            raise Temporary(f"{self.account} can't look into the channel: {failure}.", wait_s) from None

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 the same everywhere
        return PACE_S

    def progress(self, conversation: str, call: str, text: str) -> None:
        """A chat is shown that something is on its way, and no more."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """Answers grow here by edits."""

    # --- files --------------------------------------------------------------------------------------------------------------------------

    async def fetch(self, attachment: Attachment) -> str:
        channel, message, file = attachment.source.split("/")
        try:
            there = await self._api.call("GET", f"/channels/{channel}/messages/{message}", Said)
            url = next((one.url for one in reading.files_of(there) if one.id == file), "")
            if not url:
                raise Request(f"{attachment.name} is not in its message any more. Send it again.")
            return await self._files.put(self._api.download(url))
        except Refused as refused:
            self._heed(refused)
            if refused.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                raise Request(f"Discord does not give {attachment.name} any more ({refused}). Send it again.") from None
            raise Temporary(f"{attachment.name} can't be had from Discord now: {refused}.", refused.retry_after_s) from None
        except Failure as failure:
            raise Temporary(f"{attachment.name} can't be had from Discord now: {failure}.") from None

    # --- what only a person can mend ------------------------------------------------------------------------------------------------------

    def _heed(self, failure: Failure) -> None:
        """Any request may show that the token is not known any more."""
        if isinstance(failure, Refused) and failure.status == HTTPStatus.UNAUTHORIZED and self._over is not None and not self._over.done():
            self._over.set_exception(self._not_known())

    def _not_known(self) -> Config:
        return Config(
            f"Discord does not know the token of {self.account} any more. Make a new one in {_PORTAL}: your application, Bot, Reset Token. Put "
            f"it where `token` says; then start me again. (If it was right after all: holdfast platforms retry {self.account}.)"
        )

    def _shut_out(self, code: int) -> Config:
        """By the code with which the gateway closed."""
        match code:
            case 4004:
                return self._not_known()
            case 4014:
                return Config(
                    f"{self.account} may not read messages yet. In {_PORTAL}, open your application, Bot, switch on Message Content Intent and "
                    f"save; then: holdfast platforms retry {self.account}"
                )
            case 4011:
                return Config(
                    f"{self.account} is in too many servers for one connection, and Holdfast makes no more than one. Take it out of some."
                )
            case _:
                return Config(
                    f"Discord does not take {self.account} as this version of Holdfast connects (code {code}). Install a newer one."
                )

    async def close(self) -> None:
        await self._api.close()


def _is(found: Said, message: Message) -> bool:
    """Is this message of ours that one, or the beginning of it?"""
    if message.key and found.nonce == nonce(message.key):
        return True
    said, wanted = found.content.strip(), render(message.text).strip()
    return bool(wanted) and (said == wanted or (said.endswith(_GROWS) and wanted.startswith(said.removesuffix(_GROWS))))


def _slash_commands() -> list[dict[str, Any]]:
    """Those that can be written, too."""
    return [
        {
            "name": one.name,
            "type": 1,
            "description": one.does if len(one.does) <= DESCRIPTION_CHARS_MAX else f"{one.does[: DESCRIPTION_CHARS_MAX - 1]}…",
            "options": [{"type": 3, "name": one.args.lower().replace(" ", "-"), "description": one.args}] if one.args else [],
        }
        for one in COMMANDS
    ]
