"""Slack's own client against our fake, and our adapter against a Slack server that we did not write."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright._impl._driver import compute_driver_executable
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from holdfast.core.entries import Attachment, Produced
from holdfast.core.incoming import Place
from holdfast.platforms.slack.account import SlackPlatform
from holdfast.ports import Message
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.slack_client import APP_TOKEN, TOKEN, Slack
from holdfast.testing.slack_world import US

NODE_MIN = 22

# --- Slack's client, our server ---------------------------------------------------------------------------------------------------------


async def test_slacks_own_client_is_brought_events_by_our_server_until_it_acknowledges_them(slack: Slack) -> None:
    client = SocketModeClient(APP_TOKEN, web_client=AsyncWebClient(TOKEN, slack.api_url), auto_reconnect_enabled=False)
    heard: list[SocketModeRequest] = []

    async def listen(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        heard.append(request)
        if len(heard) != 1:  # the first is brought again
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    client.socket_mode_request_listeners.append(listen)
    await client.connect()  # type: ignore[no-untyped-call]  # the library says nothing of its types here
    try:
        await slack.write("DANN", "hello")
        await slack.until(lambda: acknowledged(slack, 1))
        await slack.order("slash", chat="DANN", text="status")
        asked = await client.web_client.chat_postMessage(channel="DANN", text="May I?", blocks=BLOCKS)
        await slack.order("press", chat="DANN", ts=asked["ts"], option="yes")
        await slack.until(lambda: acknowledged(slack, 4))  # what it said itself is brought, too
    finally:
        await client.close()  # type: ignore[no-untyped-call]
    assert [request.type for request in heard if request.type != "events_api"] == ["slash_commands", "interactive"]
    first, again, *_ = [request for request in heard if request.type == "events_api"]
    assert (first.envelope_id, first.retry_attempt, again.retry_attempt) == (again.envelope_id, 0, 1)
    assert first.payload["event"]["text"] == "hello"


BLOCKS = [
    {"type": "actions", "elements": [{"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "yes"}, "value": "1"}]}
]


async def acknowledged(slack: Slack, times: int) -> bool:
    return len(await slack.calls("acknowledge")) == times


async def test_slacks_own_client_finds_its_way_on_our_server(slack: Slack) -> None:
    client = AsyncWebClient(TOKEN, slack.api_url)
    assert (await client.auth_test())["user_id"] == US
    for number in range(5):
        await slack.write("DANN", str(number))
    assert [chat["id"] for chat in (await client.users_conversations(types="im"))["channels"]] == ["DANN"]
    pages = [page["messages"] async for page in await client.conversations_history(channel="DANN", limit=2)]
    assert [message["text"] for page in pages for message in page] == ["4", "3", "2", "1", "0"]
    sent = await client.chat_postMessage(channel="DANN", text="hello", metadata={"event_type": "x", "event_payload": {"key": "k"}})
    await client.chat_update(channel="DANN", ts=sent["ts"], text="hello!")
    await client.files_upload_v2(channel="DANN", content="what is in it", filename="a.txt", thread_ts=sent["ts"])
    replies = await client.conversations_replies(channel="DANN", ts=sent["ts"], include_all_metadata=True)
    parent, shared = replies["messages"]
    assert (parent["text"], parent["metadata"]["event_payload"]) == ("hello!", {"key": "k"})
    assert (await client.files_info(file=shared["files"][0]["id"]))["file"]["name"] == "a.txt"
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await client.chat_postMessage(channel="C404", text="hello")
    await slack.fault("limit", "chat.postMessage", value=7)
    with pytest.raises(SlackApiError) as limited:
        await client.chat_postMessage(channel="DANN", text="hello")
    assert limited.value.response.headers["retry-after"] == "7"


# --- our adapter, a server of others ----------------------------------------------------------------------------------------------------

SEED = """
tokens:
  xoxb-ours: {login: holdfast}
  xoxp-ann: {login: ann}
slack:
  team: {name: Fake, domain: fake}
  users:
    - {name: ann, real_name: Ann, email: ann@a.example}
    - {name: holdfast, real_name: Holdfast, email: bot@a.example}
