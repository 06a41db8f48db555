"""What the page and `holdfast show` say about a conversation at a glance."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.ports import ConversationRow


def state(row: ConversationRow, now: float, when: Callable[[float], str]) -> str:
    """In a few words: what this conversation does, or waits for."""
    if row.running:
        return "working"
    if row.due is not None and row.due <= now:
        return "about to go on"
    if row.turn_gate:
        return "waiting for " + " or ".join(row.turn_gate.split())
    if row.speech_gate:
        return f"waiting to deliver through {row.speech_gate}"
    if row.due is not None:
        return f"waiting until {when(row.due)}"
    return "idle"
