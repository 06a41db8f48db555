from __future__ import annotations

import pytest

from holdfast.core.entries import Attachment
from holdfast.errors import Request
from holdfast.testing.memory_files import MemoryFiles
from holdfast.web.platform import WebPlatform


def test_only_those_who_listen_to_a_conversation_are_told() -> None:
    platform = WebPlatform(MemoryFiles())
    platform.show("a", "a1", "nobody listens")
    with platform.listen("a") as first, platform.listen("a") as second, platform.listen("b") as other:
        platform.show("a", "a1", "Hello")
        assert (first.take(), second.take()) == (("a1", "Hello"), ("a1", "Hello"))
        assert not other.changed.is_set()
        assert platform.listeners == 3
    assert platform.listeners == 0


def test_a_slow_listener_gets_the_newest_alone() -> None:
    platform = WebPlatform(MemoryFiles())
    with platform.listen("a") as listener:
        for end in range(10_000):
            platform.show("a", "a1", "x" * end)
        assert listener.changed.is_set()
        assert listener.take() == ("a1", "x" * 9_999)
        assert not listener.changed.is_set()


def test_how_far_calls_have_come_is_told_call_by_call_the_newest_alone() -> None:
    platform = WebPlatform(MemoryFiles())
    platform.progress("a", "call_1_0", "nobody listens")
    with platform.listen("a") as listener, platform.listen("b") as other:
        platform.show("a", "a1", "Hello")
        for done in range(100):
            platform.progress("a", "call_1_0", f"{done}")
            platform.progress("a", "call_1_1", f"{done} too")
        assert listener.progressed.is_set() and not other.progressed.is_set()
        assert listener.take_progress() == {"call_1_0": "99", "call_1_1": "99 too"}
        assert listener.take_progress() == {} and not listener.progressed.is_set()
        assert listener.take() == ("a1", "Hello"), "an answer has a slot of its own"


async def test_the_bytes_of_a_file_are_here_before_its_message() -> None:
    files = MemoryFiles()
    files.kept["abc"] = b"x"
    platform = WebPlatform(files)
    assert await platform.fetch(Attachment(id="k/0", name="a.png", source="abc")) == "abc"
    with pytest.raises(Request, match="There is no file"):
        await platform.fetch(Attachment(id="k/1", name="b.png", source="def"))
