"""How the server of each dialect would say the same thing, event by event: for tests that hold in every dialect.

stream = STREAMS["anthropic"](Say("Hel", "lo"), Use("get_time", '{"tz": ', '"UTC"}'))
b"".join(stream)        # the whole body of the answer; the terminal marker is stream[-1]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast.testing import stub_provider as stub


@dataclass(frozen=True, slots=True)
class Say:
    """A text, in these pieces."""

    pieces: tuple[str, ...]

    def __init__(self, *pieces: str) -> None:
        object.__setattr__(self, "pieces", pieces)


@dataclass(frozen=True, slots=True)
class Think:
    """A thought, which only the provider understands."""

    text: str
    signature: str = "c2lnbmVk"


@dataclass(frozen=True, slots=True)
class Use:
    """A call of a tool, its arguments in these pieces."""

    tool: str
    pieces: tuple[str, ...]

    def __init__(self, tool: str, *pieces: str) -> None:
        object.__setattr__(self, "tool", tool)
        object.__setattr__(self, "pieces", pieces)


Part = Say | Think | Use
Stream = list[bytes]


def named(data: Mapping[str, Any]) -> bytes:
    """A server-sent event with its name, as Anthropic and Responses send it."""
    return f"event: {data.get('type', '')}\ndata: {json.dumps(data)}\n\n".encode()


# --- openai-chat --------------------------------------------------------------------------------------------------------------------


def chat(*parts: Part, stop: str = "", usage: tuple[int, int] = (5, 3)) -> Stream:
    """A chat completion. Usage stands before the end, so that the terminal marker is last."""
    counts = stub.usage(*usage)
    return [stub.event(data) for data in (stub.delta(role="assistant", content=""), *_deltas(parts), counts, stub.finish(stop or "stop"))]


def _deltas(parts: tuple[Part, ...]) -> Iterator[dict[str, Any]]:
    calls = 0
    for part in parts:
        match part:
            case Say(pieces=pieces):
                yield from map(stub.text, pieces)
            case Think(text=text):
                yield stub.delta(reasoning_content=text)
            case Use(tool=tool, pieces=pieces):
                yield stub.call(calls, tool, "")
                yield from (stub.more(calls, piece) for piece in pieces)
                calls += 1


# --- anthropic ----------------------------------------------------------------------------------------------------------------------


def messages(*parts: Part, stop: str = "", usage: tuple[int, int] = (5, 3)) -> Stream:
    """A message of Anthropic's."""
    start: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": None}
    uses = any(isinstance(part, Use) for part in parts)
    ends = {"stop_reason": stop or ("tool_use" if uses else "end_turn"), "stop_sequence": None}
    return [
        named({"type": "message_start", "message": start | {"usage": {"input_tokens": usage[0], "output_tokens": 1}}}),
        named({"type": "ping"}),
        *(named(data) for number, part in enumerate(parts) for data in block(number, part)),
        named({"type": "message_delta", "delta": ends, "usage": {"output_tokens": usage[1]}}),
        named({"type": "message_stop"}),
    ]


def block(index: int, part: Part) -> Iterator[dict[str, Any]]:
    """The events of one block of content."""
    begun, deltas = _block(index, part)
    yield {"type": "content_block_start", "index": index, "content_block": begun}
    for kind, field, text in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: text}}
    yield {"type": "content_block_stop", "index": index}


def _block(index: int, part: Part) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    match part:
        case Say(pieces=pieces):
            return {"type": "text", "text": ""}, [("text_delta", "text", piece) for piece in pieces]
        case Think(text=text, signature=signature):
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            return begun, [("thinking_delta", "thinking", text), ("signature_delta", "signature", signature)]
        case Use(tool=tool, pieces=pieces):
            used: dict[str, Any] = {"type": "tool_use", "id": f"toolu_{index}", "name": tool, "input": {}}
            return used, [("input_json_delta", "partial_json", piece) for piece in ("", *pieces)]


# --- openai-responses ---------------------------------------------------------------------------------------------------------------


def responses(*parts: Part, stop: str = "", usage: tuple[int, int] = (5, 3)) -> Stream:
    """A response of OpenAI's. `stop` is the reason why it is incomplete."""
    response: dict[str, Any] = {"id": "resp_1", "object": "response", "error": None, "incomplete_details": None, "output": []}
    counts = {"input_tokens": usage[0], "output_tokens": usage[1], "total_tokens": sum(usage)}
    items = [item(number, part) for number, part in enumerate(parts)]
    status = "incomplete" if stop else "completed"
    ended = response | {"status": status, "output": items, "usage": counts, "incomplete_details": {"reason": stop} if stop else None}
    return [
        named({"type": "response.created", "response": response | {"status": "in_progress"}}),
        named({"type": "response.in_progress", "response": response | {"status": "in_progress"}}),
        *(named(data) for number, part in enumerate(parts) for data in item_events(number, part)),
        named({"type": f"response.{status}", "response": ended}),
    ]


def item(index: int, part: Part) -> dict[str, Any]:
    """One item of the output, whole."""
    match part:
        case Say(pieces=pieces):
            content = [{"type": "output_text", "annotations": [], "text": "".join(pieces)}]
            return {"type": "message", "id": f"msg_{index}", "role": "assistant", "status": "completed", "content": content}
        case Think(text=text, signature=signature):
            summary = [{"type": "summary_text", "text": text}]
            return {"type": "reasoning", "id": f"rs_{index}", "summary": summary, "encrypted_content": signature}
        case Use(tool=tool, pieces=pieces):
            call = {"call_id": f"call_{index}", "name": tool, "arguments": "".join(pieces)}
            return {"type": "function_call", "id": f"fc_{index}", "status": "completed", **call}


def item_events(index: int, part: Part) -> Iterator[dict[str, Any]]:
    """The events of one item."""
    whole = item(index, part)
    place = {"output_index": index, "item_id": whole["id"]}
    match part:
        case Say(pieces=pieces):
            begun, kind = whole | {"content": [], "status": "in_progress"}, "response.output_text.delta"
        case Think(text=text):
            begun, kind, pieces = whole | {"summary": []}, "response.reasoning_summary_text.delta", (text,)
        case Use(pieces=pieces):
            begun, kind = whole | {"arguments": "", "status": "in_progress"}, "response.function_call_arguments.delta"
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    for piece in pieces:
        yield {"type": kind, **place, "content_index": 0, "delta": piece}
    yield {"type": "response.output_item.done", "output_index": index, "item": whole}


STREAMS: Final[Mapping[str, Callable[..., Stream]]] = {"openai-chat": chat, "openai-responses": responses, "anthropic": messages}
"""By dialect: the events of an answer with these parts."""
