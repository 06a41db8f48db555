"""What came with status 200: an answer, part of one, or an error that pretends to be one. In every dialect, streamed or whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast.models.classify.body import parsed

_STREAM: Final = re.compile(r"\s*+(?:data|event|id|retry|error)?+\s*+:", re.IGNORECASE)
_SPOKEN: Final = re.compile(r"(message|msg)$", re.IGNORECASE)
_BROKEN_JSON: Final = re.compile(r'"(choices|content|output|candidates|delta)"\s*:')


@dataclass(slots=True)
class Reading:
    """What was read. `answer`: it has the shape of an answer. `error`: the JSON of an error that it reports. `ended`: its terminal marker came."""

    answer: bool = False
    stream: bool = False
    ended: bool = False
    produced: bool = False
    finish: str = ""
    text: str = ""
    refusal: str = ""
    error: Any = None
    names: set[str] = field(default_factory=set)
    calls: dict[str, str] = field(default_factory=dict)

    @property
    def calls_broken(self) -> bool:
        """A call's arguments are not a JSON object: half a tool call."""
        return any(arguments.strip() and not isinstance(parsed(arguments), dict) for arguments in self.calls.values())

    @property
    def empty(self) -> bool:
        return not self.text.strip() and not self.calls


def read(body: str, content_type: str) -> Reading | None:
    """The answer, or what there is of one; None if it is nothing of the kind."""
    value = parsed(body)
    reading = Reading()
    if isinstance(value, dict | list):
        for one in value if isinstance(value, list) else [value]:
            _event("", one, reading)
        reading.ended = reading.ended or reading.answer
        return reading
    if "event-stream" in content_type.lower() or _STREAM.match(body):
        reading.stream = reading.answer = True
        for kind, data in _events(body):
            _event(kind, data, reading)
        return reading
    lines = [one for one in map(parsed, body.splitlines()[:5000]) if isinstance(one, dict)]
    if lines:  # one JSON object a line
        reading.stream = True
        for one in lines:
            _event("", one, reading)
        return reading
    if body.lstrip()[:1] == "{" and _BROKEN_JSON.search(body):
        return Reading(answer=True, produced=True)
    return None


def _events(body: str) -> Iterator[tuple[str, Any]]:
    """Kind and JSON of each event. Lines that are JSON without being events count too: gateways write their errors so."""
    kind, data = "", ""
    for line in [*body.splitlines(), ""]:
        name, _, rest = line.partition(":")
        if name == "data":
            data += rest.strip()
        elif name == "event":
            kind = rest.strip()
        elif name.strip() == "error" and rest.strip():
            yield "error", parsed(rest.strip()) or rest.strip()
        elif line.lstrip()[:2] in {'{"', "{ "}:
            yield "", parsed(line)
        if data and (not line.strip() or parsed(data) is not None):
            value = parsed(data)
            yield kind, value if value is not None else data
            data = ""
        if not line.strip():
            kind = ""


def _event(kind: str, event: Any, reading: Reading) -> None:
    if isinstance(event, str):
        if kind == "error":
            reading.error = reading.error or {"message": event}
        return
    if not isinstance(event, dict):
        return
    reading.names.update(str(event[key]) for key in ("id", "model") if isinstance(event.get(key), str))
    if (error := _error(kind, event)) is not None:
        reading.error = reading.error or error
    _chat(event, reading)
    _anthropic(event, reading)
    _responses(event, reading)
    _others(event, reading)


def _error(kind: str, event: dict[str, Any]) -> Any:
    """The error that an event reports; None if it reports none."""
    if event.get("error"):
        return event
    if kind == "error" or event.get("type") == "error" or event.get("object") == "error":
        return event
    response = event.get("response")
    if event.get("type") == "response.failed" and isinstance(response, dict):
        return {"error": response.get("error") or {"message": "failed"}}
    base = event.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in {0, None}:
        return base
    for key in ("data", "Response"):
        inner = event.get(key)
        if isinstance(inner, dict) and (inner.get("error") or inner.get("Error")):
            return inner
    if any(event.get(key) for key in ("choices", "content", "output", "candidates", "message_stop", "delta", "response")):
        return None
    if event.get("success") is False or event.get("errors") or event.get("detail") or event.get("errorMessage"):
        return event
    spoken = any(one and isinstance(one, str) and _SPOKEN.search(key) for key, one in event.items())
    return event if spoken and not event.get("done") and "type" not in event else None


def _chat(event: dict[str, Any], reading: Reading) -> None:
    choices = event.get("choices")
    if not isinstance(choices, list):
        return
    reading.answer = True
    for choice in [one for one in choices[:1] if isinstance(one, dict)]:
        for part in (choice.get("delta"), choice.get("message"), choice):
            if isinstance(part, dict):
                _chat_part(part, reading)
        if isinstance(finish := choice.get("finish_reason"), str) and finish:
            reading.finish, reading.ended = finish, True
        if isinstance(choice.get("error"), dict):
            reading.error = reading.error or choice


