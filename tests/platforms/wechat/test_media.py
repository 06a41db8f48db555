from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from holdfast.errors import Request
from holdfast.platforms.wechat.media import Ours, decrypted
from holdfast.testing.wechat_world import encrypted

KEY = "00112233445566778899aabbccddeeff"


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 1000])
@pytest.mark.parametrize("size", [1, 7, 16, 5000])
async def test_a_file_is_decrypted_however_it_is_cut_into_pieces(length: int, size: int) -> None:
    data = bytes(number % 251 for number in range(length))
    assert b"".join([piece async for piece in decrypted(pieces(encrypted(data, KEY), size), KEY)]) == data


async def test_without_a_key_it_is_as_it_is() -> None:
    assert [piece async for piece in decrypted(pieces(b"plain", 3), "")] == [b"pla", b"in"]


@pytest.mark.parametrize("key", ["ff" * 16, "ff" * 5, "no key"])
async def test_a_key_that_does_not_fit_is_said_to_be_none(key: str) -> None:
    with pytest.raises(Request, match="can't be read"):
        assert [piece async for piece in decrypted(pieces(encrypted(b"data", KEY), 99), key)]


async def test_half_a_file_is_no_file() -> None:
    with pytest.raises(Request, match="can't be read"):
        assert [piece async for piece in decrypted(pieces(encrypted(b"data" * 99, KEY)[:-5], 99), KEY)]


@pytest.mark.parametrize(("media_type", "type_"), [("image/png", 2), ("image/webp", 4), ("video/mp4", 5), ("", 4), ("text/plain", 4)])
def test_only_what_wechat_shows_is_shown(media_type: str, type_: int) -> None:
    assert Ours("name", media_type, b"").type == type_
