"""One application of a WeCom company: see `ports.Platform`. WeCom calls it with what people write, and forgets that after 15 seconds; it is answered through
the API. There are no keys: WeCom can leave out what reads the same as something sent before, but two answers may well read the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from holdfast.accounts import Wecom
from holdfast.core.entries import Attachment, Produced
from holdfast.core.incoming import Place
from holdfast.core.text import Limit
from holdfast.errors import Request
from holdfast.platforms.asking import Failure, Http
from holdfast.platforms.tencent import calls
from holdfast.platforms.tencent.api import CALL_S_MAX, Api, Refused, answered
from holdfast.platforms.tencent.outcomes import Codes, receipt
from holdfast.platforms.tencent.plain import bare, plain
from holdfast.platforms.tencent.receiving import KEPT_S, Receiving
from holdfast.ports import Clock, Files, HookReply, Inbox, Message, Receipt, Traits

TEXT_BYTES_MAX: Final = 2048
IMAGE_BYTES_MAX: Final = 10 * 1024 * 1024
_PICTURES: Final = ("image/jpeg", "image/png")

SHOWN_MAX: Final = ((30, 60.0), (1000, 3600.0))
"""So many messages a person is shown by one application in so many seconds. More are taken, and not shown."""

TRAITS: Final = Traits(Limit(TEXT_BYTES_MAX, "bytes"), silence_s_max=float("inf"), missed_s=KEPT_S, corrections=False, buttons=False)

_SECRET: Final = "Copy corp_id from My Company and secret from the application's page; then start me again."  # noqa: S105 - where it is
_MAY_NOT: Final = "Look at agent_id, and at what the application may do, on its page; then start me again."
_IP: Final = "Put the address of this machine on the list of trusted IPs on the application's page; then start me again."
_GONE: Final = "they are not in the application's range any more, or not in the company"

CODES: Final = Codes(
    "WeCom",
    mends={40001: _SECRET, 40013: _SECRET, 40056: _MAY_NOT, 40091: _SECRET, 48002: _MAY_NOT, 301002: _MAY_NOT, 60020: _IP},
    limits={45009: 60.0, 45033: 10.0},
    shut={40003: _GONE, 60011: _GONE, 60111: _GONE, 81013: _GONE, 82001: _GONE, 43004: "they do not use WeCom yet"},
)


class WecomPlatform:
    """See `ports.Platform` and `ports.Hook`."""

    def __init__(self, name: str, settings: Wecom, files: Files, clock: Clock) -> None:
        assert settings.secret is not None, "what was loaded was checked"
        assert settings.token is not None
        assert settings.aes_key is not None
        self.account: str = f"wecom:{name}"
        self.traits: Traits = TRAITS
        self.is_called = True
        self._settings, self._secret, self._files, self._clock = settings, settings.secret.value, files, clock
        self._token, self._aes_key = settings.token.value, settings.aes_key.value
        self._seal: calls.Seal | None = None
        self._api = Api(settings.base_url, self._tokens, clock)
        self._receiving = Receiving(self.account, self._api, CODES, files, clock)
        self._sent: dict[str, deque[float]] = {}

    async def _tokens(self, http: Http) -> Mapping[str, Any]:
        path = f"/cgi-bin/gettoken?corpid={quote(self._settings.corp_id)}&corpsecret={quote(self._secret)}"
        return await answered(http, "GET", path, CALL_S_MAX)

    async def run(self, inbox: Inbox) -> None:
        self._seal = calls.Seal(self._token, self._aes_key, self._settings.corp_id)
        await self._receiving.run(inbox, f"{self._settings.corp_id}:{self._settings.agent_id}")

    async def hook(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> HookReply:  # noqa: ARG002 - all is in the query
        """See `ports.Hook`. GET is what WeCom asks when the address is set."""
        if self._seal is None:
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)
        asked = dict(parse_qsl(query))
        given, at, nonce = (asked.get(name, "") for name in ("msg_signature", "timestamp", "nonce"))
        try:
            if method == "GET":
                return HookReply(body=self._seal.opened(given, at, nonce, asked.get("echostr", "")))
            xml = self._seal.opened(given, at, nonce, calls.fields(body).get("Encrypt", ""))
        except (calls.Forged, ValueError) as wrong:
            return self._receiving.forged(wrong)
        return await self._receiving.take(xml, b"")

    async def fetch(self, attachment: Attachment) -> str:
        return await self._receiving.fetch(attachment)

    # --- sending ------------------------------------------------------------------------------------------------------------------------

    async def send(self, place: Place, message: Message) -> Receipt:
        """See `ports.Platform`."""
        sent = ""
        try:
            for kind, content in await self._messages(message):
                wait_s = self._until_shown_s(place.chat)
                if wait_s and not sent:
                    return Receipt("retry", why="WeCom shows a person no more messages just now", retry_after_s=wait_s)
                said = {"touser": place.chat, "agentid": self._settings.agent_id, "msgtype": kind, kind: content}
                given = await self._api.call("/cgi-bin/message/send", said)
                if given.get("invaliduser") or given.get("unlicenseduser"):
                    return Receipt("blocked", why=_GONE)
                sent = str(given.get("msgid") or f"{self._clock.now():.3f}")
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

    async def _messages(self, message: Message) -> list[tuple[str, dict[str, str]]]:
        """The messages that it becomes: what can fail without a trace comes first."""
        files = [await self._file(file) for file in message.files]
        named = message.text == ", ".join(file.name for file in message.files)
        if self._settings.markdown and not message.files:
            return [("markdown", {"content": bare(message.text)})]
        return ([] if named and files else [("text", {"content": plain(message.text)})]) + files

    async def _file(self, file: Produced) -> tuple[str, dict[str, str]]:
        data = await self._files.read(file.sha256)
        kind = "image" if file.media_type in _PICTURES and len(data) <= IMAGE_BYTES_MAX else "file"
        return kind, {"media_id": await self._api.upload(kind, file.name, file.media_type, data)}

    def _until_shown_s(self, person: str) -> float:
        """How long to wait until one more message to them is shown; if it is now, it counts."""
        now, sent = self._clock.monotonic(), self._sent.setdefault(person, deque(maxlen=max(most for most, _ in SHOWN_MAX)))
        wait_s = max(sent[-most] + span_s - now if len(sent) >= most else 0.0 for most, span_s in SHOWN_MAX)
        if wait_s > 0:
            return wait_s
        sent.append(now)
        longest_s = max(span_s for _, span_s in SHOWN_MAX)
        self._sent = {one: at for one, at in self._sent.items() if now - at[-1] <= longest_s}
        return 0.0

    async def find(self, place: Place, message: Message, since: float) -> str | None:  # noqa: ARG002 - nobody can read what was said
        return None

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 - there are no edits
        return None

    async def typing(self, place: Place) -> None:
        """There is no such sign."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """Answers are sent whole."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """As above."""

    async def close(self) -> None:
        await self._api.close()
