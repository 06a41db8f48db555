"""One bot on Telegram: see `ports.Platform`. It polls, or lets itself be called; whatever it was told it acknowledges only once that is durable.

A poll's offset acknowledges what was taken before, once; it is not sent again. Update ids may begin anew, lower, after a silent week: an old offset would
then hide what is new. What comes again after a crash is recognised by the messages' own ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.commands import COMMANDS
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Incoming, Place, Wrote
from holdfast.core.text import Limit
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.asking import Failure, sound
from holdfast.platforms.telegram.api import CALL_S_MAX, Api, Refused
from holdfast.platforms.telegram.receipts import receipt
from holdfast.platforms.telegram.render import UNITS_MAX
from holdfast.platforms.telegram.sending import Sending
from holdfast.platforms.telegram.updates import Us, in_reply_to, read
from holdfast.platforms.telegram.wire import KINDS, Hooked, Number, Stored, User
from holdfast.platforms.together import together
from holdfast.ports import Clock, Files, HookReply, Inbox, Message, Receipt, Traits

POLL_S: Final = 30.0
"""How long Telegram keeps a poll that it has nothing to say to."""
POLL_GRACE_S: Final = 10.0
LOOK_S: Final = 30.0
"""How often we ask how the webhook fares."""
LOOKS_MAX: Final = 5
"""Of what comes at once, so many groups see that their newest message was seen."""
SIGN_S_MAX: Final = 3.0
"""For what is only decoration."""
FILE_MB_MAX: Final = 20
"""What Telegram lets bots download."""

PRIVATE_PACE_S: Final = 1.2
GROUP_PACE_S: Final = 4.0

TYPING_S: Final = 4.5
"""The sign stays for five seconds."""
KEPT_S: Final = 24 * 3600.0
"""So long Telegram keeps what nobody took."""

TRAITS: Final = Traits(Limit(UNITS_MAX, "utf16"), edits=True, silence_s_max=2 * (POLL_S + POLL_GRACE_S), typing_s=TYPING_S, missed_s=KEPT_S)

SECRET_HEADER: Final = "x-telegram-bot-api-secret-token"  # noqa: S105 - a name

T = TypeVar("T")
log = logging.getLogger("holdfast.telegram")


class TelegramPlatform:
    """See `ports.Platform`, and `ports.Hook` where `hook_url` says how Telegram reaches us."""

    def __init__(
        self, name: str, token: str, base_url: str, files: Files, clock: Clock, *, hook_url: str = "", poll_s: float = POLL_S
    ) -> None:
        self.account: str = f"telegram:{name}"
        self.traits: Traits = TRAITS
        self._api = Api(base_url, token)
        self._files, self._clock = files, clock
        self._poll_s = poll_s
        self.is_called = bool(hook_url)
        self._hook_url = hook_url and f"{hook_url.rstrip('/')}/hooks/telegram/{name}"
        self._secret = hmac.new(token.encode(), b"holdfast webhook", hashlib.sha256).hexdigest()
        self._unknown_token = asyncio.Event()
        self._us = Us(0, "")
        self._inbox: Inbox | None = None

    async def run(self, inbox: Inbox) -> None:
        """Ends, too, when a send shows that the token is not known any more."""
        self._unknown_token.clear()
        try:
            await together(self._receive(inbox), self._until_not_known())
        finally:
            self._inbox = None

    async def _until_not_known(self) -> None:
        await self._unknown_token.wait()
        raise self._not_known()

    async def _receive(self, inbox: Inbox) -> None:
        me = await self._ask("getMe", User)
        self._us = Us(me.id, me.username)
        await inbox.begin(str(me.id))
        inbox.alive()
        self._inbox = inbox
        commands = [{"command": one.name, "description": _described(one.args, one.does)} for one in COMMANDS]
        await self._sign("setMyCommands", commands=commands)
        await (self._watch_hook(inbox) if self._hook_url else self._poll(inbox))

    async def _poll(self, inbox: Inbox) -> None:
        offset, others_hook = 0, False
        asked: dict[str, Any] = {"timeout": int(self._poll_s), "limit": 100, "allowed_updates": KINDS}
        while True:
            try:
                raw = await self._ask(
                    "getUpdates", tuple[msgspec.Raw, ...], s_max=self._poll_s + POLL_GRACE_S, offset=offset or None, **asked
                )
            except _WebhookIsSet as conflict:
                if others_hook:
                    raise Config(
                        f"{conflict} Something else uses this bot's token; end that, or give this gateway a bot of its own."
                    ) from None
                others_hook = True
                await self._ask("deleteWebhook", bool)
                continue
            inbox.alive()
            offset = await self._take(inbox, raw) if raw else 0

    async def _take(self, inbox: Inbox, raw: Sequence[bytes | msgspec.Raw]) -> int:
        """Make updates durable. Returns the offset that acknowledges them."""
        numbers = [number for number in map(_number, raw) if number is not None]
        if not numbers:
            raise Temporary(
                "Telegram sent updates without numbers, which can't be acknowledged. Nothing of them was taken; they are asked for again."
            )
        offset = max(numbers) + 1
        events = [event for event in (read(one, self._us) for one in raw) if event is not None]
        kept = await inbox.take(events, str(offset))
        presses = [event.id for event in events if isinstance(event, Incoming) and isinstance(event.did, Chose)]
        newest = {event.place.chat: event for event in kept if event.group and isinstance(event.did, Wrote)}
        await asyncio.gather(*map(self._stop_blinking, presses), *map(self._look, [*newest.values()][-LOOKS_MAX:]))
        return offset

    async def _stop_blinking(self, press: str) -> None:
        await self._sign("answerCallbackQuery", callback_query_id=press)

    async def _look(self, incoming: Incoming) -> None:
        """In a group: it was seen. (In a direct chat everything is, and that we type shows.)"""
        message, _ = in_reply_to(incoming.id)
        eyes = [{"type": "emoji", "emoji": "👀"}]
        await self._sign("setMessageReaction", chat_id=int(incoming.place.chat), message_id=message, reaction=eyes)

    # --- being called -------------------------------------------------------------------------------------------------------------------

    async def _watch_hook(self, inbox: Inbox) -> None:
        """One call at a time: so they come in order."""
        wanted: dict[str, Any] = {"url": self._hook_url, "secret_token": self._secret, "allowed_updates": KINDS, "max_connections": 1}
        await self._ask("setWebhook", bool, **wanted)
        said = 0
        while True:
            hooked = await self._ask("getWebhookInfo", Hooked)
            if hooked.url != self._hook_url:
                raise Config(
                    f"Telegram calls {hooked.url or 'nobody'} now instead of {self._hook_url}. Something else uses this bot's token; "
                    "end that, or give this gateway a bot of its own."
                )
            inbox.alive()
            if hooked.last_error_date > said:
                said = hooked.last_error_date
                log.warning(
                    "%s: Telegram could not bring us what was written: %s. %d updates wait there. Look at the proxy in front of [webhooks].",
                    self.account,
                    hooked.last_error_message,
                    hooked.pending_update_count,
                )
            await self._clock.sleep(LOOK_S)

    async def hook(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> HookReply:  # noqa: ARG002 - it has none
        """See `ports.Hook`."""
        if not hmac.compare_digest(headers.get(SECRET_HEADER, "").encode(), self._secret.encode()):
            return HookReply(HTTPStatus.FORBIDDEN)
        if method != "POST":
            return HookReply(HTTPStatus.METHOD_NOT_ALLOWED)
        if self._inbox is None:
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)  # Telegram comes again
        try:
            await self._take(self._inbox, [sound(body)])
        except Temporary:
            return HookReply(HTTPStatus.BAD_REQUEST)
        self._inbox.alive()
        return HookReply()

    # --- sending ------------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        """See `ports.Platform`. Telegram takes no keys."""
        try:
            try:
                return Receipt(id=await Sending(self._api, self._files, place, message).send())
            except Refused as refused:
                if not refused.moved:
                    raise
                there, anew = replace(place, chat=refused.moved), replace(message, edit="")  # messages have other ids there
                sent = await Sending(self._api, self._files, there, anew).send()
                return Receipt(id=sent, moved=refused.moved)
        except Failure as failure:
            said = receipt(failure, message.edit)
            if said.account == "stopped":
                self._unknown_token.set()
            return said
        except Request as missing:
            return Receipt("refused", why=str(missing))

    async def find(self, place: Place, message: Message, since: float) -> str | None:  # noqa: ARG002 - bots can't read what was said
        return None

    def pace_s(self, place: Place) -> float | None:
        """Groups have negative numbers, and are allowed 20 messages a minute."""
        return GROUP_PACE_S if place.chat.startswith("-") else PRIVATE_PACE_S

    async def typing(self, place: Place) -> None:
        await self._sign(
            "sendChatAction", chat_id=int(place.chat), action="typing", message_thread_id=int(place.thread) if place.thread else None
        )

    def progress(self, conversation: str, call: str, text: str) -> None:
        """A chat is shown that something is on its way, and no more."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """Answers grow here by edits."""

    # --- files --------------------------------------------------------------------------------------------------------------------------

    async def fetch(self, attachment: Attachment) -> str:
        try:
            stored = await self._api.call("getFile", Stored, {"file_id": attachment.source})
            return await self._files.put(self._api.download(stored.file_path))
        except Refused as refused:
            if refused.says("too big"):
                raise Request(
                    f"{attachment.name} is larger than {FILE_MB_MAX} MB, and Telegram gives bots no larger files. Send a smaller one."
                ) from None
            self._heed(refused)
            if refused.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND} and not self._unknown_token.is_set():
                raise Request(f"Telegram does not give {attachment.name} any more ({refused}). Send it again.") from None
            raise Temporary(f"{attachment.name} can't be had from Telegram now: {refused}.", refused.retry_after_s) from None
        except Failure as failure:
            raise Temporary(f"{attachment.name} can't be had from Telegram now: {failure}.") from None

    # --- asking -------------------------------------------------------------------------------------------------------------------------

    async def _ask(self, method: str, answer: type[T], s_max: float = CALL_S_MAX, **params: Any) -> T:
        """For what receiving needs. Raises `Temporary`, or `Config`."""
        try:
            return await self._api.call(method, answer, params, s_max=s_max)
        except Refused as refused:
            match refused.status:
                case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND:
                    raise self._not_known() from None
                case HTTPStatus.CONFLICT if refused.says("webhook"):
                    raise _WebhookIsSet(f"Telegram says: {refused}.") from None
                case HTTPStatus.CONFLICT:
                    raise Config(
                        "Another program receives what is written to this bot (Telegram: "
                        f"{refused}). End it, or give this gateway a bot of its own; then start this account again."
                    ) from None
                case HTTPStatus.BAD_REQUEST if method == "setWebhook":
                    raise Config(f"Telegram does not take {self._hook_url} for a webhook: {refused}. Correct webhook_url.") from None
                case _:
                    raise Temporary(f"Telegram: {refused}.", refused.retry_after_s) from None
        except Failure as failure:
            raise Temporary(f"{self._api.host} can't be reached: {failure}.") from None

    def _not_known(self) -> Config:
        return Config(
            f"Telegram does not know the token of {self.account} any more. Get the current one from @BotFather (/token), and put it where "
            f"`token` says; then start me again. (If it was right after all: holdfast platforms retry {self.account}.)"
        )

    async def _sign(self, method: str, **params: Any) -> None:
        """Decoration: it may fail."""
        with contextlib.suppress(Failure):
            await self._api.call(method, msgspec.Raw, params, s_max=SIGN_S_MAX)

    def _heed(self, refused: Refused) -> None:
        if refused.status == HTTPStatus.UNAUTHORIZED:
            self._unknown_token.set()

    async def close(self) -> None:
        await self._api.close()


class _WebhookIsSet(Exception):
    """Polls are refused as long as Telegram calls somebody."""


def _number(raw: bytes | msgspec.Raw) -> int | None:
    try:
        return msgspec.json.decode(raw, type=Number).update_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _described(args: str, does: str) -> str:
    """What a client shows beside a command."""
    return f"{args}: {does}"[:256] if args else does[:256]
