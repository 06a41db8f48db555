"""The adapter against a server that keeps the truth, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from holdfast.core.entries import Attachment, Produced
from holdfast.core.incoming import Chose, Deleted, Edited, Place, Unread, Wrote
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.feishu import account as module
from holdfast.platforms.feishu.account import FeishuPlatform
from holdfast.platforms.feishu.sending import PICTURE_BYTES_MAX
from holdfast.ports import Message
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.feishu_client import ANN, APP, DIRECT, GROUP, Feishu
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox

PLACE = Place(DIRECT)
PNG = b"\x89PNG\r\n\x1a\n picture"


async def produced(files: MemoryFiles, name: str, data: bytes, media_type: str = "") -> Produced:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return Produced(sha256=await files.put(pieces()), name=name, media_type=media_type)


async def received(platform: FeishuPlatform, feishu: Feishu, count: int = 1) -> RecordingInbox:
    """An inbox that got so many messages, and is left."""
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: len(one.messages) >= count)
        await feishu.until(lambda: answered(feishu))
    return inbox


async def answered(feishu: Feishu) -> bool:
    return bool(await feishu.order("unanswered") == 0)


def next_life(inbox: RecordingInbox) -> RecordingInbox:
    """Knows what the last one knew."""
    after = RecordingInbox(inbox.cursor)
    after.places = [event.place for event in inbox.messages]
    return after


# --- connecting -------------------------------------------------------------------------------------------------------------------------


async def test_it_says_which_app_it_is(platform: FeishuPlatform) -> None:
    """LEDGER H-56: the secret of another app under the old name has another identity."""
    inbox = RecordingInbox()
    async with running(platform, inbox):
        pass
    assert inbox.identity == APP


async def test_a_wrong_secret_is_asked_about_once(feishu: Feishu, account: Any, files: MemoryFiles) -> None:
    platform = account(files, secret="another")
    with pytest.raises(Config, match=r"does not let feishu:work in: app secret invalid \(code 10014\)\. In the developer console"):
        await platform.run(RecordingInbox())
    receipt = await platform.send(PLACE, Message("Hello"))
    assert (receipt.refusal, receipt.account) == ("retry", "stopped")
    assert [call["method"] for call in await feishu.calls()] == ["token"] * 2


async def test_a_token_that_is_refused_is_got_anew_and_nobody_notices(platform: FeishuPlatform, feishu: Feishu) -> None:
    assert (await platform.send(PLACE, Message("one"))).id
    await feishu.order("expire_tokens")
    assert all(receipt.id for receipt in await asyncio.gather(*(platform.send(PLACE, Message(f"two {n}", f"k{n}")) for n in range(5))))
    assert len(await feishu.said()) == 6


async def test_a_token_is_renewed_before_its_end(platform: FeishuPlatform, feishu: Feishu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.platforms.feishu.api.RENEW_BEFORE_S", 7200.0)
    for _ in range(2):
        await platform.send(PLACE, Message("Hello"))
    assert len(await feishu.calls("token")) == 2


@pytest.mark.parametrize(
    ("method", "kind", "value"),
    [
        *(("token", kind, value) for kind, value in [("status", 502), ("limit", 3), ("garbage", 0), ("drop", 0), ("drop_before", 0)]),
        *((method, kind, 502) for method in ("info", "endpoint") for kind in ("status", "drop")),
    ],
)
async def test_what_passes_is_temporary(platform: FeishuPlatform, feishu: Feishu, method: str, kind: str, value: int) -> None:
    """LEDGER H-54, I 29: the supervisor connects again, for ever."""
    await feishu.write(DIRECT, "kept")
    await feishu.fault(kind, method, value=value)
    inbox = RecordingInbox()
    with pytest.raises(Temporary) as failure:
        await asyncio.wait_for(platform.run(inbox), 20)
    assert failure.value.retry_after_s == (3 if kind == "limit" else None)
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: texts(one) == ["kept"])


async def test_a_name_that_no_server_has_is_temporary(account: Any, files: MemoryFiles) -> None:
    platform = account(files, base_url="http://feishu.invalid")
    with pytest.raises(Temporary, match=r"can't be reached"):
        await asyncio.wait_for(platform.run(RecordingInbox()), 40)


def test_of_the_two_ways_only_the_one_that_is_used_is_imported() -> None:
    program = (
        "import sys, holdfast.platforms.feishu; print([one for one in ('aiohttp', 'cryptography', 'lark_oapi') if one in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


# --- receiving --------------------------------------------------------------------------------------------------------------------------


async def test_two_hundred_messages_come_in_order_through_a_server_that_is_killed(platform: FeishuPlatform, feishu: Feishu) -> None:
    """Feishu brings new ones first, and what was missed after them: the history has the order."""
    await feishu.write(DIRECT, "0")
    inbox = next_life(await received(platform, feishu))
    for number in range(1, 120):
        await feishu.write(DIRECT, str(number))
    feishu.kill()
    await feishu.start()
    await feishu.order("come_late")
    async with running(platform, inbox):
        for number in range(120, 200):
            await feishu.write(DIRECT, str(number))
        await inbox.wait_for(lambda one: len(set(texts(one))) >= 200)
    assert [*dict.fromkeys(texts(inbox))] == [str(number) for number in range(200)]


async def test_what_cannot_be_read_is_kept_and_stops_nothing(platform: FeishuPlatform, feishu: Feishu) -> None:
    """LEDGER H-56: one bad event costs only itself."""
    inbox = RecordingInbox()
    await feishu.write(DIRECT, "before")
    await feishu.order("tell", type="im.message.receive_v1", event={"message": {"odd": True}})
    await feishu.order("tell", type="im.message.message_read_v1", event={"reader": {}})
    await feishu.write(DIRECT, "after")
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: len(one.events) == 3)
        await feishu.until(lambda: answered(feishu))
    (odd,) = [event for event in inbox.events if isinstance(event, Unread)]
    assert json.loads(odd.raw)["event"] == {"message": {"odd": True}}
    assert texts(inbox) == ["before", "after"]


async def test_who_wrote_is_called_by_name_and_what_is_replied_to_is_quoted(platform: FeishuPlatform, feishu: Feishu) -> None:
    first = await feishu.write(GROUP, "Lunch at one?", author="ou_bob", silent=True)
    await feishu.order("person", id="ou_bob", name="Bob")
    await feishu.write(GROUP, "@Holdfast what does he mean?", parent=first)
    (one,) = (await received(platform, feishu)).messages
    await feishu.write(GROUP, "@Holdfast hello?")
    (two,) = (await received(platform, feishu)).messages
    assert (one.name, one.group, one.to_us) == ("Ann", True, True)
    assert one.did == Wrote("what does he mean?", quote="Bob: Lunch at one?")
    assert (two.name, two.did) == ("Ann", Wrote("hello?"))
    assert len(await feishu.calls("get")) == 2, "the name is known the second time"


async def test_names_that_cannot_be_had_hold_nothing_up(platform: FeishuPlatform, feishu: Feishu, monkeypatch: pytest.MonkeyPatch) -> None:
    """LEDGER H-55: Feishu wants to hear within three seconds."""
    monkeypatch.setattr(module, "ASK_S_MAX", 0.2)
    await feishu.fault("delay_before", "get", times=5, value=10)
    await feishu.write(DIRECT, "hello")
    inbox = await received(platform, feishu)
    assert (inbox.messages[0].name, texts(inbox)) == ("", ["hello"])


async def test_a_recalled_message_is_gone_also_for_one_who_did_not_see_it_come(
    platform: FeishuPlatform, feishu: Feishu, account: Any, files: MemoryFiles
) -> None:
    first = await feishu.write(DIRECT, "one")
    second = await feishu.write(DIRECT, "two")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: len(one.messages) == 2)
        await feishu.order("recall", message=first)
        await inbox.wait_for(lambda one: len(one.messages) == 3)
    again = RecordingInbox(inbox.cursor)
    async with running(account(files), again):
        await feishu.order("recall", message=second)
        await again.wait_for(lambda one: any(event.did == Deleted() for event in one.messages))
    gone = [event for event in (*inbox.messages, *again.messages) if event.did == Deleted()]
    assert [(event.id, event.author, event.place, event.group) for event in gone] == [
        (first, ANN, PLACE, False),
        (second, ANN, PLACE, False),
    ]


async def test_an_edit_that_cannot_be_read_now_comes_again(platform: FeishuPlatform, feishu: Feishu) -> None:
    message = await feishu.write(DIRECT, "helo")
    again = next_life(await received(platform, feishu))
    async with running(platform, again):
        before = len(await feishu.calls("get"))
        await feishu.fault("status_after", "get", value=502)
        await feishu.order("edit", message=message, text="hello")
        await feishu.until(lambda: asked_for(feishu, before + 1))
    async with running(platform, again):
        await again.wait_for(lambda one: any(isinstance(event.did, Edited) for event in one.messages))


async def asked_for(feishu: Feishu, times: int) -> bool:
    return len(await feishu.calls("get")) >= times


async def test_a_button_in_a_group_is_a_choice_in_the_conversation_that_was_asked(platform: FeishuPlatform, feishu: Feishu) -> None:
    root = await feishu.write(GROUP, "@Holdfast plans?")
    place = Place(GROUP, root, "ou_ann")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: len(one.messages) == 1)
        asked = await platform.send(place, Message("May I?", "k", question=41, options=("once", "deny")))
        press = await feishu.order("press", message=asked.id, option="deny")
        await inbox.wait_for(lambda one: len(one.messages) == 2)
        await feishu.until(lambda: answered(feishu))
    pressed = inbox.messages[-1]
    assert (pressed.place, pressed.id, pressed.author, pressed.did, pressed.group) == (
        Place(GROUP, root),
        press,
        ANN,
        Chose(41, "deny"),
        True,
    )
    assert await feishu.order("answers", event=press) == "{}"
    await platform.send(place, Message("May I? No.", edit=asked.id))
    assert (await feishu.shown(GROUP))[-1].buttons == ()


async def test_a_group_sees_that_its_message_was_seen(platform: FeishuPlatform, feishu: Feishu) -> None:
    await feishu.write(DIRECT, "hello")
    message = await feishu.write(GROUP, "@Holdfast hello")
    inbox = RecordingInbox()
    async with running(platform, inbox):

        async def seen() -> bool:
            return bool(await feishu.order("reactions") == [{"message": message, "emoji": "Get"}])

        await feishu.until(seen)


# --- what was written while nobody listened ---------------------------------------------------------------------------------------------


async def test_what_feishu_does_not_bring_again_is_read_in_the_history(platform: FeishuPlatform, feishu: Feishu) -> None:
    """LEDGER H-07: after more than seven hours, more than two pages, in order, and each once."""
    await feishu.write(DIRECT, "before")
    await feishu.write(GROUP, "@Holdfast hello")
    inbox = await received(platform, feishu, 2)
    for number in range(120):
        await feishu.write(DIRECT, str(number))
    await feishu.write(GROUP, "nothing for you", silent=True)
    await feishu.write(GROUP, "@Holdfast are you there?")
    await feishu.order("seven_hours_pass")
    after = next_life(inbox)
    async with running(platform, after):
        await after.wait_for(lambda one: int(one.cursor) > int(inbox.cursor))
    direct = [event.did.text for event in after.messages if event.place == PLACE and isinstance(event.did, Wrote)]
    assert direct == ["before", *map(str, range(120))]
    group = [event for event in after.messages if event.group and event.to_us]
    assert [event.did for event in group] == [Wrote("hello"), Wrote("are you there?")]
    assert {event.name for event in after.messages} == {"Ann"}


async def test_threads_are_read_too(platform: FeishuPlatform, feishu: Feishu) -> None:
    root = await feishu.write(GROUP, "@Holdfast plans?")
    await feishu.write(GROUP, "@Holdfast more", thread=root)
    inbox = await received(platform, feishu, 2)
    await feishu.write(GROUP, "@Holdfast one", thread=root)
    await feishu.write(GROUP, "@Holdfast two", thread=root)
    fresh = await feishu.write(GROUP, "@Holdfast else", silent=True)
    await feishu.write(GROUP, "@Holdfast three", thread=fresh)
    await feishu.order("seven_hours_pass")
    after = next_life(inbox)
    async with running(platform, after):
        await after.wait_for(lambda one: int(one.cursor) > int(inbox.cursor))
    found = [
        (event.place, event.did) for event in after.messages if isinstance(event.did, Wrote) and event.did.text in {"one", "two", "three"}
    ]
    assert found == [
        (Place(GROUP, root), Wrote("one")),
        (Place(GROUP, root), Wrote("two")),
        (Place(GROUP, fresh), Wrote("three")),
    ]


async def test_what_comes_meanwhile_waits_and_moves_no_cursor(platform: FeishuPlatform, feishu: Feishu) -> None:
    """LEDGER H-07: a crash in the middle of it misses nothing."""
    await feishu.write(DIRECT, "before")
    inbox = await received(platform, feishu)
    await feishu.write(DIRECT, "missed")
    await feishu.order("seven_hours_pass")
    await feishu.fault("delay", "list", value=2)
    dying = next_life(inbox)
    async with running(platform, dying):
        await feishu.write(DIRECT, "live")
        await feishu.until(lambda: listed(feishu))
    assert (dying.cursor, texts(dying)) == (inbox.cursor, [])
    after = next_life(inbox)
    async with running(platform, after):
        await after.wait_for(lambda one: "live" in texts(one) and int(one.cursor) > int(inbox.cursor))
    assert [*dict.fromkeys(texts(after))] == ["before", "missed", "live"]


async def listed(feishu: Feishu) -> bool:
    return bool(await feishu.calls("list"))


async def test_too_much_asked_of_the_history_is_asked_again(
    platform: FeishuPlatform, feishu: Feishu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.platforms.feishu.looking.PAUSE_S", 0.01)
    await feishu.write(DIRECT, "before")
    inbox = await received(platform, feishu)
    await feishu.write(DIRECT, "missed")
    await feishu.order("seven_hours_pass")
    await feishu.fault("status", "list", times=3, value=230020)
    after = next_life(inbox)
    async with running(platform, after):
        await after.wait_for(lambda one: "missed" in texts(one))


async def test_a_group_whose_history_is_not_ours_to_read_hides_no_other(
    platform: FeishuPlatform, feishu: Feishu, caplog: pytest.LogCaptureFixture
) -> None:
    await feishu.write(DIRECT, "before")
    await feishu.write(GROUP, "@Holdfast hello")
    inbox = await received(platform, feishu, 2)
    await feishu.order("set_app", may_list=0)
    await feishu.write(DIRECT, "missed")
    await feishu.order("seven_hours_pass")
    after = next_life(inbox)
    async with running(platform, after):
        await after.wait_for(lambda one: int(one.cursor) > int(inbox.cursor))
    assert texts(after) == ["before", "missed"]
    assert (
        f"feishu:work can't read the history of {GROUP}: Lack of necessary permissions, ext=need scope: im:message.group_msg" in caplog.text
    )


# --- sending ----------------------------------------------------------------------------------------------------------------------------


async def test_an_answer_in_a_group_replies_and_one_in_a_thread_stays_there(platform: FeishuPlatform, feishu: Feishu) -> None:
    asked = await feishu.write(GROUP, "@Holdfast hello")
    root = await feishu.write(GROUP, "@Holdfast plans?")
    assert (await platform.send(Place(GROUP), Message("hello", "k1", replies_to=asked))).id
    assert (await platform.send(Place(GROUP, root), Message("these", "k2"))).id
    assert (await platform.send(Place(GROUP), Message("plain", "k3"))).id
    found = {one.text: one for one in await feishu.shown(GROUP) if one.mine}
    assert (found["hello"].parent, found["hello"].thread) == (asked, "")
    assert (found["these"].parent, found["these"].thread) == (root, f"omt_{root.removeprefix('om_')}")
    assert (found["plain"].parent, found["plain"].thread) == ("", "")


async def test_if_what_is_answered_is_gone_the_answer_stands_beside_it(platform: FeishuPlatform, feishu: Feishu) -> None:
    asked = await feishu.write(GROUP, "@Holdfast hello")
    await feishu.order("recall", message=asked)
    receipt = await platform.send(Place(GROUP), Message("hello", "k1", replies_to=asked))
    assert (await platform.send(Place(GROUP), Message("hello", "k1", replies_to=asked))).id == receipt.id
    assert [one.parent for one in await feishu.shown(GROUP) if one.mine] == [""]


async def test_a_card_that_feishu_does_not_like_is_said_plainly(platform: FeishuPlatform, feishu: Feishu) -> None:
    await feishu.fault("status", "send", value=230099)
    sent = await platform.send(PLACE, Message("**bold** <at id=all></at>", "k"))
    await feishu.fault("status", "patch", value=230099)
    assert (await platform.send(PLACE, Message("*other*", edit=sent.id))).id == sent.id
    (shown,) = await feishu.shown()
    assert shown.texts == ("**bold** <at id=all></at>", "*other*")


async def test_nobody_is_ever_called(platform: FeishuPlatform, feishu: Feishu) -> None:
    await platform.send(PLACE, Message("<at id=all></at> `<at id=all></at>` **<at id=ou_ann></at>**"))
    (shown,) = await feishu.shown()
    assert not shown.calls
    assert "<at id=all></at>" in shown.text


@pytest.mark.parametrize(
    ("kind", "refusal"), [("drop", "unknown"), ("drop_before", "unknown"), ("status", "unknown"), ("status_after", "unknown")]
)
async def test_a_send_of_which_nobody_knows_arrives_once(platform: FeishuPlatform, feishu: Feishu, kind: str, refusal: str) -> None:
    """LEDGER H-15, H-16: the same key again."""
    await feishu.fault(kind, "send", value=502)
    receipt = await platform.send(PLACE, Message("Hello", "k1"))
    assert (receipt.refusal, receipt.account) == (refusal, "")
    assert (await platform.send(PLACE, Message("Hello", "k1"))).id
    assert await feishu.said() == ["Hello"]


async def test_after_an_hour_the_history_tells_whether_it_arrived(platform: FeishuPlatform, feishu: Feishu) -> None:
    """LEDGER H-15: also of an answer that was changed since, and in a thread."""
    root = await feishu.write(GROUP, "@Holdfast plans?")
    asked = await feishu.write(GROUP, "@Holdfast and?", thread=root)
    sent = await platform.send(PLACE, Message("Hello …", "k1"))
    await platform.send(PLACE, Message("Hello you", "k1/final", edit=sent.id))
    there = await platform.send(Place(GROUP, root), Message("these", "k2"))
    shared = await platform.send(Place(GROUP), Message("those", "k3", replies_to=asked))
    await feishu.order("an_hour_passes")
    assert await platform.find(PLACE, Message("Hello …", "k1"), 0.0) == sent.id
    assert await platform.find(Place(GROUP, root), Message("these", "k2"), 0.0) == there.id
    assert await platform.find(Place(GROUP), Message("those", "k3"), 0.0) == shared.id
    assert await platform.find(PLACE, Message("Hello", "k4"), 0.0) is None
    assert await platform.find(PLACE, Message("Hello"), 0.0) is None
    await feishu.order("set_app", may_list=0)
    with pytest.raises(Temporary, match=r"can't look into the chat"):
        await platform.find(Place(GROUP), Message("those", "k3"), 0.0)


async def test_a_message_that_was_recalled_cannot_be_changed(platform: FeishuPlatform, feishu: Feishu) -> None:
    sent = await platform.send(PLACE, Message("Hello", "k1"))
    await feishu.order("recall", message=sent.id)
    assert (await platform.send(PLACE, Message("Hello you", edit=sent.id))).refusal == "gone"


async def test_pictures_go_as_pictures_if_feishu_takes_them_for_some(platform: FeishuPlatform, feishu: Feishu, files: MemoryFiles) -> None:
    given = (
        await produced(files, "a.png", PNG, "image/png"),
        await produced(files, "broken.png", b"none", "image/png"),
        await produced(files, "big.png", PNG + b" " * PICTURE_BYTES_MAX, "image/png"),
        await produced(files, "a.txt", b"text", "text/plain"),
    )
    first = await platform.send(PLACE, Message("Look", "k", files=given))
    assert (await platform.send(PLACE, Message("Look", "k", files=given))).id == first.id
    assert [one.kind for one in await feishu.shown()] == ["interactive", "image", "file", "file", "file"]
    missing = Produced(sha256="0" * 64, name="lost.txt", media_type="")
    assert (await platform.send(PLACE, Message("", "k2", files=(missing,)))).refusal == "refused"


# --- files ------------------------------------------------------------------------------------------------------------------------------


async def test_a_file_that_feishu_does_not_give_is_given_up_and_one_that_it_can_not_give_now_is_not(
    platform: FeishuPlatform, feishu: Feishu, files: MemoryFiles
) -> None:
    key = await feishu.order("upload", name="a.txt", data=b"what was in it")
    there, lost = (Attachment(id="1", name="a.txt", source=f"om_1 {name} file") for name in (key, "file_0"))
    for kind, value in [("status", 502), ("limit", 3), ("drop", 0)]:
        await feishu.fault(kind, "resource", value=value)
        with pytest.raises(Temporary, match=r"a\.txt can't be had from Feishu now"):
            await platform.fetch(there)
    await feishu.order("expire_tokens")
    assert await files.read(await platform.fetch(there)) == b"what was in it"
    with pytest.raises(Request, match=r"Feishu does not give a\.txt: File not in msg\. \(code 234003\)"):
        await platform.fetch(lost)


def test_the_runtime_is_told_how_long_silence_may_be(account: Any, files: MemoryFiles) -> None:
    assert account(files).traits.silence_s_max < account(files, called=True).traits.silence_s_max
