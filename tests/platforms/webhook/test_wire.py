from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from holdfast.errors import Request
from holdfast.platforms.webhook.wire import FILES_MAX, TEXT_BYTES_MAX, WAIT_S_MAX, Wanted, sent, wanted

FILE = {"name": "a.txt", "data": base64.b64encode(b"abc").decode()}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"text": "Hello"}, "`chat`"),
        ({"chat": "", "text": "Hello"}, "`chat` takes"),
        ({"chat": "a:b", "text": "Hello"}, "`chat` takes"),
        ({"chat": "a b", "text": "Hello"}, "`chat` takes"),
        ({"chat": "é", "text": "Hello"}, "`chat` takes"),
        ({"chat": "x" * 65, "text": "Hello"}, "`chat` takes"),
        ({"chat": "a"}, "is empty"),
        ({"chat": "a", "text": " \n"}, "is empty"),
        ({"chat": "a", "text": "ä" * TEXT_BYTES_MAX}, "longer than 65,536 bytes"),
        ({"chat": "a", "text": 5}, "Expected `str`"),
        ({"chat": "a", "txt": "Hello"}, "unknown field `txt`"),
        ({"chat": "a", "text": "Hello", "author": "a b"}, "`author`"),
        ({"chat": "a", "choose": 7}, "both of them"),
        ({"chat": "a", "option": "yes"}, "both of them"),
        ({"chat": "a", "choose": 7, "option": "yes", "text": "Hello"}, "either"),
        ({"chat": "a", "files": [FILE] * (FILES_MAX + 1)}, "At most 10 files"),
        ({"chat": "a", "files": [{**FILE, "name": ""}]}, "name of at most"),
        ({"chat": "a", "files": [{"name": "a", "url": "http://example.org"}]}, "nothing is fetched"),
        ({"chat": "a", "files": ["http://example.org"]}, "nothing is fetched"),
        ([], "Expected `object`"),
    ],
)
def test_what_can_not_be_is_refused_with_a_sentence(said: Any, says: str) -> None:
    with pytest.raises(Request, match=says):
        sent(json.dumps(said).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"chat": "a", "text": "\\ud800"}', b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(Request, match="can not be read"):
        sent(body)


def test_files_are_base64() -> None:
    assert sent(json.dumps({"chat": "a", "files": [FILE]}).encode()).files[0].decoded == b"abc"
    with pytest.raises(Request, match="no base64"):
        _ = sent(json.dumps({"chat": "a", "files": [{**FILE, "data": "a b"}]}).encode()).files[0].decoded


def test_a_question_for_news_says_where_since_when_and_how_patiently() -> None:
    assert wanted("chat=a") == Wanted("a", 0, 0.0)
    assert wanted("chat=a&after=7&wait=3") == Wanted("a", 7, 3.0)
    assert wanted("chat=a&wait=999") == Wanted("a", 0, WAIT_S_MAX)


@pytest.mark.parametrize(
    "query", ["", "chat=", "after=1", "chat=a&after=-1", "chat=a&after=x", "chat=a&after=" + "9" * 19, "chat=a&wait=1.5"]
)
def test_a_question_that_can_not_be_answered_is_refused(query: str) -> None:
    with pytest.raises(Request, match="`"):
        wanted(query)
