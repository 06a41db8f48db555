"""What a file is, from its first bytes: a picture, a text, or something that no model is shown. Pure."""

from __future__ import annotations

import re
from typing import Final

FILE_BYTES_MAX: Final = 25 * 1024 * 1024
HEAD_BYTES: Final = 8192
"""How much of a file has to be looked at."""

PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What a route that sees pictures takes, in every dialect."""

TEXT: Final = "text/plain"
OTHER: Final = "application/octet-stream"

_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def media_type_of(head: bytes) -> str:
    """The media type of what begins so, whatever its name says: one of `PICTURES`, `TEXT`, or `OTHER`."""
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return TEXT if _is_text(head[:HEAD_BYTES]) else OTHER


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters. Where there is more, the last character may be cut."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or len(head) < HEAD_BYTES:
            return False
        text = head[: error.start].decode()
    return bool(text) and not _CONTROL.search(text)


def is_picture(media_type: str) -> bool:
    return media_type in PICTURES


def is_text(media_type: str) -> bool:
    return media_type == TEXT
