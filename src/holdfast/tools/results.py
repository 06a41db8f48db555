"""What a tool answered: words for the model, and the files that it made."""

from __future__ import annotations

import binascii
import contextlib
import json
from collections.abc import Sequence
from typing import Final, assert_never
from urllib.parse import unquote

import mcp_types as types

from holdfast.core.files import FILE_BYTES_MAX, HEAD_BYTES, OTHER, TEXT, is_picture, media_type_of
from holdfast.ports import Made

TEXT_BYTES_MAX: Final = 8 * 1024 * 1024
"""What is taken off the wire. How much of it a model is shown is for others to decide."""

FILES_MAX: Final = 20
"""Of one result; others are named."""

NAME_CHARS_MAX: Final = 100

_PIECE_CHARS: Final = 256 * 1024
"""Of base64: a multiple of four."""

Contents = types.TextResourceContents | types.BlobResourceContents

_ENDINGS: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/svg+xml": ".svg",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
}


def brought(result: types.CallToolResult, linked: Sequence[Contents] = ()) -> tuple[str, tuple[Made, ...]]:
    """A result as text and files. `linked`: what its only link leads to.

    Pictures, sounds and bytes are files, and the text names each where it stood. An embedded text is for the model to read, and so part of the text,
    unless its server says that it is for the user alone. Structured content counts where there is no text.
    """
    found = _Found()
    for block in result.content:
        found.take(block, linked)
    if not found.said and result.structured_content is not None:
        found.parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    return cut("\n".join(filter(None, found.parts))) or "[no output]", tuple(found.files)


def weight(blocks: Sequence[types.ContentBlock | Contents]) -> int:
    """About how many bytes have to be gone through."""
    total = 0
    for block in blocks:
        match block:
            case types.ImageContent() | types.AudioContent():
                total += len(block.data)
            case types.TextContent() | types.TextResourceContents():
                total += len(block.text)
            case types.BlobResourceContents():
                total += len(block.blob)
            case types.EmbeddedResource():
                total += weight([block.resource])
            case types.ResourceLink():
                pass
            case _:
                assert_never(block)
    return total


def only_link(result: types.CallToolResult) -> str | None:
    """Where its link leads, if it has just one: that is its product. Of several, somebody may choose."""
    links = [block.uri for block in result.content if isinstance(block, types.ResourceLink)]
    return links[0] if len(links) == 1 else None


class _Found:
    """What has been found in a result so far. `said`: some of it is text."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.files: list[Made] = []
        self.said = False

    def take(self, block: types.ContentBlock, linked: Sequence[Contents]) -> None:
        match block:
            case types.TextContent():
                self._say(block.text)
            case types.ImageContent():
                self._keep(_bytes(block.data), block.mime_type, "picture")
            case types.AudioContent():
                self._keep(_bytes(block.data), block.mime_type, "sound")
            case types.ResourceLink():
                self.parts.append(f"[resource {block.name}: {block.uri}]")
                for contents in linked:
                    self._keep_contents(contents, _clean(block.name), block.mime_type)
            case types.EmbeddedResource(resource=types.TextResourceContents() as text) if not _for_user_alone(block):
                self._say(text.text)
            case types.EmbeddedResource():
                self._keep_contents(block.resource)
            case _:
                assert_never(block)

    def _say(self, text: str) -> None:
        self.parts.append(text)
        self.said = self.said or bool(text)

    def _keep_contents(self, contents: Contents, name: str = "", media_type: str | None = None) -> None:
        name, media_type = name or _name_in(contents.uri), contents.mime_type or media_type or ""
        match contents:
            case types.TextResourceContents():
                self._keep(contents.text.encode(errors="replace"), media_type or TEXT, "text", name)
            case types.BlobResourceContents():
                self._keep(_bytes(contents.blob), media_type or OTHER, "file", name)
            case _:
                assert_never(contents)

    def _keep(self, data: bytes | None, media_type: str, kind: str, name: str = "") -> None:
        """A file, and its name in the text; or why there is none."""
        media_type = _true(media_type, data or b"")
        name = name or f"{kind}-{len(self.files) + 1}{_ENDINGS.get(media_type, '')}"
        if data is None:
            self.parts.append(f"[{name}, {media_type}: it can't be read, for it is not base64]")
        elif len(data) > FILE_BYTES_MAX:
            self.parts.append(f"[{name}, {media_type}, {_kilobytes(len(data))}: too large to be kept]")
        elif len(self.files) >= FILES_MAX:
            self.parts.append(f"[{name}, {media_type}, {_kilobytes(len(data))}: left out, after {FILES_MAX} files]")
        else:
            self.files.append(Made(name, media_type, data))
            self.parts.append(f"[file {name}, {media_type}, {_kilobytes(len(data))}]")


def _for_user_alone(block: types.EmbeddedResource) -> bool:
    return block.annotations is not None and block.annotations.audience == ["user"]


def _bytes(data: str) -> bytes | None:
    """In pieces: one call for all of it would hold every other thread up."""
    data = data.replace("\n", "").replace("\r", "")
    for piece_chars in (_PIECE_CHARS, max(len(data), 1)):  # signs that are none of base64 are passed over, and then pieces do not fit
        with contextlib.suppress(ValueError):
            return b"".join(binascii.a2b_base64(data[at : at + piece_chars]) for at in range(0, len(data), piece_chars))
    return None


def _true(claimed: str, data: bytes) -> str:
    """What it is said to be; but a picture is what its first bytes say, for a provider that is shown another thing as one refuses the request."""
    found = media_type_of(data[:HEAD_BYTES])
    return found if is_picture(found) or is_picture(claimed) else claimed


def _name_in(uri: str) -> str:
    """What a resource is called at the end of its URI; "" if that is no name."""
    return _clean(unquote(uri.partition(":")[2].partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]))


def _clean(name: str) -> str:
    """On one line, of no folder, and not too long."""
    return "".join(char for char in name if char.isprintable()).replace("\\", "/").rpartition("/")[2].strip()[:NAME_CHARS_MAX]


def progressed(done: float, total: float | None, message: str | None) -> str:
    """How far a call has come: `3 of 10: indexing`."""
    far = f"{done:g} of {total:g}" if total else f"{done:g}"
    return f"{far}: {message}" if message else far


def cut(text: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """The text, or its beginning and a mark that says how much is missing."""
    data = text.encode(errors="replace")
    if len(data) <= bytes_max:
        return text
    return f"{data[:bytes_max].decode(errors='ignore')}\n[cut: {_kilobytes(bytes_max)} of {_kilobytes(len(data))} are shown]"


def _kilobytes(size: int) -> str:
    return f"{max(1, round(size / 1024))} kB"
