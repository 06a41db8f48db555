from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from holdfast.core.entries import AssistantMessage, Attachment, Choice, Command, UserMessage
from holdfast.core.weather import GateRow
from holdfast.errors import JournalFull
from holdfast.ports import Access, Offer, OfferedTool, Person, PlatformState, ToolServerState
from holdfast.web.api import BODY_BYTES_MAX, ENTRIES_AT_ONCE_MAX, ROWS_MAX
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


async def test_files_go_with_a_message_as_what_they_are(rig: Any) -> None:
    sent = [await _upload(rig, b"\x89PNG\r\n\x1a\n...", "a.png"), await _upload(rig, b"words", "words.png")]
    attachments = [
        {"sha256": sent[0], "name": "../../a.png", "media_type": "text/html"},
        {"sha256": sent[1], "name": "\u202ewo\nrds.png", "media_type": "image/png"},
    ]
    response = await rig.client.post(MESSAGES, json={"key": "k1", "text": "", "attachments": attachments})
    assert response.status_code == 200
    (entry,) = rig.gateway.transcripts[KEY]
    assert entry.body.text == ""
    assert entry.body.attachments == (
        Attachment(id="k1/0", name="a.png", media_type="image/png", source=sent[0]),
        Attachment(id="k1/1", name="wo rds.png", media_type="text/plain", source=sent[1]),
    )


async def _upload(rig: Any, data: bytes, name: str) -> str:
    response = await rig.client.post("/v1/files", params={"name": name}, content=data)
    assert response.status_code == 200
    return str(response.json()["sha256"])


@pytest.mark.parametrize(
    ("text", "files", "because"),
    [
        ("Look", [{"sha256": "0" * 64, "name": "a.png"}], "a.png is not here"),
        ("Look", [{"sha256": "../login.key", "name": "a.png"}], "a.png is not here"),
        ("Look", [{"sha256": "0" * 64, "name": "a"}] * 11, "at most 10 files"),
        ("/stop", [{"sha256": "0" * 64, "name": "a"}], "A command takes no files"),
        ("", [], "empty"),
    ],
)
async def test_files_that_cannot_go_with_a_message_are_refused_with_a_sentence(rig: Any, text: str, files: Any, because: str) -> None:
    response = await rig.client.post(MESSAGES, json={"key": "k1", "text": text, "attachments": files})
    assert response.status_code == 400
    assert because in response.json()["error"]
    assert rig.gateway.transcripts == {}


def _offer(name: str) -> Offer:
    return Offer(
        ToolServerState(name, "down", 12.0, "it ended", tools=1), (OfferedTool(f"{name}__read", "read", "Reads.", "ask", repeatable=True),)
    )


async def test_tool_servers_are_listed_with_their_tools_and_started_by_name(rig: Any) -> None:
    rig.gateway.offers = (_offer("mail"), _offer("my.files"))
    first, _ = (await rig.client.get("/v1/tools")).json()
    assert (first["server"]["name"], first["server"]["state"], first["server"]["why"]) == ("mail", "down", "it ended")
    assert first["tools"] == [
        {"name": "mail__read", "own_name": "read", "about": "Reads.", "policy": "ask", "repeatable": True, "left_out": False}
    ]
    assert (await rig.client.post("/v1/tools/my.files/retry")).status_code == 200
    assert rig.gateway.retried == ["my.files"]
    refused = await rig.client.post("/v1/tools/m%20ail/retry")
    assert (refused.status_code, refused.json()["error"]) == (404, "There is no tool server 'm ail'. `GET /v1/tools` names them.")


async def test_accounts_are_listed_and_connected_by_name(rig: Any) -> None:
    rig.gateway.platform_states = (PlatformState("telegram", "telegram:mybot", "stopped", 12.0, why="the token is unknown", unsaid=2),)
    (state,) = (await rig.client.get("/v1/platforms")).json()
    assert (state["name"], state["state"], state["why"], state["unsaid"]) == ("telegram:mybot", "stopped", "the token is unknown", 2)
    assert (await rig.client.post("/v1/platforms/telegram:mybot/retry")).status_code == 200
    assert rig.gateway.retried == ["telegram:mybot"]
    refused = await rig.client.post("/v1/platforms/telegram:other/retry")
    assert (refused.status_code, refused.json()["error"]) == (404, "There is no account 'telegram:other'. `GET /v1/platforms` names them.")


async def test_people_are_listed_let_in_by_their_code_and_removed(rig: Any) -> None:
    ann = Person("matrix:home", "@ann/x:example.org", "Ann", "!room", "AB23CD45", 3600.0)
    rig.gateway.access = (Access("matrix:home", ("@me:example.org",), (), (), pairing=True, people=(ann,)),)
    (access,) = (await rig.client.get("/v1/people")).json()
    assert (access["account"], access["owners"], access["people"][0]["code"]) == ("matrix:home", ["@me:example.org"], "AB23CD45")
    assert (await rig.client.post("/v1/people/approve", json={"code": "WRONG"})).status_code == 400
    approved = (await rig.client.post("/v1/people/approve", json={"code": "AB23CD45"})).json()
    assert approved["id"] == ann.id and approved["since"] > 0
    path = f"/v1/people/matrix:home/{quote(ann.id, safe='')}"
    assert (await rig.client.delete(path)).status_code == 200
    assert rig.gateway.access[0].people == ()
    assert (await rig.client.delete(path)).status_code == 400


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


