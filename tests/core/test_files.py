from __future__ import annotations

import pytest

from holdfast.core.files import HEAD_BYTES, OTHER, TEXT, is_picture, is_text, media_type_of


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", OTHER),
        (b"hello\n", TEXT),
        ("日本語　です".encode(), TEXT),
        (("日本語" * 1000).encode()[:HEAD_BYTES], TEXT),
        ("日本語".encode()[:-1], OTHER),
        (b"<svg onload=alert(1)>", TEXT),
        (b"\xff\xfeh\x00", OTHER),
        (b"caf\xe9", OTHER),
        (b"caf\xe9 au lait", OTHER),
        (b"a\x00b", OTHER),
        (b"%PDF-1.7\n\xe2\xe3", OTHER),
        (b"", OTHER),
    ],
)
def test_a_file_is_what_its_bytes_say(head: bytes, media_type: str) -> None:
    assert media_type_of(head) == media_type


def test_pictures_and_texts_are_told_apart() -> None:
    assert (is_picture("image/png"), is_text("image/png")) == (True, False)
    assert (is_picture("image/svg+xml"), is_text("image/svg+xml")) == (False, False)
    assert (is_picture(TEXT), is_text(TEXT)) == (False, True)
