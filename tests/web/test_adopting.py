"""Conversations that come with their past, through the socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.core.entries import AnyBody, AssistantMessage, Delivered, DeliveryStarted, Entry, UserMessage
from holdfast.core.exported import Head, lines
from holdfast.core.settling import settled

SAID = UserMessage(author="local", id="1", text="Why?")
REST = (SAID, AssistantMessage(n=1, seen=1, text="Rivers."), DeliveryStarted(of="a1", part=0), Delivered(of="a1", part=0))


def body(*bodies: AnyBody, conversation: str = "web:local:salt", **changed: Any) -> bytes:
    entries = [Entry(seq, float(seq), 1, one) for seq, one in enumerate(bodies, 1)]
    fields: dict[str, Any] = {"account": "web:local", "address": "salt", "entries": len(entries)}
    return b"".join(lines(Head(holdfast=1, conversation=conversation, **fields | changed), entries))


async def test_a_conversation_with_its_past_is_taken_once(rig: Any) -> None:
    assert (await rig.client.post("/v1/adopt", content=body(*REST))).json() == {"new": True}
    assert [entry.body for entry in rig.gateway.transcripts["web:local:salt"]] == list(REST)
    assert (await rig.client.post("/v1/adopt", content=body(*REST))).json() == {"new": False}
    assert len(rig.gateway.transcripts["web:local:salt"]) == 4


async def test_it_may_come_in_pieces(rig: Any) -> None:
    async def pieces() -> Any:
        for at in range(0, len(whole), 7):
            yield whole[at : at + 7]

    whole = body(*REST)
    assert (await rig.client.post("/v1/adopt", content=pieces())).json() == {"new": True}
    assert len(rig.gateway.transcripts["web:local:salt"]) == 4


def refused() -> Iterator[tuple[bytes, str]]:
    yield b"", "it can't be read: Input data was truncated"
    yield b"{}", "it can't be read: Object missing required field `holdfast`"
    yield body(SAID), "something in it is still owed"
    yield body(*REST, entries=9), "4 of its 9 entries are here; was the file cut off?"
    yield body(*REST, conversation="web:local:other"), "the address of 'web:local:other' is its name"
    yield body(*REST, conversation="web:local:a:b", address="a:b"), "can't be the name of a conversation"
    yield body(*REST, account="nothing", conversation="nothing:x"), "have to be names of up to 512 printable characters"
    yield body(*REST, address="x\ny"), "have to be names of up to 512 printable characters"
    yield body(*REST[1:]), "its entries do not fit together"


@pytest.mark.parametrize(("sent", "why"), [*refused()])
async def test_what_is_no_whole_conversation_at_rest_is_refused_with_the_reason(rig: Any, sent: bytes, why: str) -> None:
    answer = await rig.client.post("/v1/adopt", content=sent)
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert not rig.gateway.transcripts


async def test_one_that_is_too_large_is_refused_before_it_is_read(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.web.adopting.BYTES_MAX", 100)
    answer = await rig.client.post("/v1/adopt", content=body(*REST))
    assert answer.status_code == 413
    assert not rig.gateway.transcripts


async def test_what_is_brought_to_rest_is_taken(rig: Any) -> None:
    there = settled([Entry(1, 1.0, 0, SAID)], "local", read_here=True)
    assert (await rig.client.post("/v1/adopt", content=body(*(entry.body for entry in there)))).json() == {"new": True}


async def test_no_browser_brings_a_past(site: Any) -> None:
    await site.log_in()
    assert (await site.client.post("/v1/adopt", content=body(*REST), headers=site.own)).status_code == 404


async def test_the_list_goes_on_from_a_place_in_it(rig: Any) -> None:
    for number in range(5):
        rig.gateway.append(f"web:local:c{number}", SAID, at=float(number))
    first = (await rig.client.get("/v1/conversations")).json()
    assert [row["name"] for row in first] == ["c4", "c3", "c2", "c1", "c0"]
    place = {"before": first[2]["key"], "at": first[2]["last_at"]}
    assert [row["name"] for row in (await rig.client.get("/v1/conversations", params=place)).json()] == ["c1", "c0"]
    assert (await rig.client.get("/v1/conversations", params={"before": "x"})).status_code == 400