async def test_a_conversation_is_read_backwards_from_its_end(rig: Any) -> None:
    for number in range(1, 6):
        rig.gateway.append(KEY, AssistantMessage(n=number, seen=0, text="x"))
    end = (await rig.client.get(f"/v1/conversations/{KEY}/entries?before={10**15}&most=2")).json()
    assert ([entry["seq"] for entry in end["entries"]], end["more"]) == ([4, 5], True)
    rest = (await rig.client.get(f"/v1/conversations/{KEY}/entries?before=4&most=3")).json()
    assert ([entry["seq"] for entry in rest["entries"]], rest["more"]) == ([1, 2, 3], False)
    assert (await rig.client.get(f"/v1/conversations/{KEY}/entries?before=1&most=3")).json() == {"entries": [], "more": False}


async def test_nobody_reads_more_at_once_than_the_limit(rig: Any) -> None:
    for number in range(ENTRIES_AT_ONCE_MAX + 1):
        rig.gateway.append(KEY, AssistantMessage(n=number, seen=0, text="x"))
    for query in ("most=100000", f"most=100000&before={10**15}"):
        assert len((await rig.client.get(f"/v1/conversations/{KEY}/entries?{query}")).json()["entries"]) == ENTRIES_AT_ONCE_MAX


async def test_a_conversation_that_does_not_exist_is_not_found(rig: Any) -> None:
    response = await rig.client.get("/v1/conversations/web:local:nowhere/entries")
    assert response.status_code == 404
    assert "holdfast show" in response.json()["error"]


async def test_a_conversation_that_is_about_to_begin_has_no_last_entries(rig: Any) -> None:
    response = await rig.client.get("/v1/conversations/web:local:new/entries?before=10")
    assert (response.status_code, response.json()) == (200, {"entries": [], "more": False})


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


async def test_a_listed_conversation_says_how_it_stands(rig: Any) -> None:
    rig.gateway.append(KEY, UserMessage(author="local", id="1", text="What is for dinner?"), at=5.0)
    gate = GateRow("route:main", until=2e12, streak=3, since=1.0, why="connection refused")
    rig.gateway.stand(KEY, gate, turn_gate="route:main")
    (row,) = (await rig.client.get("/v1/conversations")).json()
    assert {name: row[name] for name in ("name", "key", "title", "last_at", "last_seq", "state", "until", "excerpt")} == {
        "name": "kitchen",
        "key": KEY,
        "title": "What is for dinner?",
        "last_at": 5.0,
        "last_seq": 1,
        "state": "waiting",
        "until": 2e12,
        "excerpt": "",
    }
    assert row["words"].startswith("Waiting for main, which has been away for 30 days (connection refused).")


async def test_the_list_is_never_longer_than_its_limit(rig: Any) -> None:
    for number in range(ROWS_MAX + 1):
        rig.gateway.append(f"web:local:{number}", AssistantMessage(n=1, seen=0, text="x"))
    assert len((await rig.client.get("/v1/conversations")).json()) == ROWS_MAX


async def test_a_search_shows_what_it_found(rig: Any) -> None:
    rig.gateway.append(KEY, UserMessage(author="local", id="1", text="Bread, please"))
    rig.gateway.append("web:local:cellar", UserMessage(author="local", id="1", text="Wine"))
    found = (await rig.client.get("/v1/conversations", params={"search": " bread "})).json()
    assert [(row["name"], row["excerpt"]) for row in found] == [("kitchen", "Bread, please")]
    assert (await rig.client.get("/v1/conversations", params={"search": "x" * 201})).status_code == 400


async def test_status_is_what_the_gateway_says(rig: Any) -> None:
    rig.gateway.state = {"version": "1", "gates": [{"name": "route:main", "state": "open"}]}
    assert (await rig.client.get("/v1/status")).json() == {**rig.gateway.state, "demo": {"pid": 1}}


async def test_a_gate_is_retried_by_name(rig: Any) -> None:
    rig.gateway.gates = {"route:main"}
    assert (await rig.client.post("/v1/gates/route:main/retry")).status_code == 200
    response = await rig.client.post("/v1/gates/route:other/retry")
    assert response.status_code == 404
    assert "route:other" in response.json()["error"]


async def test_the_demo_breaks_what_it_is_told(rig: Any) -> None:
    assert (await rig.client.post("/v1/demo/kill-tool")).status_code == 200
    assert rig.demo.broken == ["kill-tool"]
    response = await rig.client.post("/v1/demo/kill-everybody")
    assert (response.status_code, response.json()["error"]) == (400, "'kill-everybody' is not in the demo.")


async def test_an_unknown_path_is_refused_in_json(rig: Any) -> None:
    response = await rig.client.get("/v2/anything")
    assert response.status_code == 404
    assert response.json() == {"error": "Not Found"}