"""


def node() -> str:
    """A Node that is new enough: Debian's may be older than the one that the browser's driver brings."""
    found = shutil.which("node")
    version = subprocess.run((found, "--version"), capture_output=True, text=True, check=True).stdout if found else "v0"
    return found if found and int(version[1:].partition(".")[0]) >= NODE_MIN else compute_driver_executable()[0]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("emulate")
    if program is None:
        pytest.skip("emulate is not installed: `npm install --global emulate@0.12.2`, and this test runs.")
    seed = Path(tmp_path_factory.mktemp("emulate")) / "seed.yaml"
    seed.write_text(SEED)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (node(), str(Path(program).resolve()), "--service", "slack", "--port", str(port), "--seed", str(seed))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://localhost:{port}"  # as it calls itself
    finally:
        process.kill()
        process.wait()


async def ask(address: str, token: str, method: str, **params: Any) -> dict[str, Any]:
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=20) as http:
        answer = await http.post(f"{address}/api/{method}", json=params, headers={"authorization": f"Bearer {token}"})
    said: dict[str, Any] = answer.json()
    assert said["ok"], said
    return said


@pytest.fixture
async def chat(emulated: str) -> str:
    """Ann's chat with us."""
    async with asyncio.timeout(30):
        while True:
            try:
                us = (await ask(emulated, "xoxb-ours", "auth.test"))["user_id"]
                break
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
    return str((await ask(emulated, "xoxp-ann", "conversations.open", users=us))["channel"]["id"])


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def platform(slack: Slack, emulated: str, files: MemoryFiles) -> AsyncIterator[SlackPlatform]:
    settings = slack.settings(base_url=f"{emulated}/api/", token=Secret("env:TOKEN", "xoxb-ours"))
    platform = SlackPlatform("mybot", settings, files, SystemClock())
    yield platform
    await platform.close()


async def shown(address: str, chat: str) -> list[dict[str, Any]]:
    return list(reversed((await ask(address, "xoxp-ann", "conversations.history", channel=chat))["messages"]))


async def test_another_server_shows_what_we_say_once_and_as_we_mean_it(platform: SlackPlatform, emulated: str, chat: str) -> None:
    place, began = Place(chat), time.time()
    first = await platform.send(place, Message("An **ans** …", key="a1/0"))
    assert (first.refusal, bool(first.id)) == ("", True)
    assert (await platform.send(place, Message("An **answer** & more", edit=first.id))).id == first.id
    below = await platform.send(Place(chat, first.id), Message("Below", key="a2/0"))
    asked = await platform.send(place, Message("May I?", question=7, options=("yes", "no")))
    assert await platform.find(place, Message("", key="a1/0"), began) == first.id
    assert await platform.find(Place(chat, first.id), Message("", key="a2/0"), began) == below.id
    assert await platform.find(place, Message("", key="a3/0"), began) is None
    answer, question = await shown(emulated, chat)
    assert (answer["text"], answer["reply_count"], answer["metadata"]["event_payload"]["key"]) == ("An *answer* &amp; more", 1, "a1/0")
    assert [one["value"] for one in question["blocks"][-1]["elements"]] == ["7:yes", "7:no"]
    await platform.send(place, Message("You said yes.", edit=asked.id))
    assert not (await shown(emulated, chat))[-1].get("blocks")


async def test_another_server_takes_our_files_and_gives_us_theirs(
    platform: SlackPlatform, emulated: str, chat: str, files: MemoryFiles
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"what is in it"

    made = Produced(sha256=await files.put(pieces()), name="notes.txt", media_type="text/plain")
    assert (await platform.send(Place(chat), Message("Here you are", key="f1/0", files=(made,)))).refusal == ""
    said, shared = (await shown(emulated, chat))[-2:]
    assert (said["text"], [file["name"] for file in shared["files"]]) == ("Here you are", ["notes.txt"])
    fetched = await platform.fetch(Attachment(id="1", name="notes.txt", source=shared["files"][0]["id"]))
    assert await files.read(fetched) == b"what is in it"


async def test_another_servers_refusals_are_understood(platform: SlackPlatform, chat: str) -> None:
    assert (await platform.send(Place("C404"), Message("hello"))).refusal == "blocked"
    assert (await platform.send(Place(chat), Message("hello", edit="1.1"))).refusal == "gone"
