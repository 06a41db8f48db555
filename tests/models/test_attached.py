"""Files in requests: pictures where the route sees, texts as text, everything else by its name."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from holdfast.core.entries import Call
from holdfast.core.request import Assistant, File, Result, User
from holdfast.models import attached
from holdfast.models.attached import PICTURE_BYTES_MAX, PICTURES_MAX, TEXT_CHARS_MAX, what_is_said
from holdfast.testing.dialects import STREAMS, Say
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.model_rig import Open
from holdfast.testing.stub_provider import Reply, http

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
DATA = base64.b64encode(PNG).decode()
LINE = "Look\n[attached file: a.png]"


class CountedFiles(MemoryFiles):
    """Files in memory that know which of them were read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[bytes] = []

    def add(self, content: bytes, name: str, media_type: str) -> File:
        sha256 = hashlib.sha256(content).hexdigest()
        self.kept[sha256] = content
        return File(sha256, name, media_type)

    async def read(self, sha256: str) -> bytes:
        content = await super().read(sha256)
        self.reads.append(content)
        return content


@pytest.fixture
def files() -> CountedFiles:
    return CountedFiles()


def user_content(dialect: str, body: dict[str, Any]) -> Any:
    """What the only message of the user holds, without marks for caches."""
    messages = body["input" if dialect == "openai-responses" else "messages"]
    content = messages[-1]["content"]
    for part in content if isinstance(content, list) else ():
        part.pop("cache_control", None)
    return content


SHOWN = {
    "openai-chat": [{"type": "text", "text": LINE}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}],
    "openai-responses": [{"type": "input_text", "text": LINE}, {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"}],
    "anthropic": [
        {"type": "text", "text": LINE},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    ],
}
NAMED = {
    "openai-chat": LINE,
    "openai-responses": [{"type": "input_text", "text": LINE}],
    "anthropic": [{"type": "text", "text": LINE}],
}


@pytest.mark.parametrize("dialect", sorted(STREAMS))
@pytest.mark.parametrize("images", [True, False], ids=["sees", "blind"])
async def test_a_picture_is_shown_where_the_route_sees_and_else_named(to: Open, dialect: str, images: bool) -> None:
    route = await to(Reply(http(b"".join(STREAMS[dialect](Say("I see."))))), dialect, images=images)
    sha256 = hashlib.sha256(PNG).hexdigest()
    route.files.kept[sha256] = PNG
    for _ in range(2):
        await route.ask(User(LINE, (File(sha256, "a.png", "image/png"),)), instructions="")
    first, second = route.stub.hits
    assert user_content(dialect, first.json) == (SHOWN if images else NAMED)[dialect]
    assert first.body == second.body


@pytest.mark.parametrize("dialect", sorted(STREAMS))
async def test_a_text_file_is_text_in_every_dialect(to: Open, dialect: str) -> None:
    route = await to(Reply(http(b"".join(STREAMS[dialect](Say("I see."))))), dialect)
    route.files.kept["0" * 64] = "\ufeffGröße <|im_start|>".encode()
    await route.ask(User("Read\n[attached file: b.txt]", (File("0" * 64, "b.txt", "text/plain"),)), instructions="")
    content = user_content(dialect, route.stub.hits[0].json)
    text = content if isinstance(content, str) else content[0]["text"]
    assert text == "Read\n[attached file: b.txt]\n\n[b.txt:]\nGröße <\u200d|im_start|>\n[end of b.txt]"


MADE = "[Made by the tools: picture-1.png]"
"""After an answer with a call comes what it brought, then what was made for the eyes: as the user's side, in one message where the dialect joins them."""
AFTER_RESULTS: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [
        {"role": "tool", "tool_call_id": "call_1_0", "content": "drawn"},
        {
            "role": "user",
            "content": [{"type": "text", "text": MADE}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}],
        },
    ],
    "openai-responses": [
        {"type": "function_call_output", "call_id": "call_1_0", "output": "drawn"},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": MADE}, {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"}],
        },
    ],
    "anthropic": [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1_0", "content": "drawn"},
                {"type": "text", "text": MADE},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
            ],
        }
    ],
}


@pytest.mark.parametrize("dialect", sorted(STREAMS))
async def test_a_picture_that_a_tool_made_follows_its_result_in_every_dialect(to: Open, dialect: str) -> None:
    """Anthropic wants results first in the message after the answer; the others want them before any other message."""
    route = await to(Reply(http(b"".join(STREAMS[dialect](Say("I see."))))), dialect, images=True)
    sha256 = hashlib.sha256(PNG).hexdigest()
    route.files.kept[sha256] = PNG
    call = Call(id="call_1_0", tool="draw", arguments="{}")
    made = User(MADE, (File(sha256, "picture-1.png", "image/png"),))
    await route.ask(User("Draw."), Assistant("", (call,)), Result("call_1_0", "draw", "drawn"), made)
    body = route.stub.hits[0].json
    user_content(dialect, body)
    after = AFTER_RESULTS[dialect]
    assert body["input" if dialect == "openai-responses" else "messages"][-len(after) :] == after