def _chat_part(part: dict[str, Any], reading: Reading) -> None:
    _say(reading, _text(part.get("content")) or (part["text"] if isinstance(part.get("text"), str) else ""))
    if isinstance(refusal := part.get("refusal"), str):
        reading.refusal += refusal
    if part.get("reasoning_content") or part.get("reasoning"):
        reading.produced = True
    for at, call in enumerate(part.get("tool_calls") or ()):
        if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
            _call(reading, str(call.get("index", at)), function.get("arguments"))


def _anthropic(event: dict[str, Any], reading: Reading) -> None:
    delta = event.get("delta") if isinstance(event.get("delta"), dict) else {}
    match event.get("type"):
        case "message" if isinstance(event.get("content"), list):
            reading.answer = True
            for block in event["content"]:
                _block(block, reading, len(reading.calls))
            _stop(event.get("stop_reason"), reading)
        case "message_start" | "ping":
            reading.answer = True
            message = event.get("message")
            if isinstance(message, dict):
                reading.names.update(str(message[key]) for key in ("id", "model") if isinstance(message.get(key), str))
        case "content_block_start":
            _block(event.get("content_block"), reading, event.get("index"))
        case "content_block_delta":
            reading.answer = reading.produced = True
            assert isinstance(delta, dict)
            _say(reading, _text(delta.get("text")))
            if isinstance(piece := delta.get("partial_json"), str):
                _call(reading, str(event.get("index")), piece)
        case "message_delta":
            _stop(delta.get("stop_reason") if isinstance(delta, dict) else None, reading)
        case "message_stop":
            reading.answer = reading.ended = True
        case _:
            pass


def _block(block: Any, reading: Reading, index: Any) -> None:
    match block:
        case {"type": "text", "text": str(text)}:
            _say(reading, text)
        case {"type": "tool_use", "input": dict(given)}:
            _call(reading, str(index), json.dumps(given) if given else "")
        case _:
            pass


def _stop(finish: Any, reading: Reading) -> None:
    if isinstance(finish, str):
        reading.finish = finish


def _responses(event: dict[str, Any], reading: Reading) -> None:
    kind, response = event.get("type"), event.get("response")
    match kind:
        case "response.output_text.delta" | "response.refusal.delta" if isinstance(event.get("delta"), str):
            reading.produced = True
            if kind == "response.refusal.delta":
                reading.refusal += event["delta"]
            else:
                _say(reading, event["delta"])
        case "response.completed" | "response.incomplete" if isinstance(response, dict):
            reading.ended = True
            _response(response, reading)
        case str() if kind.startswith("response."):
            reading.answer = True
            reading.produced = reading.produced or ".delta" in kind
        case _ if event.get("object") == "response":
            reading.ended = event.get("status") not in {"in_progress", "queued"}
            _response(event, reading)


def _response(response: dict[str, Any], reading: Reading) -> None:
    reading.answer = True
    for at, item in enumerate(response.get("output") or ()):
        match item:
            case {"type": "message", "content": list(parts)}:
                for part in parts:
                    match part:
                        case {"type": "output_text", "text": str(text)} if text not in reading.text:
                            _say(reading, text)
                        case {"type": "refusal", "refusal": str(text)}:
                            reading.refusal = text
                        case _:
                            pass
            case {"type": "function_call", "arguments": str(arguments)}:
                reading.calls[f"item {at}"] = arguments
            case _:
                pass
    details = response.get("incomplete_details")
    reading.finish = str(details.get("reason") or "") if isinstance(details, dict) else "stop"


def _others(event: dict[str, Any], reading: Reading) -> None:
    """Gemini's and Ollama's own shapes, which gateways let through."""
    candidates, feedback, message = event.get("candidates"), event.get("promptFeedback"), event.get("message")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        reading.answer = reading.ended = True
        reading.finish = "content_filter"
    if isinstance(candidates, list):
        reading.answer = True
        for candidate in [one for one in candidates[:1] if isinstance(one, dict)]:
            content = candidate.get("content")
            _say(reading, _text(content.get("parts")) if isinstance(content, dict) else "")
            if isinstance(finish := candidate.get("finishReason"), str):
                reading.finish, reading.ended = finish, True
    if isinstance(message, dict) and "done" in event:
        reading.answer = True
        _say(reading, _text(message.get("content")))
        for at, call in enumerate(message.get("tool_calls") or ()):
            reading.calls[str(at)] = "{}" if call else ""
        if event["done"] is True:
            reading.ended, reading.finish = True, str(event.get("done_reason") or "stop")


def _say(reading: Reading, text: str) -> None:
    reading.text += text
    reading.produced = reading.produced or bool(text)


def _call(reading: Reading, name: str, arguments: Any) -> None:
    piece = arguments if isinstance(arguments, str) else json.dumps(arguments) if isinstance(arguments, dict) else ""
    reading.calls[name] = reading.calls.get(name, "") + piece
    reading.produced = True


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""
