"""The hook of a program's account, called as the gateway's listener calls it, and as it is called through that."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from holdfast.core.entries import AssistantMessage, DeliveryStarted, Entry, Produced, ToolResult
from holdfast.core.incoming import Chose, Incoming, Place, Wrote
from holdfast.errors import Config, Temporary
from holdfast.platforms.webhook import account
from holdfast.platforms.webhook.account import WebhookPlatform
from holdfast.platforms.webhook.signing import headers
from holdfast.ports import Accepted, Message
from holdfast.runtime.clock import SystemClock
from holdfast.testing.clock import BEGAN, ManualClock
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.hook_listener import Listener
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.webhook_service import SECRET, Program

PLACE = Place("alerts")


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def platform(files: MemoryFiles) -> AsyncIterator[WebhookPlatform]:
    platform = WebhookPlatform("mine", SECRET, "", files, ManualClock())
    yield platform
    await platform.close()


async def post(platform: WebhookPlatform, key: str = "", **said: Any) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"chat": "alerts", **said}).encode()
    reply = await platform.hook("POST", "", headers(SECRET, key, BEGAN, body), body)
    return reply.status, json.loads(reply.body)


async def ask(platform: WebhookPlatform, query: str) -> tuple[int, dict[str, Any]]:
    reply = await platform.hook("GET", query, headers(SECRET, "", BEGAN, query.encode()), b"")
    return reply.status, json.loads(reply.body)


def answer(seq: int, n: int, text: str) -> list[Entry]:
    return [
        Entry(seq, 0.0, 1, AssistantMessage(n=n, seen=seq - 1, text=text)),
        Entry(seq + 1, 0.0, 1, DeliveryStarted(of=f"a{n}", part=0, key=f"a{n}/0")),
    ]


async def test_what_is_saved_is_told_with_what_to_ask_next(platform: WebhookPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        assert inbox.identity == "mine"
        status, told = await post(platform, "k1", text="Hello", author="ann", name="Ann")
        assert (status, told) == (202, {"saved": True, "new": True, "chat": "alerts", "after": 1, "ask": "chat=alerts&after=1"})
        assert (await post(platform, "k1", text="Hello", author="ann"))[1]["new"] is False
    one = inbox.messages[0]
    assert (one.place, one.id, one.author, one.name, one.did, one.group) == (PLACE, "k1", "ann", "Ann", Wrote("Hello"), False)


async def test_a_chat_without_an_author_is_its_own(platform: WebhookPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await post(platform, text="Hello")
    assert inbox.messages[0].author == "alerts"


async def test_without_a_key_a_request_is_new_but_not_twice(platform: WebhookPlatform) -> None:
    async with running(platform, RecordingInbox()):
        assert [(await post(platform, text=text))[1]["new"] for text in ("one", "two", "one")] == [True, True, False]


async def test_the_answer_to_a_question_is_a_choice(platform: WebhookPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        assert (await post(platform, "k2", choose=41, option="go on"))[0] == 202
    assert inbox.messages[0].did == Chose(41, "go on")


async def test_the_bytes_of_a_file_are_here_before_its_message_is(platform: WebhookPlatform, files: MemoryFiles) -> None:
    inbox = RecordingInbox()
    data = b"\x89PNG\r\n\x1a\n..."
    async with running(platform, inbox):
        await post(platform, "k3", files=[{"name": "chart", "data": base64.b64encode(data).decode()}])
    did = inbox.messages[0].did
    assert isinstance(did, Wrote)
    (attachment,) = did.attachments
    assert (attachment.id, attachment.name, attachment.media_type) == ("k3/0", "chart", "image/png")
    assert await files.read(await platform.fetch(attachment)) == data


async def test_who_may_not_talk_is_told_so(platform: WebhookPlatform) -> None:
    """LEDGER H-60."""
    inbox = RecordingInbox()
    inbox.strangers.add("eve")
    async with running(platform, inbox):
        status, told = await post(platform, text="Hello", author="eve")
    assert status == 403
    assert "eve may not talk to webhook:mine, and the message was not kept. Let them in (`holdfast people` lists who asks)" in told["error"]
    assert not inbox.events


async def test_what_is_not_signed_or_not_understood_is_refused_and_nothing_kept(platform: WebhookPlatform) -> None:
    inbox = RecordingInbox()
    body = b'{"chat": "alerts", "text": "Hello"}'
    async with running(platform, inbox):
        assert (await platform.hook("POST", "", {}, body)).status == 401
        assert (await platform.hook("POST", "", headers("other", "", BEGAN, body), body)).status == 401
        assert (await platform.hook("POST", "", headers(SECRET, "", BEGAN - 301, body), body)).status == 401
        assert (await platform.hook("GET", "chat=a", headers(SECRET, "", BEGAN, b""), b"")).status == 401
        assert (await post(platform, text=""))[0] == 400
        assert (await ask(platform, "chat="))[0] == 400
    assert not inbox.events


async def test_who_is_not_connected_keeps_nothing(platform: WebhookPlatform) -> None:
    status, told = await post(platform, text="Hello")
    assert (status, "Nothing was kept; send it again" in told["error"]) == (503, True)


async def test_who_asks_gets_what_was_said_since_and_can_ask_again(platform: WebhookPlatform) -> None:
    inbox = RecordingInbox()
    inbox.entries[PLACE] = [*answer(2, 1, "One."), *answer(5, 2, "Two.")]
    async with running(platform, inbox):
        for _ in range(2):
            status, told = await ask(platform, "chat=alerts")
            assert (status, told["after"], told["ask"]) == (200, 5, "chat=alerts&after=5")
            assert [(one["key"], one["seq"], one["kind"], one["text"]) for one in told["messages"]] == [
                ("webhook:mine:alerts/a1/0", 2, "answer", "One."),
                ("webhook:mine:alerts/a2/0", 5, "answer", "Two."),
            ]
        assert [one["text"] for one in (await ask(platform, "chat=alerts&after=2"))[1]["messages"]] == ["Two."]
        assert (await ask(platform, "chat=alerts&after=5"))[1] == {"messages": [], "after": 5, "ask": "chat=alerts&after=5"}
        assert (await ask(platform, "chat=other"))[1]["messages"] == []


async def test_what_lies_behind_many_other_entries_is_found(platform: WebhookPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "READ_AT_ONCE", 3)
    inbox = RecordingInbox()
    noise = [Entry(seq, 0.0, 1, ToolResult(call=f"c{seq}", outcome="ok")) for seq in range(1, 12)]
    first, second = answer(12, 1, "Found.")
    inbox.entries[PLACE] = [*noise, first, second]
    async with running(platform, inbox):
        assert [one["text"] for one in (await ask(platform, "chat=alerts"))[1]["messages"]] == ["Found."]
        inbox.entries[PLACE] = noise[:6]
        assert (await ask(platform, "chat=alerts"))[1]["messages"] == []


async def test_who_waits_hears_it_as_soon_as_it_is_said(platform: WebhookPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        asking = asyncio.create_task(ask(platform, "chat=alerts&wait=20"))
        other = asyncio.create_task(ask(platform, "chat=other&wait=20"))
        await asyncio.sleep(0)
        assert (await platform.send(PLACE, Message("Hi.", "webhook:mine:alerts/a1/0"))).id == "webhook:mine:alerts/a1/0"
        assert not asking.done(), "it is not in the journal"
        inbox.entries[PLACE] = answer(2, 1, "Hi.")
        await platform.send(PLACE, Message("Hi.", "webhook:mine:alerts/a1/0"))
        assert [one["text"] for one in (await asyncio.wait_for(asking, 10))[1]["messages"]] == ["Hi."]
        assert not other.done()
        other.cancel()


async def test_who_waits_in_vain_is_told_so_in_time_and_of_too_many_nobody_waits(
    platform: WebhookPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(platform, RecordingInbox()):
        assert (await asyncio.wait_for(ask(platform, "chat=alerts&wait=1"), 10))[1]["messages"] == []
        monkeypatch.setattr(account, "WAITING_MAX", 0)
        assert (await asyncio.wait_for(ask(platform, "chat=alerts&wait=20"), 10))[1]["messages"] == []


async def test_files_come_with_what_was_said_and_not_too_many_at_once(
    platform: WebhookPlatform, files: MemoryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "TOLD_BYTES_MAX", 5)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"12345"

    made = Produced(sha256=await files.put(pieces()), name="n.txt", media_type="text/plain", size=5)
    inbox = RecordingInbox()
    inbox.entries[PLACE] = [
        entry
        for seq in (1, 3)
        for entry in (
            Entry(seq, 0.0, 1, ToolResult(call=f"c{seq}", outcome="ok", files=(made,))),
            Entry(seq + 1, 0.0, 1, DeliveryStarted(of=f"r{seq}", part=0)),
        )
    ]
    async with running(platform, inbox):
        told = (await ask(platform, "chat=alerts"))[1]
        assert (len(told["messages"]), told["after"]) == (1, 1)
        assert told["messages"][0]["kind"] == "files"
        assert told["messages"][0]["files"] == [{"name": "n.txt", "media_type": "text/plain", "data": "MTIzNDU="}]
        assert (await ask(platform, "chat=alerts&after=1"))[1]["after"] == 3


async def test_a_code_for_a_stranger_has_a_key_of_its_own(program: Program, files: MemoryFiles) -> None:
    platform = WebhookPlatform("mine", SECRET, program.callback_url, files, SystemClock())
    try:
        for _ in range(2):
            assert (await platform.send(Place("ann"), Message("I don't know you yet."))).refusal == ""
        assert [one["kind"] for one in await program.told()] == ["notice"]
    finally:
        await platform.close()


async def test_a_program_that_is_gone_for_good_stops_the_account_and_its_owner_is_told_how_to_mend_it(
    program: Program, files: MemoryFiles
) -> None:
    """LEDGER H-56."""
    await program.order("revoke")
    platform = WebhookPlatform("mine", SECRET, program.callback_url, files, SystemClock())
    try:
        async with running(platform, RecordingInbox()) as receiving:
            assert (await platform.send(Place("ann"), Message("Hi.", "a1/0"))).account == "stopped"
            with pytest.raises(Config, match="holdfast platforms retry webhook:mine"):
                await asyncio.wait_for(receiving, 5)
    finally:
        await platform.close()


@pytest.mark.parametrize(
    ("fault", "value", "refusal", "arrived"),
    [("drop_before", 0, "unknown", 0), ("drop", 0, "unknown", 1), ("status_after", 502, "unknown", 1)],
)
async def test_what_may_have_arrived_is_sent_again_under_its_key_and_is_one_message(
    program: Program, files: MemoryFiles, fault: str, value: int, refusal: str, arrived: int
) -> None:
    """LEDGER H-11, H-15."""
    platform = WebhookPlatform("mine", SECRET, program.callback_url, files, SystemClock())
    try:
        await program.fault(fault, "callback", value=value)
        message = Message("Hi.", "webhook:mine:ann/a1/0")
        assert (await platform.send(Place("ann"), message)).refusal == refusal
        assert len(await program.told()) == arrived
        assert (await platform.send(Place("ann"), message)).refusal == ""
        assert len(await program.told()) == 1
    finally:
        await platform.close()


async def test_what_is_wrong_before_the_account_is_asked_is_said_in_json_too(listener: Listener, platform: WebhookPlatform) -> None:
    listener.accounts[platform.account] = platform
    async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
        nobody = await http.post(listener.url("webhook:other"), content=b"{}")
        large = await http.post(listener.url("webhook:mine"), content=b"x" * (2 * 1024 * 1024 + 1))
    assert (nobody.status_code, nobody.json()) == (404, {"error": "There is no such account here."})
    assert (large.status_code, large.json()) == (413, {"error": "A call may bring 2,097,152 bytes."})


async def test_what_can_not_be_kept_just_now_is_said_in_json_too(listener: Listener, platform: WebhookPlatform) -> None:
    class Full(RecordingInbox):
        async def keep(self, incoming: Incoming) -> Accepted | None:
            raise Temporary("There is no room. Free some space.")

    listener.accounts[platform.account] = platform
    body = b'{"chat": "alerts", "text": "Hello"}'
    async with running(platform, Full()), httpx2.AsyncClient(trust_env=False, verify=False) as http:
        refused = await http.post(listener.url(platform.account), content=body, headers=headers(SECRET, "", BEGAN, body))
    assert (refused.status_code, refused.json()) == (503, {"error": "There is no room. Free some space."})


async def test_a_burst_is_taken_in_order(platform: WebhookPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        for number in range(200):
            await post(platform, f"k{number}", text=f"message {number}")
    assert texts(inbox) == [f"message {number}" for number in range(200)]
