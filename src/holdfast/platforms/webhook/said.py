"""What was said in a chat, read off its conversation's entries: nothing else knows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.core import chat_words
from holdfast.core.entries import AssistantMessage, DeliveryStarted, Entry, Note, Notice, Question, ToolResult, outgoing_name
from holdfast.platforms.webhook.wire import Said


def said(conversation: str, entries: Iterable[Entry]) -> list[Said]:
    """Each outgoing entry of these that was begun to be sent, in that order: what waits, or was stopped before, was not said."""
    outgoing: dict[str, Said] = {}
    found: list[Said] = []
    for entry in entries:
        match entry.body:
            case AssistantMessage() | Notice() | Question() | Note() | ToolResult():
                name = outgoing_name(entry.seq, entry.body)
                outgoing[name] = _said(f"{conversation}/{name}/0", entry.seq, entry.body)
            case DeliveryStarted(of=name, preview=False) if name in outgoing:
                found.append(outgoing.pop(name))
            case _:
                pass
    return found


def _said(key: str, seq: int, body: AssistantMessage | Notice | Question | Note | ToolResult) -> Said:
    match body:
        case Question(options=options):
            return Said(key, chat_words.asked(seq, body), seq, question=seq, options=options)
        case ToolResult():
            files = tuple(file for file in body.files if not file.whole)
            return Said(key, ", ".join(file.name for file in files), seq, files)
        case AssistantMessage(text=text) | Notice(text=text) | Note(text=text):
            return Said(key, text, seq)
