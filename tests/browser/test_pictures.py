"""Pictures as cameras make them: made smaller before they go on their way."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

import pytest
from playwright.async_api import expect

from holdfast.core.entries import UserMessage

pytestmark = pytest.mark.needs("chromium")


def png(width: int, height: int) -> bytes:
    """A PNG of that size, all of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + b"\x20\x60\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


async def test_a_picture_that_is_too_large_for_models_is_made_smaller(chats: Any) -> None:
    gateway = await chats.gateway()
    chat = await chats.open()
    files = [
        {"name": "large.png", "mimeType": "image/png", "buffer": png(3000, 1500)},
        {"name": "small.png", "mimeType": "image/png", "buffer": png(30, 15)},
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture at all"},
    ]
    await chat.page.locator("#files").set_input_files(files)
    await expect(chat.page.locator(".upload").get_by_text("ready")).to_have_count(3)
    await chat.say("Look at these")
    await chat.answered(1)
    entry, *_ = await gateway.door.entries(chat.name)
    assert isinstance(entry.body, UserMessage)
    assert [file.media_type for file in entry.body.attachments] == ["image/jpeg", "image/png", "text/plain"]
    photo = chat.mine.get_by_role("img", name="large.png")
    assert await photo.evaluate("(image) => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [2000, 1000]
    assert entry.body.attachments[1].source == hashlib.sha256(png(30, 15)).hexdigest(), "what fits is sent as it is"
