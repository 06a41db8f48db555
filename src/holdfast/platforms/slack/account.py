"""One app in one workspace of Slack: see `ports.Platform`. It connects, or lets itself be called; whatever it was told it acknowledges only once that is
durable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from holdfast import accounts
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Place
from holdfast.core.text import Limit
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.api import Api, Refused
from holdfast.platforms.slack.calls import Calls
from holdfast.platforms.slack.history import History
from holdfast.platforms.slack.reading import Us
from holdfast.platforms.slack.receipts import LIMITED, STOPPED, receipt
from holdfast.platforms.slack.receiving import LOOK_S, Receiving
from holdfast.platforms.slack.render import TEXT_BYTES_MAX
from holdfast.platforms.slack.sending import Sending
from holdfast.platforms.slack.socket import Socket
from holdfast.platforms.together import together
from holdfast.ports import Clock, Files, HookReply, Inbox, Message, Receipt, Traits

CHECK_S: Final = 30.0
"""How often we ask whether Slack still knows us."""
PACE_S: Final = 1.2
"""Slack takes about fifty edits a minute."""
CLOCKS_DIFFER_S: Final = 300.0
"""Slack's clock may be so far from ours."""

TRAITS: Final = Traits(Limit(TEXT_BYTES_MAX, "escaped"), history=True, edits=True)

SCOPES: Final = frozenset(
    {
        *(f"{kind}:{what}" for kind in ("channels", "groups", "im", "mpim") for what in ("history", "read")),
        "chat:write",
        "files:read",
        "files:write",
        "users:read",
    }
)
"""Without one of these something would fail later. (`commands` and `reactions:write` may be missing.)"""


