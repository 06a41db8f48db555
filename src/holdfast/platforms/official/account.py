"""One Official Account of WeChat: see `ports.Platform`. WeChat calls it with what people write, and forgets that after 15 seconds. It may answer, by
customer-service messages, whoever wrote in the last two days, and five times: what is left waits until they write again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from holdfast.accounts import Official
from holdfast.core.entries import Attachment, Produced
from holdfast.core.incoming import Place
from holdfast.core.text import Limit
from holdfast.errors import Request
from holdfast.platforms.asking import Failure, Http
from holdfast.platforms.tencent import calls
from holdfast.platforms.tencent.api import CALL_S_MAX, Api, Refused, answered, as_json
from holdfast.platforms.tencent.outcomes import Codes, receipt
from holdfast.platforms.tencent.plain import bare, plain
from holdfast.platforms.tencent.reading import menu_id
from holdfast.platforms.tencent.receiving import KEPT_S, Receiving
from holdfast.ports import Clock, Files, HookReply, Inbox, Message, Receipt, Traits

TEXT_BYTES_MAX: Final = 2048
IMAGE_BYTES_MAX: Final = 10 * 1024 * 1024
_PICTURES: Final = ("image/jpeg", "image/png", "image/gif")
_NO_FILES: Final = "WeChat lets me send pictures alone. It is kept, and stands on my page."
SIGN_S_MAX: Final = 3.0
TYPING_S: Final = 15.0
WINDOW_S: Final = 300.0
"""So far the time stamp of a call that is not encrypted may be from our clock: its signature does not cover what it says."""

TRAITS: Final = Traits(Limit(TEXT_BYTES_MAX, "bytes"), silence_s_max=float("inf"), typing_s=TYPING_S, missed_s=KEPT_S, corrections=False)

_SECRET: Final = "Copy app_id and app_secret from Basic Configuration; then start me again."  # noqa: S105 - where it is
_IP: Final = "Put the address of this machine on the IP whitelist in Basic Configuration; then start me again."
_MAY_NOT: Final = (
    "The account must be verified to answer by customer-service messages, and must not be banned; look there, then start me again."
)
_GONE: Final = "they do not follow the account any more"

CODES: Final = Codes(
    "WeChat",
    mends={
        **dict.fromkeys((40001, 40013, 40125, 40243, 41002, 41004), _SECRET),
        **dict.fromkeys((40164, 89501, 89503, 89506, 89507), _IP),
        **dict.fromkeys((48001, 48004, 50002), _MAY_NOT),
    },
    limits={45009: 3600.0, 45011: 60.0},
    shut={
        40003: _GONE,
        43004: _GONE,
        43019: "they are on the account's blacklist",
        45015: "they have not written for two days, and WeChat lets nobody be written to who has not",
        45047: "they have had as many messages as WeChat allows until they write again",
        50005: _GONE,
    },
)


class OfficialPlatform:
    """See `ports.Platform` and `ports.Hook`."""

    def __init__(self, name: str, settings: Official, files: Files, clock: Clock) -> None:
        assert settings.app_secret is not None, "what was loaded was checked"
        assert settings.token is not None
        self.account: str = f"official:{name}"
        self.traits: Traits = TRAITS
        self.is_called = True
        self._app_id, self._secret, self._token = settings.app_id, settings.app_secret.value, settings.token.value
        self._files, self._clock = files, clock
        self._aes_key = settings.aes_key.value if settings.aes_key is not None else ""
        self._seal: calls.Seal | None = None
        self._api = Api(settings.base_url, self._tokens, clock)
        self._receiving = Receiving(self.account, self._api, CODES, files, clock)

    async def _tokens(self, http: Http) -> Mapping[str, Any]:
        said = {"grant_type": "client_credential", "appid": self._app_id, "secret": self._secret}
        return await answered(http, "POST", "/cgi-bin/stable_token", CALL_S_MAX, **as_json(said))

    async def run(self, inbox: Inbox) -> None:
        if self._aes_key:
            self._seal = calls.Seal(self._token, self._aes_key, self._app_id)
        await self._receiving.run(inbox, self._app_id)

    async def hook(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> HookReply:  # noqa: ARG002 - all is in the query
        """See `ports.Hook`. GET is what WeChat asks when the address is set."""
        if self._aes_key and self._seal is None:
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)
        asked = dict(parse_qsl(query))
        at, nonce = asked.get("timestamp", ""), asked.get("nonce", "")
        try:
            if method == "GET":
                calls.check(asked.get("signature", ""), self._token, at, nonce)
                return HookReply(body=asked.get("echostr", "").encode())
            if self._seal is not None:
                xml = self._seal.opened(asked.get("msg_signature", ""), at, nonce, calls.fields(body).get("Encrypt", ""))
            else:
                calls.check(asked.get("signature", ""), self._token, at, nonce)
                self._check_time(at)
                xml = body
        except (calls.Forged, ValueError) as wrong:
            return self._receiving.forged(wrong)
        return await self._receiving.take(xml, b"success")

    def _check_time(self, at: str) -> None:
        if abs(self._clock.now() - int(at)) > WINDOW_S:
            raise calls.Forged("it was signed long ago, or the clock here is wrong")

    async def fetch(self, attachment: Attachment) -> str:
        return await self._receiving.fetch(attachment)

    # --- sending ------------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        """See `ports.Platform`. WeChat gives no ids, so the time stands for one."""
        sent = ""
        try:
            for said in await self._messages(message):
                await self._say(place, said, message)
                sent = f"{self._clock.now():.3f}"
        except (Failure, Refused) as failure:
            if sent:
                return Receipt("unknown", why=f"a part of it arrived: {failure}")
            told = receipt(failure, CODES)
            if told.account == "stopped":
                self._receiving.stop(told.why)
            return told
        except Request as missing:
            return Receipt("refused", why=str(missing))
        return Receipt(id=sent)

    async def _messages(self, message: Message) -> list[dict[str, Any]]:
        """The messages that it becomes: what can fail without a trace comes first."""
        pictures = [file for file in message.files if file.media_type in _PICTURES]
        shown = [{"msgtype": "image", "image": {"media_id": await self._picture(file)}} for file in pictures]
        named = message.text == ", ".join(file.name for file in pictures)
        if len(pictures) < len(message.files):
            return [_text(f"{message.text}\n({_NO_FILES})"), *shown]
        return shown if named and shown else [_text(plain(message.text)), *shown]

    async def _picture(self, file: Produced) -> str:
        return await self._api.upload("image", file.name, file.media_type, await self._files.read(file.sha256))

    async def _say(self, place: Place, said: Mapping[str, Any], message: Message) -> None:
        """With a menu of the options, unless WeChat wants none: the words say how to answer without."""
        if message.options and said["msgtype"] == "text":
            lines = [{"id": menu_id(message.question, option), "content": option} for option in message.options]
            menu = {"head_content": said["text"]["content"], "list": lines, "tail_content": ""}
            try:
                await self._send({"touser": place.chat, "msgtype": "msgmenu", "msgmenu": menu})
            except Refused as refused:
                if receipt(refused, CODES).refusal != "refused":
                    raise
            else:
                return
        await self._send({"touser": place.chat, **said})

    async def _send(self, said: Mapping[str, Any]) -> None:
        await self._api.call("/cgi-bin/message/custom/send", said)

    async def typing(self, place: Place) -> None:
        """Decoration: it may fail."""
        with contextlib.suppress(Failure, Refused):
            await self._api.call("/cgi-bin/message/custom/typing", {"touser": place.chat, "command": "Typing"}, SIGN_S_MAX)

    async def find(self, place: Place, message: Message, since: float) -> str | None:  # noqa: ARG002 - nobody can read what was said
        return None

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 - there are no edits
        return None

    def show(self, conversation: str, name: str, text: str) -> None:
        """Answers are sent whole."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """As above."""

    async def close(self) -> None:
        await self._api.close()


def _text(content: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": bare(content)}}
