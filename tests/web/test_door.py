from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from holdfast.core.entries import AssistantMessage, Choice, Command, UserMessage
from holdfast.errors import JournalFull
from holdfast.runtime.clock import SystemClock
from holdfast.testing.fake_gateway import FakeGateway
from holdfast.web.door import BODY_BYTES_MAX, ENTRIES_AT_ONCE_MAX, is_loopback, page_only
from holdfast.web.wire import MESSAGE_BYTES_MAX

MESSAGES = "/v1/conversations/kitchen/messages"
KEY = "web:local:kitchen"


async def _send(rig: Any, text: str, key: str = "k1", path: str = MESSAGES) -> httpx2.Response:
    response: httpx2.Response = await rig.client.post(path, json={"key": key, "text": text})
    return response


async def test_a_message_is_saved_before_it_is_acknowledged(rig: Any) -> None:
    response = await _send(rig, "Hello")
    assert response.status_code == 200
    assert response.json() == {"seq": 1, "new": True, "saved": True}
    (entry,) = rig.gateway.transcripts[KEY]
    assert entry.body == UserMessage(author="local", id="k1", text="Hello")


async def test_the_same_key_sent_again_is_the_same_message(rig: Any) -> None:
    await _send(rig, "Hello", "k1")
    await _send(rig, "And?", "k2")
    again = await _send(rig, "Hello", "k1")
    assert again.json() == {"seq": 1, "new": False, "saved": True}
    assert len(rig.gateway.transcripts[KEY]) == 2


async def test_the_same_key_in_another_conversation_is_another_message(rig: Any) -> None:
    await _send(rig, "Hello")
    other = await _send(rig, "Hello", path="/v1/conversations/cellar/messages")
    assert other.json()["new"] is True


async def test_commands_and_choices_are_told_from_messages(rig: Any) -> None:
    await _send(rig, "/stop now", "k1")
    await _send(rig, "/choose 41 go on", "k2")
    await _send(rig, "//stop", "k3")
    assert [entry.body for entry in rig.gateway.transcripts[KEY]] == [
        Command(author="local", id="k1", name="stop", args="now"),
        Choice(author="local", id="k2", question=41, option="go on"),
        UserMessage(author="local", id="k3", text="/stop"),
    ]


async def test_a_journal_that_cannot_commit_acknowledges_nothing(rig: Any) -> None:
    rig.gateway.refusal = JournalFull("The disk is full. Free some space.")
    response = await _send(rig, "Hello")
    assert response.status_code == 503
    assert response.json() == {"error": "The disk is full. Free some space."}


