"""What we say, and what became of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place
from holdfast.errors import Temporary
from holdfast.platforms.slack import history
from holdfast.platforms.slack.account import SlackPlatform
from holdfast.ports import Message
from holdfast.runtime.clock import SystemClock
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.slack_client import Slack

ANN = Place("DANN")
KEY = "slack:mybot:DANN/a1/0"


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def platform(slack: Slack, files: MemoryFiles) -> AsyncIterator[SlackPlatform]:
    await slack.order("meet", chat="DANN")
    platform = SlackPlatform("mybot", slack.settings(), files, SystemClock())
    yield platform
    await platform.close()


async def produced(files: MemoryFiles, name: str = "a.bin", data: bytes = b"made") -> Produced:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return Produced(sha256=await files.put(pieces()), name=name)


async def test_a_group_is_answered_in_the_thread_of_the_question(platform: SlackPlatform, slack: Slack) -> None:
    await slack.order("group", chat="C1")
    asked = await slack.write("C1", "hello")
    below = await slack.write("C1", "and?", thread=asked)
    await platform.send(Place("C1"), Message("one", replies_to=asked))
    await platform.send(Place("C1"), Message("two", replies_to=f"{below}@{asked}"))
    await platform.send(Place("C1"), Message("three", replies_to="123.456.abc"))
    await platform.send(Place("C1"), Message("four"))
    await platform.send(ANN, Message("five", replies_to=await slack.write("DANN", "hello")))
    shown = [one for chat in ("C1", "DANN") for one in await slack.shown(chat) if one.mine]
    assert [(one.text, one.thread) for one in shown] == [("one", asked), ("two", asked), ("three", ""), ("four", ""), ("five", "")]


async def test_where_a_thread_is_gone_the_answer_goes_beside_it(platform: SlackPlatform, slack: Slack) -> None:
    assert (await platform.send(Place("DANN", "1.1"), Message("hello"))).id
    assert await slack.said("DANN") == ["hello"]


async def test_nothing_that_is_said_is_parsed_or_unfolded(platform: SlackPlatform, slack: Slack) -> None:
    sent = await platform.send(ANN, Message("@channel https://a.example"))
    await platform.send(ANN, Message("@channel #general", edit=sent.id))
    post, update = [(await slack.calls(method))[0]["params"] for method in ("chat.postMessage", "chat.update")]
    assert (post["parse"], update["parse"], post["unfurl_links"], post["unfurl_media"]) == ("none", "none", "false", "false")
    assert "link_names" not in post | update


@pytest.mark.parametrize(
    ("kind", "refusal", "arrived"),
    [
        ("drop_before", "unknown", False),
        ("drop", "unknown", True),
        ("status", "unknown", False),
        ("status_after", "unknown", True),
        ("garbage", "unknown", True),
        ("error internal_error", "unknown", False),
        ("error msg_too_long", "refused", False),
    ],
)
async def test_what_may_have_arrived_is_looked_for(platform: SlackPlatform, slack: Slack, kind: str, refusal: str, arrived: bool) -> None:
    """LEDGER I 4: nothing here sends again."""
    await slack.fault(kind, "chat.postMessage", value=500)
    began = time.time()
    receipt = await platform.send(ANN, Message("hello", key=KEY))
    assert receipt.refusal == refusal
    found = await platform.find(ANN, Message("hello", key=KEY), began)
    assert [one.ts for one in await slack.shown("DANN")] == ([found] if arrived else [])


async def test_a_part_is_found_in_whatever_thread_it_stands(platform: SlackPlatform, slack: Slack) -> None:
    await slack.order("group", chat="C1")
    asked = await slack.write("C1", "hello", ts=f"{time.time() - 3600:.6f}")
    old = await slack.write("DANN", "hello", ts=f"{time.time() - 3 * 24 * 3600:.6f}")
    began = time.time()
    below = await platform.send(Place("C1"), Message("one", key="a/0", replies_to=asked))
    deep = await platform.send(Place("DANN", old), Message("two", key="b/0"))
    assert await platform.find(Place("C1"), Message("one", key="a/0"), began) == below.id
    assert await platform.find(Place("DANN", old), Message("two", key="b/0"), began) == deep.id
    assert await platform.find(ANN, Message("three", key="c/0"), began) is None


async def test_only_what_we_said_with_that_key_is_found(platform: SlackPlatform, slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    metadata = {"event_type": history.EVENT_TYPE, "event_payload": {"key": KEY}}
    await slack.write("DANN", "not ours", metadata=metadata)
    began = time.time()
    assert await platform.find(ANN, Message("hello", key=KEY), began) is None
    sent = await platform.send(ANN, Message("hello", key=KEY))
    for number in range(5):
        await platform.send(ANN, Message("hello", key=f"{KEY}{number}"))
    assert await platform.find(ANN, Message("hello", key=KEY), began) == sent.id


async def test_an_edit_keeps_the_key(platform: SlackPlatform) -> None:
    began = time.time()
    sent = await platform.send(ANN, Message("hel …", key=KEY))
    await platform.send(ANN, Message("hello", edit=sent.id))
    assert await platform.find(ANN, Message("hello", key=KEY), began) == sent.id


async def test_where_nobody_can_look_it_is_said(platform: SlackPlatform, slack: Slack) -> None:
    await slack.fault("status", "conversations.history", value=500)
    with pytest.raises(Temporary):
        await platform.find(ANN, Message("hello", key=KEY), time.time())
    assert await platform.find(Place("C404"), Message("hello", key=KEY), time.time()) is None
    await slack.order("become", name="revoked", value="token")
    with pytest.raises(Temporary):
        await platform.find(ANN, Message("hello", key=KEY), time.time())


# --- files ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_before", "drop", "limit"])
async def test_files_that_may_not_be_shown_are_shown_when_what_was_said_is_found(
    platform: SlackPlatform, slack: Slack, files: MemoryFiles, kind: str
) -> None:
    """LEDGER H-11: what was said is there, once, and so are its files."""
    await slack.fault(kind, "files.completeUploadExternal", value=1)
    began = time.time()
    message = Message("Here you are", key=KEY, files=(await produced(files), await produced(files, "b.bin", b"more")))
    assert (await platform.send(ANN, message)).refusal == "unknown"
    for _ in range(2):
        found = await platform.find(ANN, Message("Here you are", key=KEY), began)
        assert found is not None
    assert await slack.said("DANN") == ["Here you are"]
    assert sorted(await slack.sent_files("DANN")) == [b"made", b"more"]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "chat.postMessage"])
async def test_what_was_not_said_shows_no_files(platform: SlackPlatform, slack: Slack, files: MemoryFiles, method: str) -> None:
    await slack.fault("limit", method, value=1)
    message = Message("Here you are", key=KEY, files=(await produced(files),))
    assert (await platform.send(ANN, message)).refusal == "retry"
    assert not await slack.shown("DANN")


async def test_a_refused_file_is_a_refused_part(platform: SlackPlatform, slack: Slack, files: MemoryFiles) -> None:
    """It is not said again and again: the person is told."""
    await slack.fault("error file_uploads_disabled", "files.completeUploadExternal")
    receipt = await platform.send(ANN, Message("Here you are", key=KEY, files=(await produced(files),)))
    assert receipt.refusal == "refused"
    assert "file_uploads_disabled" in receipt.why


async def test_files_go_where_their_text_goes(platform: SlackPlatform, slack: Slack, files: MemoryFiles) -> None:
    await slack.order("group", chat="C1")
    asked = await slack.write("C1", "hello")
    await platform.send(Place("C1"), Message("a.bin", files=(await produced(files),), replies_to=asked))
    said, shared = [one for one in await slack.shown("C1") if one.mine]
    assert (said.thread, shared.thread, shared.now["subtype"]) == (asked, asked, "file_share")


async def test_a_file_that_is_not_here_is_refused(platform: SlackPlatform, slack: Slack) -> None:
    lost = Produced(sha256="0" * 64, name="lost")
    assert (await platform.send(ANN, Message("Here you are", files=(lost,)))).refusal == "refused"
    assert not await slack.shown("DANN")


# --- questions --------------------------------------------------------------------------------------------------------------------------


async def test_a_question_has_buttons_until_it_is_answered(platform: SlackPlatform, slack: Slack) -> None:
    options = ("once", "always", "deny", *(f"option {number} {'long ' * 20}" for number in range(4)))
    sent = await platform.send(ANN, Message("May *I*?", question=41, options=options))
    (asked,) = await slack.shown("DANN")
    assert asked.buttons == [option if len(option) <= 75 else f"{option[:74]}…" for option in options]
    assert asked.now["blocks"][0]["text"]["text"] == "May _I_?"
    assert asked.text == "May _I_?"
    await platform.send(ANN, Message("You said once.", edit=sent.id))
    assert not (await slack.shown("DANN"))[0].buttons


async def test_a_long_question_is_asked_whole(platform: SlackPlatform, slack: Slack) -> None:
    text = "\n\n".join(f"**{number}**. {'word & ' * 12}" for number in range(25))[:3200]
    assert (await platform.send(ANN, Message(text, question=1, options=("yes",)))).refusal == ""
    (asked,) = await slack.shown("DANN")
    assert len([block for block in asked.now["blocks"] if block["type"] == "section"]) == 2
    assert asked.buttons == ["yes"]


async def test_a_question_whose_buttons_are_refused_is_asked_all_the_same(platform: SlackPlatform, slack: Slack) -> None:
    """It says how else one answers."""
    await slack.fault("error invalid_blocks", "chat.postMessage")
    assert (await platform.send(ANN, Message("May I?", question=1, options=("yes",)))).id
    assert await slack.said("DANN") == ["May I?"]
