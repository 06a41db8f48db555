from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.platforms.wechat.reading import Heard, read
from holdfast.platforms.wechat.window import Window

NOW = 1_760_000_000.0
KEY = "00112233445566778899aabbccddeeff"
DIGITS = base64.b64encode(KEY.encode()).decode()
RAW = base64.b64encode(bytes.fromhex(KEY)).decode()
URL = "https://cdn.example/c2c/download?x=1"


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": 1, "text_item": {"text": said}, **more}


def message(*items: dict[str, Any], **more: Any) -> Heard:
    body = {
        "from_user_id": "ann@im.wechat",
        "message_id": 18446744073709551615,
        "create_time_ms": 1_759_999_990_123,
        "message_type": 1,
        "item_list": items,
        "context_token": "token",
    }
    return read(body | more, NOW)


def wrote(heard: Heard) -> Wrote:
    assert isinstance(heard.event, Incoming)
    assert isinstance(heard.event.did, Wrote)
    return heard.event.did


def test_a_message_is_of_its_author_in_their_chat_and_lets_us_answer() -> None:
    heard = message(text("Hello\nyou"))
    assert isinstance(heard.event, Incoming)
    assert (heard.event.place, heard.event.author, heard.event.id) == (Place("ann@im.wechat"), "ann@im.wechat", "18446744073709551615")
    assert heard.event.did == Wrote("Hello\nyou")
    assert not heard.event.group
    assert heard.window == ("ann@im.wechat", Window("token", 1_759_999_990.123))


def test_what_was_written_in_the_future_was_written_now() -> None:
    for at_ms in (int((NOW + 900) * 1000), 0):
        assert message(text("Hello"), create_time_ms=at_ms).window == ("ann@im.wechat", Window("token", NOW))


def test_what_is_not_shown_to_us_is_something_all_the_same() -> None:
    assert wrote(message({"type": 48, "location_item": {}})).text == "(something that WeChat does not show to bots)"
    nothing = message({"type": 12})
    assert (nothing.event, nothing.window) == (None, ("ann@im.wechat", Window("token", 1_759_999_990.123)))


def test_numbers_may_be_words() -> None:
    heard = message({"type": "1", "text_item": {"text": "Hello"}}, message_type="1")
    assert wrote(heard) == Wrote("Hello")


def test_a_message_without_an_id_has_the_same_one_whenever_it_comes() -> None:
    first = message(text("Hello"), message_id=0)
    again = message(text("Hello"), message_id=0, context_token="another")
    other = message(text("Hello"), message_id=0, create_time_ms=1_759_999_990_124)
    assert isinstance(first.event, Incoming)
    assert isinstance(again.event, Incoming)
    assert isinstance(other.event, Incoming)
    assert first.event.id == again.event.id != other.event.id
    numbered = message(text("Hello"), message_id="", seq=41)
    assert isinstance(numbered.event, Incoming)
    assert numbered.event.id == "seq41"


def test_only_thousandths_of_a_second_tell_messages_of_the_same_words_apart() -> None:
    assert message(text("ok")).trace == message(text("ok"), message_id=5).trace != ""
    assert message(text("ok")).trace != message(text("ok"), create_time_ms=1_759_999_990_124).trace
    assert message(text("ok"), create_time_ms=1_759_999_990_000).trace == ""


@pytest.mark.parametrize(
    ("item", "name", "media_type"),
    [
        ({"type": 2, "image_item": {"media": {"full_url": URL, "aes_key": RAW}}}, "picture.jpg", "image/jpeg"),
        ({"type": 2, "image_item": {"media": {"full_url": URL}, "aeskey": KEY}}, "picture.jpg", "image/jpeg"),
        ({"type": 3, "voice_item": {"media": {"full_url": URL, "aes_key": DIGITS}, "encode_type": 6}}, "voice.silk", "audio/silk"),
        ({"type": 3, "voice_item": {"media": {"full_url": URL, "aes_key": DIGITS}, "encode_type": 7}}, "voice.mp3", "audio/mpeg"),
        ({"type": 4, "file_item": {"media": {"full_url": URL, "aes_key": DIGITS}, "file_name": "a.pdf"}}, "a.pdf", "application/pdf"),
        ({"type": 4, "file_item": {"media": {"full_url": URL, "aes_key": RAW}}}, "file", "application/octet-stream"),
        ({"type": 5, "video_item": {"media": {"full_url": URL, "aes_key": DIGITS}}}, "video.mp4", "video/mp4"),
    ],
)
def test_files_are_attachments_with_their_keys_however_those_are_written(item: dict[str, Any], name: str, media_type: str) -> None:
    (attachment,) = wrote(message(item)).attachments
    assert (attachment.id, attachment.name, attachment.media_type) == ("18446744073709551615/0", name, media_type)
    assert json.loads(attachment.source) == {"url": URL, "key": KEY}


def test_a_file_without_a_whole_address_is_on_the_cdn() -> None:
    item = {"type": 4, "file_item": {"media": {"encrypt_query_param": "a/b=", "aes_key": DIGITS}, "file_name": "a.pdf"}}
    (attachment,) = wrote(message(item)).attachments
    url = "https://novac2c.cdn.weixin.qq.com/c2c/download?encrypted_query_param=a%2Fb%3D"
    assert json.loads(attachment.source) == {"url": url, "key": KEY}
    assert message({"type": 4, "file_item": {"file_name": "nowhere"}}).event is None


def test_a_voice_is_what_was_heard_in_it_and_its_bytes() -> None:
    did = wrote(message({"type": 3, "voice_item": {"media": {"full_url": URL, "aes_key": DIGITS}, "text": "Call me"}}))
    assert did.text == "Call me"
    assert [file.name for file in did.attachments] == ["voice.silk"]


@pytest.mark.parametrize(
    ("quoted", "quote", "files"),
    [
        ({"title": "Bob: lunch?"}, "Bob: lunch?", []),
        ({"message_item": text("lunch?")}, "lunch?", []),
        ({"message_item": {"type": 4, "file_item": {"media": {"full_url": URL}, "file_name": "a.pdf"}}}, "a.pdf", ["a.pdf"]),
        ({}, "", []),
    ],
)
def test_what_it_replies_to_is_quoted_and_a_file_there_comes_along(quoted: dict[str, Any], quote: str, files: list[str]) -> None:
    did = wrote(message(text("Yes", ref_msg=quoted)))
    assert (did.text, did.quote, [file.name for file in did.attachments]) == ("Yes", quote, files)


def test_what_is_none_of_ours_is_nothing_and_what_makes_no_sense_is_kept() -> None:
    assert message(text("ours"), message_type=2) == Heard()
    assert message(text("ours"), group_id="g") == Heard()
    assert message(text("ours"), from_user_id="") == Heard()
    assert message({"type": 11}).event is None
    strange = read({"message_type": "one"}, NOW)
    assert isinstance(strange.event, Unread)
    assert strange.event.raw == '{"message_type":"one"}'
