"""Being called: signed, encrypted or not, and answered with success only once it is durable."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import pytest

from holdfast.errors import Config
from holdfast.platforms.feishu import called as module
from holdfast.platforms.feishu.account import FeishuPlatform
from holdfast.platforms.feishu.called import decrypted
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.feishu_client import ANN, DIRECT, KEY, Feishu
from holdfast.testing.feishu_server import encrypted, signed
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox

CHALLENGE: Final = json.dumps({"challenge": "c-1", "token": "v", "type": "url_verification"}).encode()


@pytest.fixture
def platform(account: Any, files: MemoryFiles) -> FeishuPlatform:
    found = account(files, called=True)
    assert isinstance(found, FeishuPlatform)
    assert found.is_called
    return found


def event(text: str, id_: str = "om_1", kind: str = "im.message.receive_v1") -> bytes:
    message = {"message_id": id_, "chat_id": DIRECT, "chat_type": "p2p", "message_type": "text", "content": json.dumps({"text": text})}
    sender = {"sender_id": {"open_id": ANN}, "sender_type": "user"}
    header = {"event_id": f"e-{id_}", "event_type": kind, "token": "v", "app_id": "cli"}
    return json.dumps({"schema": "2.0", "header": header, "event": {"sender": sender, "message": message}}).encode()


def sealed(body: bytes, key: str = KEY) -> bytes:
    return json.dumps({"encrypt": encrypted(key, body)}).encode()


async def call(platform: FeishuPlatform, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> int:
    return (await platform.hook(method, "", signed(KEY, body) if headers is None else headers, body)).status


async def test_it_says_that_it_is_here_before_it_is_connected(platform: FeishuPlatform) -> None:
    reply = await platform.hook("POST", "", {}, sealed(CHALLENGE))
    assert (reply.status, json.loads(reply.body)) == (200, {"challenge": "c-1"})
    assert await call(platform, sealed(event("too early"))) == 503


@pytest.mark.parametrize("seal", [sealed, bytes], ids=["encrypted", "plain"])
async def test_a_call_is_a_message(platform: FeishuPlatform, seal: Any) -> None:
    inbox, body = RecordingInbox(), seal(event("Hello"))
    async with running(platform, inbox):
        for _ in range(2):
            reply = await platform.hook("POST", "", signed(KEY, body), body)
            assert (reply.status, reply.body) == (200, b"{}")
    assert texts(inbox) == ["Hello"] * 2, "the inbox knows it by its id"
    assert len({one.id for one in inbox.messages}) == 1


async def test_what_feishu_did_not_send_is_turned_away(platform: FeishuPlatform) -> None:
    good = sealed(event("Hello"))
    signature = signed(KEY, good)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        assert await call(platform, good, {}) == 403
        assert await call(platform, good, signature | {"x-lark-signature": "0" * 64}) == 403
        assert await call(platform, good, signature | {"x-lark-signature": "ünsigned"}) == 403
        assert await call(platform, good, signature | {"x-lark-request-nonce": "other"}) == 403
        assert await call(platform, good + b" ", signature) == 403
        assert await call(platform, strange := sealed(event("Hello"), "another key"), signed("another key", strange)) == 403
        assert await call(platform, sealed(CHALLENGE, "another key"), {}) == 403
        assert await call(platform, CHALLENGE, {}) == 403
        for junk in (b"", b"[]", b"\xff", b'{"encrypt": "!"}', b'{"encrypt": "AAAA"}', b'{"encrypt": 5}'):
            assert await call(platform, junk) == 403
        assert await call(platform, good, signature, "GET") == 405
    assert not inbox.events


async def test_success_is_said_only_once_it_is_durable(platform: FeishuPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """LEDGER H-05: whoever dies before the commit is told again."""
    monkeypatch.setattr(module, "ANSWER_S_MAX", 0.3)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await until_it_takes(platform)
        inbox.free.clear()
        waiting = asyncio.create_task(call(platform, sealed(event("Hello"))))
        assert await asyncio.wait_for(waiting, 20) == 503
        inbox.free.set()
        assert await call(platform, sealed(event("Hello"))) == 200
    assert set(texts(inbox)) == {"first", "Hello"}


async def until_it_takes(platform: FeishuPlatform) -> None:
    async with asyncio.timeout(20):
        while await call(platform, sealed(event("first", "om_0"))) != 200:
            pass


async def test_what_is_nothing_to_us_is_answered_with_success(platform: FeishuPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        assert await call(platform, sealed(event("read", kind="im.message.message_read_v1"))) == 200
    assert not inbox.events


async def test_a_secret_that_is_no_longer_right_stops_the_account(
    platform: FeishuPlatform, feishu: Feishu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    async with running(platform, RecordingInbox()) as receiving:
        await feishu.order("set_app", revoked=1)
        with pytest.raises(Config, match="app secret invalid"):
            await asyncio.wait_for(receiving, 20)


def test_what_was_not_encrypted_as_feishu_does_is_told_from_what_was() -> None:
    assert decrypted(KEY, encrypted(KEY, b"Hello")) == b"Hello"
    for wrong in ("", "AAAA", encrypted(KEY, b"Hello")[:-4], "not base64!"):
        with pytest.raises(ValueError, match=r"."):
            decrypted(KEY, wrong)
