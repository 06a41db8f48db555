"""The Events API: what Slack's calls to us are worth, and what they bring. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from slack_sdk.signature import Clock, SignatureVerifier

from holdfast import ports
from holdfast.platforms.slack.receiving import Delivery
from holdfast.ports import HookReply

TIME: Final = "x-slack-request-timestamp"
SIGNATURE: Final = "x-slack-signature"


class _Clock(Clock):
    """Ours, as the library asks for it."""

    def __init__(self, clock: ports.Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()


class Calls:
    """Those that are signed with this secret, within five minutes."""

    def __init__(self, signing_secret: str, clock: ports.Clock) -> None:
        self._verifier = SignatureVerifier(signing_secret, _Clock(clock))

    def read(self, method: str, headers: Mapping[str, str], body: bytes) -> Delivery | HookReply:
        """What a call brings; or the answer to one that brings nothing."""
        if not self._is_slacks(headers, body):
            return HookReply(HTTPStatus.FORBIDDEN)
        if method != "POST":
            return HookReply(HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
            return _form(body.decode()) if is_form else _event(json.loads(body))
        except ValueError:
            return HookReply(HTTPStatus.BAD_REQUEST)

    def _is_slacks(self, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            return bool(self._verifier.is_valid(body, headers.get(TIME), headers.get(SIGNATURE)))
        except (TypeError, ValueError):  # a time that is none, a signature or a body that is no text
            return False


def _event(said: Any) -> Delivery | HookReply:
    match said:
        case {"type": "url_verification", "challenge": str(challenge)}:
            return HookReply(body=challenge.encode())
        case {"type": "event_callback"}:
            return Delivery("events_api", said)
        case _:
            return HookReply()  # nothing that we asked for


def _form(body: str) -> Delivery:
    """A button that was pressed is JSON in a form; a command is the form."""
    fields = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
    if "payload" not in fields:
        return Delivery("slash_commands", fields)
    payload = json.loads(fields["payload"])
    if not isinstance(payload, dict):
        raise ValueError("what was pressed is no object")  # noqa: TRY004 - as for any other body
    return Delivery("interactive", payload)
