"""What people did is read as wechatpy reads it, which we did not write."""

from __future__ import annotations

from typing import Any

import pytest
from wechatpy.enterprise.parser import parse_message as parse_of_wecom  # type: ignore[import-untyped]  # it has no types
from wechatpy.parser import parse_message  # type: ignore[import-untyped]  # as above

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Chose, Incoming, Place, Wrote
from holdfast.platforms.tencent.calls import fields
from holdfast.platforms.tencent.reading import menu_id, read


def xml(**said: str) -> str:
    whole = {"ToUserName": "us", "FromUserName": "ann", "CreateTime": "1409659813", **said}
    return "<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in whole.items()) + "</xml>"


def incoming(**said: str) -> Incoming:
    found = read(fields(xml(**said).encode()))
    assert found is not None
    return found


@pytest.mark.parametrize("parse", [parse_message, parse_of_wecom])
def test_a_text_is_what_others_read_too(parse: Any) -> None:
    said = xml(MsgType="text", Content="Hello 世界", MsgId="4561255354251345929", AgentID="218")
    theirs, ours = parse(said), incoming(MsgType="text", Content="Hello 世界", MsgId="4561255354251345929")
    assert ours == Incoming(place=Place(theirs.source), id=str(theirs.id), author=theirs.source, did=Wrote(theirs.content))
    assert not ours.group


@pytest.mark.parametrize(
    ("kind", "name", "media_type"),
    [
        ("image", "image.jpg", "image/jpeg"),
        ("voice", "voice.amr", "audio/amr"),
        ("video", "video.mp4", "video/mp4"),
        ("shortvideo", "shortvideo.mp4", "video/mp4"),
    ],
)
def test_a_file_is_fetched_by_the_id_that_others_read_too(kind: str, name: str, media_type: str) -> None:
    said = {"MsgType": kind, "MediaId": "media-1", "MsgId": "7", "PicUrl": "http://x"}
    assert parse_message(xml(**said)).media_id == "media-1"
    assert incoming(**said).did == Wrote("", (Attachment(id="7/0", name=name, media_type=media_type, source="media-1"),))


def test_voice_that_was_recognised_is_its_text_too() -> None:
    did = incoming(MsgType="voice", MediaId="media-1", MsgId="7", Recognition="What is on today?").did
    assert isinstance(did, Wrote)
    assert (did.text, len(did.attachments)) == ("What is on today?", 1)


def test_places_and_links_are_told_in_words() -> None:
    place = incoming(MsgType="location", MsgId="1", Location_X="23.1", Location_Y="113.3", Label="Canton Tower", Scale="15")
    assert place.did == Wrote("(a place: Canton Tower at 23.1, 113.3)")
    link = incoming(MsgType="link", MsgId="1", Title="News", Description="", Url="https://example.org")
    assert link.did == Wrote("News\nhttps://example.org")


@pytest.mark.parametrize(
    ("event", "key", "says"),
    [("subscribe", "", "/help"), ("subscribe", "qrscene_1", "/help"), ("CLICK", "/new", "/new"), ("click", "the weather", "the weather")],
)
def test_what_means_something_is_as_if_it_had_been_written(event: str, key: str, says: str) -> None:
    found = incoming(MsgType="event", Event=event, EventKey=key)
    assert found.did == Wrote(says)
    assert found.author == "ann"


def test_an_event_is_known_by_its_time_and_what_it_is() -> None:
    first = incoming(MsgType="event", Event="CLICK", EventKey="a key")
    assert first.id == incoming(MsgType="event", Event="CLICK", EventKey="a key").id
    assert " " not in first.id
    assert first.id != incoming(MsgType="event", Event="CLICK", EventKey="another").id
    assert first.id != incoming(MsgType="event", Event="CLICK", EventKey="a key", CreateTime="1409659814").id


@pytest.mark.parametrize("event", ["unsubscribe", "VIEW", "LOCATION", "enter_agent", "SCAN", "TEMPLATESENDJOBFINISH", ""])
def test_what_is_only_for_counting_is_nothing(event: str) -> None:
    assert read(fields(xml(MsgType="event", Event=event, EventKey="http://x" if event == "VIEW" else "").encode())) is None


def test_a_button_of_no_key_and_a_message_of_nothing_known_are_nothing() -> None:
    assert read(fields(xml(MsgType="event", Event="CLICK", EventKey="  ").encode())) is None
    assert read(fields(xml(MsgType="miniprogrampage", MsgId="1").encode())) is None
    assert read(fields(xml(MsgType="image", MsgId="1").encode())) is None


def test_a_line_of_a_menu_is_the_option_that_it_stands_for() -> None:
    said = {"MsgType": "text", "Content": "go on", "MsgId": "1"}
    assert incoming(**said, bizmsgmenuid=menu_id(41, "go on")).did == Chose(41, "go on")
    assert incoming(**said, bizmsgmenuid="of somebody else").did == Wrote("go on")


@pytest.mark.parametrize("missing", ["FromUserName", "MsgType", "MsgId"])
def test_what_says_less_than_every_message_does_can_not_be_read(missing: str) -> None:
    said = fields(xml(MsgType="text", Content="Hello", MsgId="1").encode())
    del said[missing]
    with pytest.raises(KeyError):
        read(said)


@pytest.mark.parametrize("person", ["", "a b", "a:b", "x" * 129])
def test_nobody_is_called_what_would_be_taken_for_something_else(person: str) -> None:
    with pytest.raises(ValueError, match="nobody is called"):
        read({"FromUserName": person, "MsgType": "text", "MsgId": "1", "Content": "Hello"})
