from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.platforms.slack.calls import Calls
from holdfast.platforms.slack.receiving import Delivery
from holdfast.ports import HookReply
from holdfast.testing.clock import ManualClock
from holdfast.testing.slack_world import signed

SECRET = "shhh"
NOW = 1_700_000_000.0
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def calls() -> Calls:
    return Calls(SECRET, ManualClock(NOW))


def said(body: Any, **more: Any) -> tuple[dict[str, str], bytes]:
    content = json.dumps(body).encode()
    return {"content-type": "application/json", **signed(SECRET, content, more.get("at", NOW))}, content


def status(answer: Delivery | HookReply) -> int:
    assert isinstance(answer, HookReply)
    return answer.status


def test_an_event_is_brought(calls: Calls) -> None:
    event = {"type": "event_callback", "event": {"type": "message"}}
    assert calls.read("POST", *said(event)) == Delivery("events_api", event)


def test_slack_may_ask_whether_we_are_here(calls: Calls) -> None:
    assert calls.read("POST", *said({"type": "url_verification", "challenge": "3eZbr"})) == HookReply(body=b"3eZbr")


def test_buttons_and_commands_come_as_forms(calls: Calls) -> None:
    press = urlencode({"payload": '{"type":"block_actions"}'}).encode()
    assert calls.read("POST", {**FORM, **signed(SECRET, press, NOW)}, press) == Delivery("interactive", {"type": "block_actions"})
    slash = urlencode({"command": "/holdfast", "text": ""}).encode()
    assert calls.read("POST", {**FORM, **signed(SECRET, slash, NOW)}, slash) == Delivery(
        "slash_commands", {"command": "/holdfast", "text": ""}
    )


def test_anything_else_that_is_signed_is_taken_and_dropped(calls: Calls) -> None:
    assert calls.read("POST", *said({"type": "app_rate_limited"})) == HookReply()
    assert calls.read("POST", *said([1])) == HookReply()


def test_only_what_slack_signed_within_five_minutes_is_looked_at(calls: Calls) -> None:
    headers, body = said({"type": "event_callback"})
    wrong: list[dict[str, str]] = [
        {},
        headers | {"x-slack-signature": "v0=" + "0" * 64},
        headers | {"x-slack-signature": "v0=é"},
        headers | {"x-slack-request-timestamp": "now"},
        headers | {"x-slack-request-timestamp": str(int(NOW) + 1)},
        {k: v for k, v in headers.items() if k != "x-slack-signature"},
        said({"type": "event_callback"}, at=NOW - 301)[0],
        said({"type": "event_callback"}, at=NOW + 301)[0],
    ]
    assert {status(calls.read("POST", one, body)) for one in wrong} == {HTTPStatus.FORBIDDEN}
    assert status(calls.read("POST", headers, body + b" ")) == HTTPStatus.FORBIDDEN
    assert isinstance(calls.read("POST", *said({"type": "event_callback"}, at=NOW - 299)), Delivery)


def test_what_is_signed_and_makes_no_sense_is_said_to_be_bad(calls: Calls) -> None:
    assert status(calls.read("GET", *said({}))) == HTTPStatus.METHOD_NOT_ALLOWED
    for body, kind in ((b"{", {}), (b"payload=%5B%5D", FORM), (b"payload=x", FORM)):
        assert status(calls.read("POST", {**kind, **signed(SECRET, body, NOW)}, body)) == HTTPStatus.BAD_REQUEST


@given(st.binary(max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_sent_nothing_breaks(body: bytes, stamp: str, signature: str) -> None:
    answer = Calls(SECRET, ManualClock(NOW)).read("POST", {"x-slack-request-timestamp": stamp, "x-slack-signature": signature}, body)
    assert status(answer) == HTTPStatus.FORBIDDEN
