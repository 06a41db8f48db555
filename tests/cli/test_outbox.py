from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from holdfast.cli import outbox
from holdfast.cli.async_client import AsyncClient
from holdfast.cli.client import Away
from holdfast.cli.outbox import POSTS_MAX, Outbox
from holdfast.errors import Request
from holdfast.web.wire import Post, Saved


class _Client(AsyncClient):
    """Does with each post what it is told to."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.posts: list[Post] = []
        self.answer: Callable[[Post], Exception | None] = lambda _: None

    async def send(self, name: str, post: Post) -> Saved:
        self.posts.append(post)
        await asyncio.sleep(0)
        error = self.answer(post)
        if error is not None:
            raise error
        return Saved(seq=1, new=True)


class _Rig:
    def __init__(self) -> None:
        self.client = _Client()
        self.refused: list[tuple[str, str]] = []
        self.outbox = Outbox(self.client, "x", lambda text, why: self.refused.append((text, why)), lambda: None)


@pytest.fixture
async def rig() -> AsyncIterator[_Rig]:
    rig = _Rig()
    running = asyncio.create_task(rig.outbox.run())
    yield rig
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await rig.client.close()


async def test_messages_are_sent_in_order_each_under_its_own_key(rig: _Rig) -> None:
    for text in ("one", "two"):
        rig.outbox.put(text)
    assert rig.outbox.unsaved == ["one", "two"]
    await rig.outbox.empty()
    assert [post.text for post in rig.client.posts] == ["one", "two"]
    assert len({post.key for post in rig.client.posts}) == 2
    assert (rig.outbox.unsaved, rig.outbox.saved) == ([], ["one", "two"])
    rig.outbox.seen(rig.client.posts[0].key)
    assert rig.outbox.saved == ["two"]


async def test_until_the_gateway_said_saved_it_is_sent_again_under_the_same_key(rig: _Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PAUSE_S", 0.0)
    rig.client.answer = lambda _: Away("Gone.") if len(rig.client.posts) < 3 else None
    rig.outbox.put("one")
    await rig.outbox.empty()
    assert len(rig.client.posts) == 3
    assert len({post.key for post in rig.client.posts}) == 1


async def test_what_is_seen_in_the_conversation_is_saved_whatever_was_answered(rig: _Rig) -> None:
    def seen_meanwhile(post: Post) -> Exception | None:
        rig.outbox.seen(post.key)
        return Away("Gone.")

    rig.client.answer = seen_meanwhile
    rig.outbox.put("one")
    await rig.outbox.empty()
    assert (rig.outbox.unsaved, rig.outbox.saved) == ([], [])


async def test_what_is_refused_is_told_and_holds_nothing_up(rig: _Rig) -> None:
    rig.client.answer = lambda post: Request("No.") if post.text == "one" else None
    for text in ("one", "two"):
        rig.outbox.put(text)
    await rig.outbox.empty()
    assert rig.refused == [("one", "No.")]
    assert rig.outbox.saved == ["two"]


async def test_it_takes_only_so_many() -> None:
    box = _Rig().outbox
    for number in range(POSTS_MAX):
        box.put(str(number))
    with pytest.raises(Request, match="Wait until the gateway has taken them"):
        box.put("one more")
