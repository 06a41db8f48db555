"""Files in requests: what a route shows the model of what people sent along.

The text of a message names every file. Pictures follow it where the route sees, text files as text; everything else stays a name. What is shown is
bounded: the newest files win, and an older one stays a name. The same messages give the same bytes, so that providers' caches hit.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.core.files import is_picture, is_text
from holdfast.core.request import File, Message, User
from holdfast.errors import Request
from holdfast.ports import Files

PICTURE_BYTES_MAX: Final = 5 * 1024 * 1024 * 3 // 4
"""One picture: in base64 the 5 MB that Anthropic takes. A larger one stays a name."""

PICTURES_BYTES_MAX: Final = 4 * PICTURE_BYTES_MAX
"""All pictures of a request: 20 MB in base64, where providers take requests of 32 MB and more."""

PICTURES_MAX: Final = 20
"""From more on, Anthropic wants each of them smaller."""

TEXT_CHARS_MAX: Final = 50_000
"""Of one text file; what follows is cut, and the cut is marked."""

TEXTS_CHARS_MAX: Final = 4 * TEXT_CHARS_MAX
"""Of all text files of a request."""

_PIECE_BYTES: Final = 192 * 1024 * 3  # encoded in one go, while nothing else can run


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture; `data` is base64."""

    media_type: str
    data: str

    @property
    def url(self) -> str:
        return f"data:{self.media_type};base64,{self.data}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a user's message shows the model: its text, with the texts of files after it, and pictures."""

    text: str
    pictures: tuple[Picture, ...] = ()


async def what_is_said(messages: Sequence[Message], files: Files, sees: bool, harmless: Callable[[str], str] = str) -> Mapping[int, Said]:
    """What each user's message shows, by its position. `sees`: the route takes pictures. `harmless` is applied to the texts of files."""
    reading = _Reading(files, sees, harmless)
    said: dict[int, Said] = {}
    for number in range(len(messages) - 1, -1, -1):  # the newest first
        match messages[number]:
            case User(text=text, files=()):
                said[number] = Said(text)
            case User(text=text, files=attached):
                said[number] = await reading.message(text, attached)
    return said


class _Reading:
    """What there is still room for in one request. From the first file on that finds none, no older one of its kind is read."""

    def __init__(self, files: Files, sees: bool, harmless: Callable[[str], str]) -> None:
        self._files = files
        self._harmless = harmless
        self._pictures = PICTURES_MAX if sees else 0
        self._picture_bytes = PICTURES_BYTES_MAX
        self._chars = TEXTS_CHARS_MAX

    async def message(self, text: str, attached: Sequence[File]) -> Said:
        pictures: list[Picture] = []
        texts: list[str] = []
        for file in reversed(attached):
            if is_picture(file.media_type) and self._pictures:
                pictures += await self._picture(file)
            elif is_text(file.media_type) and self._chars:
                texts += await self._text(file)
        return Said("\n\n".join([text, *reversed(texts)]), tuple(reversed(pictures)))

    async def _picture(self, file: File) -> list[Picture]:
        content = await self._content(file)
        if not content or len(content) > PICTURE_BYTES_MAX:
            return []
        if len(content) > self._picture_bytes:
            self._pictures = 0
            return []
        self._pictures -= 1
        self._picture_bytes -= len(content)
        return [Picture(file.media_type, await asyncio.to_thread(_base64, content))]

    async def _text(self, file: File) -> list[str]:
        content = await self._content(file)
        if content is None:
            return []
        text = await asyncio.to_thread(content.decode, "utf-8-sig", "replace")
        shown = text[:TEXT_CHARS_MAX]
        if len(shown) > self._chars:
            self._chars = 0
            return []
        self._chars -= len(shown)
        end = "end of" if len(shown) == len(text) else f"cut here, {len(shown)} of {len(text)} characters:"
        return [f"[{file.name}:]\n{self._harmless(shown)}\n[{end} {file.name}]"]

    async def _content(self, file: File) -> bytes | None:
        try:
            return await self._files.read(file.sha256)
        except Request:
            return None  # it is gone from the folder; its name stays


def _base64(content: bytes) -> str:
    """In pieces: one call for all of it would hold every other thread up."""
    return b"".join(base64.b64encode(content[at : at + _PIECE_BYTES]) for at in range(0, len(content), _PIECE_BYTES)).decode()
