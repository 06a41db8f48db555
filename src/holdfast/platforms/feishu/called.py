"""Being called: Feishu posts its events to the listener for webhooks, signed and encrypted with the app's Encrypt Key, and takes success for durable."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from holdfast.errors import Config, Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.feishu.api import Api, Refused
from holdfast.platforms.feishu.receipts import is_for_a_person
from holdfast.platforms.feishu.way import Bring, Push, Pushes
from holdfast.platforms.feishu.wire import Pushed
from holdfast.ports import Clock, HookReply

ANSWER_S_MAX: Final = 2.5
"""Feishu waits for three seconds, and then comes again."""
LOOK_S: Final = 900.0
"""How often we look whether Feishu still knows us. (Nothing tells us that it calls somebody else now.)"""
BLOCK_BYTES: Final = 16

_JSON: Final = "application/json"


class _Sealed(msgspec.Struct, frozen=True):
    encrypt: str = ""


class Called:
    """See `way.Way`."""

    silence_s_max: Final = 2 * LOOK_S + 60.0

    def __init__(self, encrypt_key: str, api: Api, clock: Clock) -> None:
        self._key, self._api, self._clock = encrypt_key, api, clock
        self._pushes: Pushes | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Bring]:
        try:
            yield self._bring
        finally:
            self._pushes = None

    async def _bring(self, pushes: Pushes, heard: Callable[[], None]) -> None:
        """`hook` does; here we only see that the app is still known."""
        self._pushes = pushes
        while True:
            await self._clock.sleep(LOOK_S)
            try:
                await self._api.token(renew=True)
            except Refused as refused:
                raise (Config if is_for_a_person(refused) else Temporary)(f"Feishu: {refused}.") from None
            except Failure as failure:
                raise Temporary(f"{self._api.host} can't be reached: {failure}.") from None
            heard()

    async def hook(self, method: str, headers: Mapping[str, str], body: bytes) -> HookReply:
        """See `ports.Hook`."""
        if method != "POST":
            return HookReply(HTTPStatus.METHOD_NOT_ALLOWED)
        opened = self._opened(body)
        if opened is None:
            return HookReply(HTTPStatus.FORBIDDEN)
        if opened is not body and (challenge := _challenge(opened)):
            return HookReply(body=msgspec.json.encode({"challenge": challenge}), media_type=_JSON)
        if not self._is_signed(headers, body):
            return HookReply(HTTPStatus.FORBIDDEN)
        if challenge := _challenge(opened):
            return HookReply(body=msgspec.json.encode({"challenge": challenge}), media_type=_JSON)
        if self._pushes is None:
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)  # Feishu comes again
        taken: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def durable(answer: bytes) -> None:
            if not taken.done():
                taken.set_result(answer)

        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await self._pushes.put(Push(opened, durable))
                return HookReply(body=await taken or b"{}", media_type=_JSON)
        except TimeoutError:
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)

    def _opened(self, body: bytes) -> bytes | None:
        """What was sent: the body itself if it is not encrypted; None if it is none of Feishu's."""
        try:
            sealed = msgspec.json.decode(body, type=_Sealed).encrypt
            return decrypted(self._key, sealed) if sealed else body
        except (msgspec.DecodeError, ValueError):
            return None

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        time, nonce = headers.get("x-lark-request-timestamp", ""), headers.get("x-lark-request-nonce", "")
        signature = hashlib.sha256(f"{time}{nonce}{self._key}".encode() + body).hexdigest()
        return hmac.compare_digest(headers.get("x-lark-signature", "").encode(), signature.encode())


def decrypted(key: str, sealed: str) -> bytes:
    """Raises `ValueError` if it was not encrypted with this key."""
    data = b64decode(sealed, validate=True)
    if len(data) < 2 * BLOCK_BYTES or len(data) % BLOCK_BYTES:
        raise ValueError("it is not as long as what was encrypted is")
    cipher = Cipher(algorithms.AES(hashlib.sha256(key.encode()).digest()), modes.CBC(data[:BLOCK_BYTES]))
    decryptor, unpadder = cipher.decryptor(), padding.PKCS7(8 * BLOCK_BYTES).unpadder()
    plain = decryptor.update(data[BLOCK_BYTES:]) + decryptor.finalize()
    return unpadder.update(plain) + unpadder.finalize()


def _challenge(body: bytes) -> str:
    """What Feishu wants to hear when it asks whether we are here."""
    try:
        pushed = msgspec.json.decode(body, type=Pushed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return (pushed.challenge or "") if pushed.type == "url_verification" else ""