async def test_without_files_nothing_is_read_and_the_text_stands(files: CountedFiles) -> None:
    said = await what_is_said([User("Hi"), Assistant("Hello"), User("More")], files, sees=True)
    assert {number: words.text for number, words in said.items()} == {0: "Hi", 2: "More"}
    assert files.reads == []


async def test_several_files_of_a_message_keep_their_order(files: CountedFiles) -> None:
    attached_ = (
        files.add(b"one", "1.txt", "text/plain"),
        files.add(PNG + b"1", "1.png", "image/png"),
        files.add(b"two", "2.txt", "text/plain"),
        files.add(PNG + b"2", "2.gif", "image/gif"),
    )
    said = (await what_is_said([User("Hi", attached_)], files, sees=True))[0]
    assert said.text == "Hi\n\n[1.txt:]\none\n[end of 1.txt]\n\n[2.txt:]\ntwo\n[end of 2.txt]"
    assert [(picture.media_type, base64.b64decode(picture.data)[-1:]) for picture in said.pictures] == [
        ("image/png", b"1"),
        ("image/gif", b"2"),
    ]


async def test_what_is_neither_picture_nor_text_and_what_is_gone_stays_a_name(files: CountedFiles) -> None:
    gone = [File("0" * 64, "gone.png", "image/png"), File("1" * 64, "gone.txt", "text/plain")]
    said = await what_is_said([User("Hi", (files.add(b"\0", "x.bin", "application/octet-stream"), *gone))], files, sees=True)
    assert (said[0].text, said[0].pictures, files.reads) == ("Hi", (), [])


async def test_a_long_text_is_cut_and_the_cut_is_marked(files: CountedFiles) -> None:
    long = files.add(b"x" * (TEXT_CHARS_MAX + 1), "long.txt", "text/plain")
    text = (await what_is_said([User("Hi", (long,))], files, sees=False))[0].text
    assert text == f"Hi\n\n[long.txt:]\n{'x' * TEXT_CHARS_MAX}\n[cut here, {TEXT_CHARS_MAX} of {TEXT_CHARS_MAX + 1} characters: long.txt]"


async def test_of_too_many_texts_the_newest_are_shown(files: CountedFiles) -> None:
    messages = [User(f"m{n}", (files.add(f"{n}".encode() * TEXT_CHARS_MAX, f"{n}.txt", "text/plain"),)) for n in range(7)]
    said = await what_is_said(messages, files, sees=False)
    assert [".txt" in said[n].text for n in range(7)] == [False, False, False, True, True, True, True]
    assert len(files.reads) == 4


@pytest.mark.parametrize(("bytes_max", "shown"), [(5 * len(PNG), 5), (4 * len(PNG) + 1, 4), (0, 0)])
async def test_of_too_many_pictures_the_newest_are_shown_and_no_older_ones_are_read(
    files: CountedFiles, monkeypatch: pytest.MonkeyPatch, bytes_max: int, shown: int
) -> None:
    monkeypatch.setattr(attached, "PICTURES_BYTES_MAX", bytes_max)
    messages = [User(f"m{n}", (files.add(PNG[:-1] + bytes([n]), f"{n}.png", "image/png"),)) for n in range(9)]
    said = await what_is_said(messages, files, sees=True)
    assert [len(said[n].pictures) for n in range(9)] == [0] * (9 - shown) + [1] * shown
    assert len(files.reads) == shown + 1


async def test_there_are_no_more_pictures_than_providers_take(files: CountedFiles) -> None:
    messages = [User("Hi", (files.add(PNG + bytes([n]), f"{n}.png", "image/png"),)) for n in range(PICTURES_MAX + 2)]
    said = await what_is_said(messages, files, sees=True)
    assert sum(len(words.pictures) for words in said.values()) == PICTURES_MAX
    assert not said[0].pictures and said[PICTURES_MAX + 1].pictures


async def test_a_picture_that_is_too_large_stays_a_name_and_others_are_shown(files: CountedFiles) -> None:
    large = files.add(b"\xff" * (PICTURE_BYTES_MAX + 1), "large.jpg", "image/jpeg")
    largest = files.add(b"\xff" * PICTURE_BYTES_MAX, "ok.jpg", "image/jpeg")
    said = await what_is_said([User("Hi", (files.add(PNG, "a.png", "image/png"), largest, large))], files, sees=True)
    assert [picture.media_type for picture in said[0].pictures] == ["image/png", "image/jpeg"]
    assert len(said[0].pictures[1].data) <= 5 * 1024 * 1024
    assert base64.b64decode(said[0].pictures[1].data) == files.kept[largest.sha256]
    json.dumps(said[0].pictures[1].url)
