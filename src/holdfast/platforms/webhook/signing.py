"""Who sent this, and when: signatures as in https://www.standardwebhooks.com, the same in both directions. Pure.

webhook-id: KEY                  the sender's own name of the message: the same one again is the same message
webhook-timestamp: SECONDS       since 1970
webhook-signature: v1,BASE64     of the HMAC-SHA256 of "KEY.SECONDS.BODY" under the secret; several stand with spaces between
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

WINDOW_S: Final = 300.0
"""So far a time stamp may be from our clock."""

_KEY: Final = re.compile(r"[!-~]{0,128}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class Unsigned(Exception):
    """Nobody knows who sent this, or it was sent too long ago. The text says so to whoever did."""


def signature(secret: str, key: str, at: str, body: bytes) -> str:
    digest = hmac.new(secret.encode(), f"{key}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers(secret: str, key: str, now: float, body: bytes) -> dict[str, str]:
    """What goes with a body that we sign."""
    at = str(int(now))
    return {"webhook-id": key, "webhook-timestamp": at, "webhook-signature": signature(secret, key, at, body)}


def name_of(secret: str, given: Mapping[str, str], body: bytes, now: float) -> str:
    """The name of this message: its key, or else of this very request, so that whoever records and repeats it says nothing new. Raises `Unsigned`."""
    key, at = given.get("webhook-id", given.get("idempotency-key", "")), given.get("webhook-timestamp", "")
    if not _KEY.fullmatch(key):
        raise Unsigned("webhook-id (or idempotency-key) takes at most 128 ASCII characters without spaces.")
    if not _SECONDS.fullmatch(at):
        raise Unsigned("webhook-timestamp is missing, or no number. Send the seconds since 1970.")
    ours = signature(secret, key, at, body)
    theirs = given.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(ours.encode(), one.encode()) for one in theirs):
        raise Unsigned(
            'webhook-signature is not that of this request. Sign "ID.TIMESTAMP.BODY" (of a GET, its query instead of a body) with HMAC-SHA256 and the '
            "secret of this account, and send it as v1,BASE64."
        )
    if abs(now - int(at)) > WINDOW_S:
        raise Unsigned(f"webhook-timestamp is {abs(now - int(at)):.0f} s away from the time here, {now:.0f}. Sign the request anew.")
    return key or hashlib.sha256(ours.encode()).hexdigest()[:32]
