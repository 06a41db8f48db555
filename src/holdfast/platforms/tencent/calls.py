"""What WeCom and WeChat call us with: XML, signed, and sealed with AES. Pure.

A signature is the SHA-1 of its sorted parts. What is sealed is, before AES-256-CBC: 16 random bytes, the length, the text, who it is for, and padding to 32
bytes; the vector is the key's beginning. Only a signature that was checked lets anybody try to open it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Final
from xml.etree import ElementTree as ET

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from holdfast.errors import Config

_KEY: Final = re.compile(r"[A-Za-z0-9]{43}")
_BLOCK: Final = 32
_RANDOM: Final = 16
_LENGTH: Final = 4


class Forged(Exception):
    """Nobody knows who sent this. The text says why, for the log."""


def signature(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - theirs to choose


def check(given: str, *parts: str) -> None:
    """Raises `Forged`."""
    if not hmac.compare_digest(signature(*parts).encode(), given.encode()):
        raise Forged("its signature is not made with our Token")


class Seal:
    """Opens what is for `receiver`: the company's id, or the account's AppID. Raises `Config` if the key is none."""

    def __init__(self, token: str, aes_key: str, receiver: str) -> None:
        if not _KEY.fullmatch(aes_key):
            raise Config("aes_key is no EncodingAESKey: that has 43 letters and digits. Copy it from where Token stands, too.")
        self._token, self._receiver = token, receiver.encode()
        self._key = base64.b64decode(aes_key + "=")

    def opened(self, given: str, at: str, nonce: str, sealed: str) -> bytes:
        """What it says. Raises `Forged`."""
        check(given, self._token, at, nonce, sealed)
        try:
            cipher = Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16])).decryptor()
            plain = cipher.update(base64.b64decode(sealed, validate=True)) + cipher.finalize()
        except (binascii.Error, ValueError):
            raise Forged("it is not sealed as it should be") from None
        if not plain or not 1 <= plain[-1] <= _BLOCK:
            raise Forged("it does not open with our EncodingAESKey")
        content = plain[_RANDOM : -plain[-1]]
        end = _LENGTH + int.from_bytes(content[:_LENGTH], "big")
        if content[end:] != self._receiver:
            raise Forged("it is for somebody else, or does not open with our EncodingAESKey")
        return content[_LENGTH:end]


def fields(xml: bytes) -> dict[str, str]:
    """The texts of a message's elements. Raises `ValueError` if it is none."""
    if b"<!" in re.sub(rb"<!\[CDATA\[.*?\]\]>", b"", xml, flags=re.DOTALL):
        raise ValueError("it declares what no message has")  # entities could blow it up
    try:
        root = ET.fromstring(xml)  # noqa: S314 - without declarations there is nothing to fear
    except ET.ParseError as error:
        raise ValueError(str(error)) from None
    return {child.tag: child.text or "" for child in root}
