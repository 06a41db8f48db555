from __future__ import annotations

from holdfast.web.platform import WebPlatform


def test_only_those_who_listen_to_a_conversation_are_told() -> None:
    platform = WebPlatform()
    platform.show("a", "a1", "nobody listens")
    with platform.listen("a") as first, platform.listen("a") as second, platform.listen("b") as other:
        platform.show("a", "a1", "Hello")
        assert (first.take(), second.take()) == (("a1", "Hello"), ("a1", "Hello"))
        assert not other.changed.is_set()
        assert platform.listeners == 3
    assert platform.listeners == 0


def test_a_slow_listener_gets_the_newest_alone() -> None:
    platform = WebPlatform()
    with platform.listen("a") as listener:
        for end in range(10_000):
            platform.show("a", "a1", "x" * end)
        assert listener.changed.is_set()
        assert listener.take() == ("a1", "x" * 9_999)
        assert not listener.changed.is_set()