class SlackPlatform:
    """See `ports.Platform`, and `ports.Hook` where there is a signing secret."""

    def __init__(self, name: str, settings: accounts.Slack, files: Files, clock: Clock, look_s: float = LOOK_S) -> None:
        assert settings.token is not None, "what was loaded was checked"
        self.account: str = f"slack:{name}"
        self.traits: Traits = TRAITS
        self._api = Api(settings.base_url, settings.token.value, settings.app_token.value if settings.app_token else "")
        self._groups = settings.groups
        self._calls = Calls(settings.signing_secret.value, clock) if settings.signing_secret else None
        self.is_called = self._calls is not None
        self._files, self._clock, self._look_s = files, clock, look_s
        self._us: Us | None = None
        self._receiving: Receiving | None = None
        self._over: asyncio.Future[None] | None = None
        """Of the connection that there is: it gets the reason to end."""

    # --- receiving ----------------------------------------------------------------------------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        """Ends, too, when a send shows that only a person can help."""
        over = self._over = asyncio.get_running_loop().create_future()
        try:
            async with self._plainly():
                await together(self._receive(inbox), over)
        finally:
            self._over = None

    async def _receive(self, inbox: Inbox) -> None:
        us = self._us = await self._who_we_are()
        if self._calls is not None:
            async with self._begun(inbox, us) as receiving:
                await together(receiving.catch_up(), self._check(inbox.alive))
        else:
            async with Socket.opened(self._api, self.account) as socket, self._begun(inbox, us) as receiving:
                brought = self._take(socket, receiving)
                await together(socket.read(inbox), socket.keep_alive(), brought, receiving.catch_up(), self._check())

    async def _who_we_are(self) -> Us:
        found = await self._api.call("auth.test", wire.WhoWeAre)
        lacking = sorted(SCOPES - self._api.scopes) if self._api.scopes else ()
        if lacking:
            raise self._lacks(", ".join(lacking))
        return Us(found.team_id, found.user_id, found.user)

    @asynccontextmanager
    async def _begun(self, inbox: Inbox, us: Us) -> AsyncIterator[Receiving]:
        cursor = await inbox.begin(f"{us.team}/{us.user}")
        self._receiving = Receiving(self._api, us, inbox, self._clock, self._groups, cursor, self._look_s)
        try:
            yield self._receiving
        finally:
            await self._receiving.close()
            self._receiving = None

    async def _take(self, socket: Socket, receiving: Receiving) -> None:
        while True:
            envelopes = await socket.waiting()
            replies = await receiving.take([envelope.delivery for envelope in envelopes])
            for envelope, reply in zip(envelopes, replies, strict=True):
                await socket.acknowledge(envelope, reply)

    async def _check(self, alive: Callable[[], None] = lambda: None) -> None:
        """Ask whether Slack still knows us: the connection is the app's, and says nothing of the bot; nor does silence, where Slack calls us."""
        while True:
            await self._api.call("auth.test", wire.Done)
            alive()
            await self._clock.sleep(CHECK_S)

    async def hook(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> HookReply:  # noqa: ARG002 - it has none
        """See `ports.Hook`."""
        if self._calls is None:
            return HookReply(HTTPStatus.NOT_FOUND)
        brought = self._calls.read(method, headers, body)
        if isinstance(brought, HookReply):
            return brought
        if self._receiving is None:
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)  # Slack comes again
        try:
            async with self._plainly():
                (reply,) = await self._receiving.take([brought])
        except Config as why:
            self._end(why)
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)
        return HookReply(body=json.dumps({"text": reply}).encode(), media_type="application/json") if reply else HookReply()

    # --- sending ------------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        """See `ports.Platform`. Slack takes no keys, but keeps ours."""
        try:
            return Receipt(id=await Sending(self._api, self._files, place, message.replies_to).send(message))
        except Failure as failure:
            self._heed(failure)
            return receipt(failure, message.edit)
        except Request as missing:
            return Receipt("refused", why=str(missing))

    async def find(self, place: Place, message: Message, since: float) -> str | None:
        try:
            us = self._us or await self._who_we_are()
            found = await History(self._api, us, self._clock).find(place.chat, place.thread, message.key, since - CLOCKS_DIFFER_S)
            if found is None:
                return None
            await Sending(self._api, self._files, place).complete(found)
        except Config as why:
            raise Temporary(str(why)) from None
        except Failure as failure:
            self._heed(failure)
            if isinstance(failure, Refused) and failure.code not in LIMITED | STOPPED:
                return None  # nobody can look there: whoever sends hears why
            raise Temporary(f"Slack does not let us look: {failure}.", getattr(failure, "retry_after_s", None)) from None
        return found.ts

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 the same everywhere
        return PACE_S

    async def typing(self, place: Place) -> None:
        """Bots don't type here. That a message was seen is shown by a reaction."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """A chat is shown answers that grow, and no more."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """Answers grow here by edits."""

    # --- files --------------------------------------------------------------------------------------------------------------------------

    async def fetch(self, attachment: Attachment) -> str:
        try:
            stored = (await self._api.call("files.info", wire.Stored, file=attachment.source)).file
            url = stored.url_private_download or stored.url_private
            if not self._is_slacks(url):  # whoever is asked for it is shown our token
                raise Request(f"{attachment.name} is not kept by Slack, only linked to. Share the file itself.")
            return await self._files.put(self._api.download(url, stored.mimetype))
        except Failure as failure:
            self._heed(failure)
            if isinstance(failure, Refused) and failure.code not in LIMITED | STOPPED:
                raise Request(f"Slack does not give {attachment.name} any more ({failure}). Send it again.") from None
            raise Temporary(f"{attachment.name} can't be had from Slack now: {failure}.", getattr(failure, "retry_after_s", None)) from None

    def _is_slacks(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.netloc == self._api.host or (parts.scheme == "https" and f".{parts.hostname}".endswith(".slack.com"))

    # --- what goes wrong ----------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _plainly(self) -> AsyncIterator[None]:
        """Within, what Slack refuses and does not answer is `Config` or `Temporary`."""
        try:
            yield
        except Refused as refused:
            raise self._stopped(refused) or Temporary(f"Slack: {refused}.", refused.retry_after_s) from None
        except Failure as failure:
            raise Temporary(f"{self._api.host} can't be reached: {failure}.") from None

    def _heed(self, failure: Failure) -> None:
        """A send may show that the account is stopped."""
        if isinstance(failure, Refused) and (why := self._stopped(failure)) is not None:
            self._end(why)

    def _end(self, why: Config) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_exception(why)

    def _stopped(self, refused: Refused) -> Config | None:
        if refused.code not in STOPPED:
            return None
        if refused.code == "missing_scope":
            return self._lacks(refused.lacking or "one that it needs")
        return Config(
            f"Slack does not take the bot token of {self.account} ({refused}). Copy the current one from api.slack.com/apps, OAuth & Permissions (it begins "
            f"with xoxb-), put it where `token` says, and start me again. (If it was right after all: holdfast platforms retry {self.account}.)"
        )

    def _lacks(self, scopes: str) -> Config:
        return Config(
            f"The app of {self.account} lacks scopes: {scopes}. Add them (api.slack.com/apps, OAuth & Permissions; or paste the manifest of "
            f"docs/platforms/slack.md again), reinstall the app, and start the account again: holdfast platforms retry {self.account}."
        )

    async def close(self) -> None:
        await self._api.close()
