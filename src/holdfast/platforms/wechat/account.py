"""The bot of one person on WeChat: see `ports.Platform` and `ports.SignsIn`.

WeChat forgets a message as it hands it to us, or hands it over twice; people have seen both. So it is made durable at once, and recognised when it comes
again. Nothing can be said without the token that came with somebody's last message: see `window`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Incoming, Place
from holdfast.core.text import Limit
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.asking import Failure, NotSent
from holdfast.platforms.wechat.api import Api, Refused, Servers
from holdfast.platforms.wechat.media import Ours, Stored, decrypted, put
from holdfast.platforms.wechat.reading import Heard, read
from holdfast.platforms.wechat.render import render
from holdfast.platforms.wechat.signing_in import PAUSE_S, LoginFile, Signing
from holdfast.platforms.wechat.window import Reached, Window
from holdfast.platforms.wechat.wire import (
    BOT,
    BUSY,
    DECLINED,
    FINISHED,
    NO_LONGER_TYPING,
    SESSION_ENDED,
    TEXT,
    TYPING,
    Envelope,
    Sent,
    Settings,
    Updates,
)
from holdfast.ports import Clock, Files, Inbox, Message, Receipt, SignIn, Traits

HOLD_S: Final = 35.0
"""How long WeChat keeps a poll that it has nothing to say to, until it says otherwise."""
HOLD_S_MAX: Final = 60.0
GRACE_S: Final = 20.0
"""A poll is not given up early: what is just being answered to it might be lost."""
IDLE_S: Final = 1.0
"""Between polls, where WeChat does not keep them."""
KEPT_S: Final = 24 * 3600.0
"""So long, we take it, WeChat keeps what nobody took: it says nothing of that, and longer nobody could be answered."""
CONNECTED_S_MAX: Final = 15.0
"""How long a send waits for the account to be connected for the first time."""
SIGN_S_MAX: Final = 3.0
"""For what is only decoration."""
DECLINED_MAX: Final = 3
"""So often in a row it may be too much for WeChat, before we take it that a person has to write first."""
RATE_S: Final = 30.0
TRACES_MAX: Final = 200

TRAITS: Final = Traits(
    Limit(2000),
    silence_s_max=2 * (HOLD_S_MAX + GRACE_S),
    sends_at_once_max=2,
    typing_s=5.0,
    missed_s=KEPT_S,
    forgets=True,
    corrections=False,
    buttons=False,
)


class WechatPlatform:
    """See `ports.Platform` and `ports.SignsIn`."""

    def __init__(self, name: str, base_url: str, files: Files, clock: Clock, folder: Path, *, pause_s: float = PAUSE_S) -> None:
        self.account: str = f"wechat:{name}"
        self.traits: Traits = TRAITS
        self._base_url, self._files, self._clock, self._pause_s = base_url, files, clock, pause_s
        self._login = LoginFile(folder)
        self._signing: Signing | None = None
        self._http = Servers()
        self._api = Api(self._http, base_url)
        self._reached = Reached()
        self._traces: OrderedDict[str, str] = OrderedDict()
        self._declined = ("", 0)  # a token, and how often in a row
        self._tickets: dict[str, str] = {}
        self._typing: set[str] = set()
        self._begun = asyncio.Event()
        self._ended, self._anew = asyncio.Event(), asyncio.Event()

    # --- receiving ----------------------------------------------------------------------------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        """Ends, too, when a send shows that the session is over; goes on as who signs in meanwhile."""
        while True:
            self._ended.clear()
            self._anew.clear()
            tasks = [asyncio.create_task(one) for one in (self._receive(inbox), self._ended.wait(), self._anew.wait())]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if not self._anew.is_set():
                    if tasks[0].done():
                        tasks[0].result()
                    raise self._over()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, inbox: Inbox) -> None:
        login = self._login.read()
        if login is None:
            raise Config(
                f"Nobody has signed {self.account} in yet. Run holdfast platforms login {self.account}, or sign in on the page, under Platforms."
            )
        self._api = Api(self._http, login.base_url, login.token)
        self._tickets.clear()
        await self._start()
        kept = Reached.of(await inbox.begin(login.user)).as_bot(login.bot)
        self._reached = kept.after("", self._reached.windows.items(), self._clock.now())
        self._begun.set()
        inbox.alive()
        await self._poll(inbox)

    async def _start(self) -> None:
        """Say that we are there, and hear whether we may be. (Not every server knows this.)"""
        try:
            await self._api.call("msg/notifystart", Envelope)
        except Refused as refused:
            if refused.code == SESSION_ENDED:
                raise self._over() from None
        except Failure as failure:
            raise Temporary(f"{self._api.host} can't be reached: {failure}.") from None

    async def _poll(self, inbox: Inbox) -> None:
        hold_s, doubted = HOLD_S, False
        while True:
            began = self._clock.monotonic()
            try:
                found = await self._api.call("getupdates", Updates, hold_s + GRACE_S, get_updates_buf=self._reached.buf)
            except Refused as refused:
                if refused.code != SESSION_ENDED:
                    raise Temporary(f"WeChat: {refused}.", refused.retry_after_s) from None
                if doubted:
                    raise self._over() from None
                doubted = True  # said of a session that slept, too, or of where it was left off: then beginning anew helps
                await self._start()
                self._reached = msgspec.structs.replace(self._reached, buf="")
                continue
            except Failure as failure:
                raise Temporary(f"{self._api.host} can't be reached: {failure}.") from None
            doubted = False
            inbox.alive()
            hold_s = min(found.longpolling_timeout_ms / 1000 or hold_s, HOLD_S_MAX)
            await self._take(inbox, found)
            if not found.msgs and self._clock.monotonic() - began < IDLE_S:
                await self._clock.sleep(IDLE_S)

    async def _take(self, inbox: Inbox, found: Updates) -> None:
        """Make it durable, before anything else: nobody may ever tell us again."""
        now = self._clock.now()
        heard = [self._recognised(read(raw, now)) for raw in found.msgs]
        windows = [one.window for one in heard if one.window is not None]
        before, self._reached = self._reached, self._reached.after(found.get_updates_buf, windows, now)
        events = [one.event for one in heard if one.event is not None]
        if events or self._reached != before:
            await inbox.take(events, self._reached.cursor)

    def _recognised(self, heard: Heard) -> Heard:
        """What came before under another id is that again: it was written at the same thousandth of a second."""
        if not heard.trace or not isinstance(heard.event, Incoming):
            return heard
        known = self._traces.setdefault(heard.trace, heard.event.id)
        while len(self._traces) > TRACES_MAX:
            self._traces.popitem(last=False)
        return replace(heard, event=replace(heard.event, id=known))

    def _over(self) -> Config:
        return Config(
            f"WeChat has ended the session of {self.account}: it does so after some weeks, and when its person signs in elsewhere. "
            f"Run holdfast platforms login {self.account}, or sign in on the page, under Platforms."
        )

    # --- signing in ---------------------------------------------------------------------------------------------------------------------

    async def sign_in(self) -> AsyncGenerator[SignIn, None]:
        """See `ports.SignsIn`. The login is durable before it is said to be done."""
        if self._signing is not None:
            self._signing.over = True
        signing = self._signing = Signing(self._http, self._base_url, self._clock, pause_s=self._pause_s)
        async with contextlib.aclosing(signing.steps()) as steps:
            async for step in steps:
                if signing.login is not None:
                    known = self._login.read()
                    if known is not None and known.user != signing.login.user:
                        raise Request(
                            f"{self.account} is the bot of {known.user}, and {signing.login.user} scanned the picture. Let that person scan it; or give "
                            "the other one an account of another name."
                        )
                    self._login.write(signing.login)
                    self._anew.set()
                yield step

    def answer(self, said: str) -> None:
        if self._signing is None:
            raise Request(f"Nobody is signing {self.account} in.")
        self._signing.answer(said)

    # --- sending ------------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        """See `ports.Platform`. WeChat takes no keys that it would be known to recognise."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECTED_S_MAX):
                await self._begun.wait()
        if not self._begun.is_set():
            return Receipt("retry", why=f"{self.account} is not connected yet", account="away")
        window = self._reached.window(place.chat, self._clock.now())
        if window is None:
            return Receipt("blocked", why="WeChat lets a bot answer for 24 hours after a message")
        api = self._api
        try:
            items = await self._items(api, place.chat, message)
        except Request as missing:
            return Receipt("refused", why=str(missing))
        except Failure as failure:
            return self._receipt(api, failure, window, said=False)
        id_ = ""
        for item in items:
            try:
                id_ = await _say(api, place.chat, window, item)
            except Failure as failure:
                receipt = self._receipt(api, failure, window, said=True)
                return replace(receipt, refusal="unknown") if id_ and receipt.refusal == "retry" else receipt
        self._declined = ("", 0)
        await self._sign_off(place.chat)
        return Receipt(id=id_)

    async def _items(self, api: Api, person: str, message: Message) -> list[dict[str, Any]]:
        """What is to be said, one message for each; files are where they can be had from before the first is said. Raises `Failure` or `Request`."""
        items = [{"type": TEXT, "text_item": {"text": render(message.text)}}] if message.text.strip() else []
        for file in message.files:
            ours = Ours(file.name, file.media_type, await self._files.read(file.sha256))
            items.append(await put(api, self._http, person, ours))
        return items

    def _receipt(self, api: Api, failure: Failure, window: Window, *, said: bool) -> Receipt:
        """What became of it. `said`: it was a message that failed, and not what comes before."""
        why = f"WeChat: {failure}"
        match failure:
            case NotSent():
                return Receipt("retry", why=f"WeChat can't be reached: {failure}", account="away")
            case Refused(code=code) if code == SESSION_ENDED and api is not self._api:
                return Receipt("retry", why=f"{self.account} was signed in anew", retry_after_s=0.0)
            case Refused(code=code) if code == SESSION_ENDED:
                self._ended.set()
                return Receipt("retry", why=str(self._over()), account="stopped")
            case Refused(code=code) if code == DECLINED and window not in self._reached.windows.values():
                return Receipt("retry", why="they wrote meanwhile", retry_after_s=0.0)
            case Refused(code=code) if code == DECLINED:
                return self._declination(window, why)
            case Refused(code=code) if code in {BUSY, HTTPStatus.TOO_MANY_REQUESTS}:
                return Receipt("retry", why=why, retry_after_s=failure.retry_after_s or RATE_S)
            case Refused():
                return Receipt("refused", why=why)
            case _:
                return Receipt("unknown" if said else "retry", why=f"WeChat did not answer: {failure}")

    def _declination(self, window: Window, why: str) -> Receipt:
        """Too many at once, or none any more with this token: WeChat says the same. What is once more declined after a while is the latter."""
        token, times = self._declined
        self._declined = (window.token, times + 1 if token == window.token else 1)
        if "limit" in why and self._declined[1] < DECLINED_MAX:
            return Receipt("retry", why=why, retry_after_s=RATE_S)
        return Receipt("blocked", why=f"{why}: it lets a bot answer about ten times, and for 24 hours after a message")

    async def find(self, place: Place, message: Message, since: float) -> str | None:  # noqa: ARG002 - bots can't read what was said
        return None

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 - nothing that was said can be changed
        return None

    def show(self, conversation: str, name: str, text: str) -> None:
        """A chat is shown that something is on its way, and no more."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """Likewise."""

    async def typing(self, place: Place) -> None:
        person, window = place.chat, self._reached.window(place.chat, self._clock.now())
        if window is None:
            return
        with contextlib.suppress(Failure):
            if person not in self._tickets:
                asked = {"ilink_user_id": person, "context_token": window.token}
                self._tickets[person] = (await self._api.call("getconfig", Settings, SIGN_S_MAX, **asked)).typing_ticket
            await self._sign(person, TYPING)
            self._typing.add(person)

    async def _sign(self, person: str, status: int) -> None:
        """Raises `Failure`."""
        try:
            said = {"ilink_user_id": person, "typing_ticket": self._tickets[person], "status": status}
            await self._api.call("sendtyping", Envelope, SIGN_S_MAX, **said)
        except Failure:
            self._tickets.pop(person, None)  # it may be too old
            raise

    async def _sign_off(self, person: str) -> None:
        """Something was said: the sign, which else might stay, goes."""
        if person in self._typing and person in self._tickets:
            self._typing.discard(person)
            with contextlib.suppress(Failure):
                await self._sign(person, NO_LONGER_TYPING)

    # --- files --------------------------------------------------------------------------------------------------------------------------

    async def fetch(self, attachment: Attachment) -> str:
        where = msgspec.json.decode(attachment.source, type=Stored)
        try:
            return await self._files.put(decrypted(self._http.download(where.url), where.key))
        except Failure as failure:
            if isinstance(failure, Refused) and failure.code != HTTPStatus.TOO_MANY_REQUESTS:
                raise Request(f"WeChat does not give {attachment.name} any more ({failure}). Send it again.") from None
            raise Temporary(f"{attachment.name} can't be had from WeChat now: {failure}.") from None

    async def close(self) -> None:
        await self._http.close()


async def _say(api: Api, person: str, window: Window, item: dict[str, Any]) -> str:
    """One message. Returns its id. Raises `Failure`."""
    ours = uuid.uuid4().hex
    said = {
        "from_user_id": "",
        "to_user_id": person,
        "client_id": ours,
        "message_type": BOT,
        "message_state": FINISHED,
        "context_token": window.token,
        "item_list": [item],
    }
    return str((await api.call("sendmessage", Sent, msg=said)).message_id or ours)