@pytest.mark.parametrize("text", ["x" * (MESSAGE_BYTES_MAX + 1), "é" * (MESSAGE_BYTES_MAX // 2 + 1), "x" * BODY_BYTES_MAX])
async def test_a_message_over_the_limit_is_refused_with_a_sentence(rig: Any, text: str) -> None:
    response = await _send(rig, text)
    assert response.status_code == 413
    assert "65,536 bytes" in response.json()["error"]
    assert rig.gateway.transcripts == {}


async def test_a_message_at_the_limit_is_taken_even_if_json_writes_it_long(rig: Any) -> None:
    assert (await _send(rig, "\x00" * MESSAGE_BYTES_MAX)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        '{"key": "k"}',
        '{"key": "", "text": "x"}',
        '{"key": "k\\n", "text": "x"}',
        '{"key": "k", "text": " \\n"}',
        json.dumps({"key": "k" * 129, "text": "x"}),
        b'{"key": "k", "text": "\xff"}',
        '{"key": "k", "text": "\\ud800"}',
    ],
)
async def test_what_is_no_message_is_refused_with_a_sentence(rig: Any, body: str | bytes) -> None:
    response = await rig.client.post(MESSAGES, content=body)
    assert response.status_code == 400
    assert response.json()["error"].endswith(".")
    assert rig.gateway.transcripts == {}


@pytest.mark.parametrize("name", ["a:b", "%20a", "%00", "%1b[2J", "x" * 65, "a%0Ab"])
async def test_a_name_that_could_be_mistaken_is_refused(rig: Any, name: str) -> None:
    response = await _send(rig, "Hello", path=f"/v1/conversations/{name}/messages")
    assert response.status_code == 400
    assert "can't be the name of a conversation" in response.json()["error"]


async def test_a_name_with_a_slash_leads_nowhere(rig: Any) -> None:
    assert (await _send(rig, "Hello", path="/v1/conversations/a%2Fb/messages")).status_code == 404


async def test_a_name_may_be_of_any_script(rig: Any) -> None:
    assert (await _send(rig, "Hello", path="/v1/conversations/Küche 台所/messages")).status_code == 200
    assert list(rig.gateway.transcripts) == ["web:local:Küche 台所"]


async def test_entries_are_read_after_a_seq(rig: Any) -> None:
    for number in range(3):
        await _send(rig, f"message {number}", f"k{number}")
    page = (await rig.client.get(f"/v1/conversations/{KEY}/entries?after=1")).json()
    assert [entry["seq"] for entry in page["entries"]] == [2, 3]
    assert page["more"] is False
    assert page["entries"][0]["body"] == {"kind": "user/1", "author": "local", "id": "k1", "text": "message 1"}


async def test_a_long_conversation_comes_in_pages(rig: Any) -> None:
    for number in range(ENTRIES_AT_ONCE_MAX + 1):
        rig.gateway.append(KEY, AssistantMessage(n=number, seen=0, text="x"))
    page = (await rig.client.get(f"/v1/conversations/{KEY}/entries")).json()
    assert (len(page["entries"]), page["more"]) == (ENTRIES_AT_ONCE_MAX, True)
    page = (await rig.client.get(f"/v1/conversations/{KEY}/entries?after={ENTRIES_AT_ONCE_MAX}")).json()
    assert (len(page["entries"]), page["more"]) == (1, False)
    page = (await rig.client.get(f"/v1/conversations/{KEY}/entries?after={ENTRIES_AT_ONCE_MAX + 1}")).json()
    assert page == {"entries": [], "more": False}


async def test_a_conversation_that_does_not_exist_is_not_found(rig: Any) -> None:
    response = await rig.client.get("/v1/conversations/web:local:nowhere/entries")
    assert response.status_code == 404
    assert "holdfast show" in response.json()["error"]


@pytest.mark.parametrize("after", ["x", "-1", "1" * 19, "²"])
async def test_a_seq_that_is_none_is_refused(rig: Any, after: str) -> None:
    assert (await rig.client.get(f"/v1/conversations/{KEY}/entries", params={"after": after})).status_code == 400


async def test_keys_of_other_platforms_may_hold_slashes(rig: Any) -> None:
    rig.gateway.append("xmpp:a:room@x/nick", AssistantMessage(n=1, seen=0, text="x"))
    assert (await rig.client.get("/v1/conversations/xmpp:a:room@x%2Fnick/entries")).status_code == 200


async def test_conversations_are_listed_with_the_latest_first(rig: Any) -> None:
    rig.gateway.append("web:local:old", AssistantMessage(n=1, seen=0, text="x"), at=1.0)
    rig.gateway.append("web:local:new", AssistantMessage(n=1, seen=0, text="x"), at=2.0)
    assert [row["key"] for row in (await rig.client.get("/v1/conversations")).json()] == ["web:local:new", "web:local:old"]


async def test_status_is_what_the_gateway_says(rig: Any) -> None:
    rig.gateway.state = {"version": "1", "gates": [{"name": "route:main", "state": "open"}]}
    assert (await rig.client.get("/v1/status")).json() == rig.gateway.state


async def test_a_gate_is_retried_by_name(rig: Any) -> None:
    rig.gateway.gates = {"route:main"}
    assert (await rig.client.post("/v1/gates/route:main/retry")).status_code == 200
    response = await rig.client.post("/v1/gates/route:other/retry")
    assert response.status_code == 404
    assert "route:other" in response.json()["error"]


async def test_an_unknown_path_is_refused_in_json(rig: Any) -> None:
    response = await rig.client.get("/v2/anything")
    assert response.status_code == 404
    assert response.json() == {"error": "Not Found"}


# --- the page on its port -------------------------------------------------------------------------------------------------------------


def _page_client(gateway: FakeGateway) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(page_only(gateway, SystemClock())), base_url="http://127.0.0.1:8420")


async def test_the_port_has_the_page_and_nothing_else() -> None:
    async with _page_client(FakeGateway()) as client:
        page = await client.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/v1/conversations")).status_code == 404
        assert (await client.get("/v1/status")).status_code == 404
        assert (await client.post(MESSAGES, json={"key": "k", "text": "x"})).status_code == 404
        assert (await client.post("/")).status_code == 405


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8420", "127.0.0.1:8420", "127.0.0.2", "[::1]:8420", "[::1]"])
async def test_the_page_answers_to_its_own_names(host: str) -> None:
    async with _page_client(FakeGateway()) as client:
        assert (await client.get("/", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8420", "192.168.0.2", "[::2]", "0.0.0.0", ""]
)
async def test_the_page_does_not_answer_to_foreign_names(host: str) -> None:
    gateway = FakeGateway()
    gateway.append("web:local:secret plan", AssistantMessage(n=1, seen=0, text="x"))
    async with _page_client(gateway) as client:
        response = await client.get("/", headers={"host": host})
        assert response.status_code == 421
        assert "secret plan" not in response.text
        assert "content-security-policy" in response.headers


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("example", False), ("", False)],
)
def test_loopback_is_known_by_name_or_address(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
