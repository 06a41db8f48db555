"""Files on WeChat's CDN, where they lie encrypted, each with a key of its own (AES-128 in ECB mode: the interface wants it so)."""

from __future__ import annotations

import binascii
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

from holdfast.errors import Request
from holdfast.platforms.asking import Unanswered
from holdfast.platforms.wechat.api import TRANSFER_S_MAX, Api, Servers
from holdfast.platforms.wechat.wire import FILE, PICTURE, UPLOAD_TYPES, VIDEO, Media, Upload

CDN: Final = "https://novac2c.cdn.weixin.qq.com/c2c"
"""Where files are for which WeChat gives no whole address."""
KEY_BYTES: Final = 16

_PICTURES: Final = ("image/jpeg", "image/png", "image/gif")


class Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a file is, and its key in hexadecimal digits ("": it is not encrypted). What an attachment is fetched by."""

    url: str
    key: str = ""


def stored(media: Media, key: str = "") -> Stored | None:
    """Where this is; None if it is nowhere. Its key is the 16 bytes, or their hexadecimal digits; and sometimes beside it, as such digits."""
    url = media.full_url or (
        media.encrypt_query_param and f"{CDN}/download?encrypted_query_param={quote(media.encrypt_query_param, safe='')}"
    )
    return Stored(url, key or _digits(media.aes_key)) if url else None


def _digits(key: str) -> str:
    try:
        raw = binascii.a2b_base64(key)
    except binascii.Error:
        return key  # no key, as whoever uses it will say
    return raw.hex() if len(raw) == KEY_BYTES else raw.decode("ascii", "replace")


async def decrypted(pieces: AsyncIterator[bytes], key: str) -> AsyncIterator[bytes]:
    """The file, out of what lies on the CDN. Raises `Request` if the key does not fit."""
    if not key:
        async for piece in pieces:
            yield piece
        return
    try:
        decryptor, unpadder = _cipher(bytes.fromhex(key)).decryptor(), PKCS7(AES.block_size).unpadder()
        async for piece in pieces:
            yield unpadder.update(decryptor.update(piece))
        yield unpadder.update(decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        raise Request("WeChat gave a key with which it can't be read. Send it again.") from None


def _cipher(key: bytes) -> Cipher[ECB]:
    return Cipher(AES(key), ECB())  # noqa: S305 - the interface's own


@dataclass(frozen=True, slots=True)
class Ours:
    """A file of ours, before it is put anywhere."""

    name: str
    media_type: str
    data: bytes

    @property
    def type(self) -> int:
        if self.media_type in _PICTURES:
            return PICTURE
        return VIDEO if self.media_type == "video/mp4" else FILE


async def put(api: Api, http: Servers, person: str, file: Ours) -> dict[str, Any]:
    """Put a file on the CDN. Returns the item that shows it. Raises `Failure`: then nothing was said to anybody."""
    key, name = secrets.token_bytes(KEY_BYTES), secrets.token_hex(16)
    encryptor, padder = _cipher(key).encryptor(), PKCS7(AES.block_size).padder()
    encrypted = encryptor.update(padder.update(file.data) + padder.finalize()) + encryptor.finalize()
    where = await api.call(
        "getuploadurl",
        Upload,
        filekey=name,
        media_type=UPLOAD_TYPES[file.type],
        to_user_id=person,
        rawsize=len(file.data),
        rawfilemd5=hashlib.md5(file.data, usedforsecurity=False).hexdigest(),
        filesize=len(encrypted),
        no_need_thumb=True,
        aeskey=key.hex(),
    )
    url = where.upload_full_url or f"{CDN}/upload?encrypted_query_param={quote(where.upload_param, safe='')}&filekey={name}"
    answer, _ = await http.ask("POST", url, encrypted, {"content-type": "application/octet-stream"}, TRANSFER_S_MAX)
    if not (param := answer.headers.get("x-encrypted-param", "")):
        raise Unanswered("the CDN did not say where it put a file")
    media = {"encrypt_query_param": param, "aes_key": binascii.b2a_base64(key.hex().encode(), newline=False).decode(), "encrypt_type": 1}
    match file.type:
        case type_ if type_ == PICTURE:
            return {"type": type_, "image_item": {"media": media, "mid_size": len(encrypted)}}
        case type_ if type_ == VIDEO:
            return {"type": type_, "video_item": {"media": media, "video_size": len(encrypted)}}
        case type_:
            return {"type": type_, "file_item": {"media": media, "file_name": file.name, "len": str(len(file.data))}}
