"""A client that we did not write takes the fake server for Feishu, and its frames, cards, keys, signatures and encryption for Feishu's."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.feishu_client import ANN, APP, DIRECT, KEY, SECRET, Feishu
from holdfast.testing.feishu_server import encrypted, signed

PROGRAM = Path(__file__).with_name("official_client.py")
WITHIN_S = 60.0
LONG = "a long message. " * 500


def a_call(text: str) -> dict[str, Any]:
    """As the server makes it."""
    message = {"message_id": "om_1", "chat_id": "oc_1", "chat_type": "p2p", "message_type": "text", "content": json.dumps({"text": text})}
    header = {"event_id": "1", "event_type": "im.message.receive_v1", "token": "v"}
    event = {"schema": "2.0", "header": header, "event": {"message": message, "sender": {}}}
    body = json.dumps({"encrypt": encrypted(KEY, json.dumps(event).encode())}).encode()
    names = {"x-lark-request-timestamp": "X-Lark-Request-Timestamp", "x-lark-request-nonce": "X-Lark-Request-Nonce"}
    headers = {names.get(name, "X-Lark-Signature"): value for name, value in signed(KEY, body).items() if name.startswith("x-lark")}
    return {"body": body.decode(), "headers": headers}


@pytest.fixture
async def official(feishu: Feishu) -> AsyncIterator[asyncio.subprocess.Process]:
    words = (str(PROGRAM), feishu.base_url, APP, SECRET, KEY)
    piped = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "ignore", *words, stdin=piped, stdout=piped)
    yield process
    process.kill()
    await process.communicate()


async def told(process: asyncio.subprocess.Process, kind: str) -> list[Any]:
    """What it said of this kind next. (It logs there, too.)"""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        while line := await process.stdout.readline():
            if line.startswith(b"[") and line.rstrip().endswith(b"]") and line.startswith(f'["{kind}"'.encode()):
                _, *said = json.loads(line)
                return list(said)
    raise AssertionError("it ended")


async def test_the_official_client_works_with_the_fake_server(feishu: Feishu, official: asyncio.subprocess.Process) -> None:
    assert official.stdin is not None
    official.stdin.write(json.dumps(a_call("sealed")).encode())
    official.stdin.close()
    assert await told(official, "called") == ["sealed"]
    assert await told(official, "answered") == [200]
    await feishu.write(DIRECT, "ping")
    assert await told(official, "received") == ["ping", ANN, "p2p"]
    assert await told(official, "said") == ["app", True]
    assert await told(official, "same") == [True]
    (pong,) = [one for one in await feishu.shown() if one.kind == "interactive"]
    assert pong.texts == ("pong", "pong!")

    async def answered() -> bool:
        return bool(await feishu.order("unanswered") == 0)

    await feishu.until(answered)
    await feishu.order("split", pieces=3)
    press = await feishu.order("press", message=pong.id, option="yes")
    assert await told(official, "pressed") == [{"a": 1}, ANN]

    async def toasted() -> bool:
        return "so be it" in await feishu.order("answers", event=press)

    await feishu.until(toasted)
    await feishu.write(DIRECT, LONG)
    assert (await told(official, "received"))[0] == LONG
