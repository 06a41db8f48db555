from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.ports import ConversationRow
from holdfast.web.words import state


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "idle"),
        ({"running": True, "due": 5.0}, "working"),
        ({"due": 5.0}, "about to go on"),
        ({"due": 10.0, "turn_gate": "route:main"}, "about to go on"),
        ({"turn_gate": "route:a route:b"}, "waiting for route:a or route:b"),
        ({"turn_gate": "route:a", "due": 20.0}, "waiting for route:a"),
        ({"speech_gate": "account:x"}, "waiting to deliver through account:x"),
        ({"due": 20.0}, "waiting until at 20.0"),
    ],
)
def test_a_conversation_is_put_in_a_few_words(facts: dict[str, Any], expected: str) -> None:
    idle = ConversationRow("k", "a", last_seq=1, last_at=1.0, running=False, due=None, turn_gate="", speech_gate="", attempts=0)
    row = replace(idle, **facts)
    assert state(row, 10.0, lambda at: f"at {at}") == expected
