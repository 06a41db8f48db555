"""The dialect anthropic: the Messages API, of Anthropic and of those who speak like it.

The request is what https://platform.claude.com/docs says; an answer is complete with `message_stop` after a `stop_reason`, not before. Answers with
thoughts go back exactly as they came, as the API wants it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from holdfast.core.entries import Usage
from holdfast.core.request import Assistant, Request, Result, User
from holdfast.models import Endpoint
from holdfast.models.attached import Said
from holdfast.models.complete import answer, object_text
from holdfast.models.native import Body, Kept, Native, Visible, kept_parts, mended
from holdfast.models.wire import Broken, Connection, name_of_user
from holdfast.ports import Answer, Files

VERSION: Final = "2023-06-01"
ANSWER_TOKENS_MAX: Final = 8192
"""The API wants to be told; models of today may write more, and old ones no more than this."""

_DIALECT: Final = "anthropic/1"
_DROPPING: Final = "thinking-binding-controls-2026-08-01"
_BOUND: Final = "bound to a different conversation"
_CACHED: Final = {"cache_control": {"type": "ephemeral"}}
_PLAIN: Final = {"text", "tool_use"}
_CUT: Final = {"max_tokens", "model_context_window_exceeded"}
_GROWS: Final = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_KNOWN: Final = {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"}


def anthropic(endpoint: Endpoint, files: Files) -> Native:
    """The open route."""
    base_url = endpoint.base_url.rstrip("/").removesuffix("/v1")
    headers = {"anthropic-version": VERSION} | ({"x-api-key": endpoint.api_key} if endpoint.api_key else {})
    return Native(Connection(endpoint, f"{base_url}/v1/messages", headers), files, Messages(endpoint))


class Messages:
    """See `holdfast.models.native.Dialect`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._betas = [value for name, value in endpoint.headers.items() if name.lower() == "anthropic-beta"]
        self._drops = False
        """The provider checks whether anything before a thought has changed (our tools or instructions may), and is told to drop those thoughts."""

    def headers(self, body: Body) -> Mapping[str, str]:
        return {"anthropic-beta": ",".join([*self._betas, _DROPPING])} if "thinking" in body else {}

    def body(self, request: Request, said: Mapping[int, Said]) -> Body:
        body: Body = {
            "model": self._endpoint.model,
            "max_tokens": self._endpoint.limit(request) or ANSWER_TOKENS_MAX,
            "stream": True,
            "messages": self._messages(request, said),
        }
        if request.instructions:
            body["system"] = [{"type": "text", "text": request.instructions, **_CACHED}]
        if request.tools:
            body["tools"] = [{"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in request.tools]
        if user := name_of_user(self._endpoint, request.user):
            body["metadata"] = {"user_id": user}
        if self._drops:
            body["thinking"] = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
        return body

    def gives_way(self, body: Body, refusal: str) -> bool:
        if "thinking" in body or _BOUND not in refusal:
            return False
        self._drops = True
        return True

    def reader(self, visible: Visible) -> MessageReader:
        return MessageReader(visible)

    def _messages(self, request: Request, said: Mapping[int, Said]) -> list[dict[str, Any]]:
        """Results and the user's next words are one message. What the last two of them end with is cached: this call reads what the last one wrote."""
        messages: list[dict[str, Any]] = []
        content: list[dict[str, Any]] = []
        ids: dict[str, str] = {}
        for number, message in enumerate(request.messages):
            match message:
                case User():
                    content += _shown(said[number])
                case Result(call=call, text=text):
                    content.append({"type": "tool_result", "tool_use_id": ids.get(call, call), "content": text})
                case Assistant():
                    blocks = self._blocks(message)
                    used = [block["id"] for block in blocks if block["type"] == "tool_use"]
                    ids = {call.id: id_ for call, id_ in zip(message.calls, used, strict=True)}
                    messages += [{"role": "user", "content": content}, {"role": "assistant", "content": blocks}]
                    content = []
        messages.append({"role": "user", "content": content})
        for message_ in messages[-3::2]:
            message_["content"][-1] |= _CACHED
        return messages

    def _blocks(self, message: Assistant) -> list[dict[str, Any]]:
        """The answer as it came, or as far as it means the same to everybody."""
        if kept := kept_parts(message, self._endpoint.name, _DIALECT, "tool_use"):
            return kept
        text = [{"type": "text", "text": message.text}] if message.text else []
        calls = [
            {"type": "tool_use", "id": call.id, "name": call.tool, "input": msgspec.json.decode(call.arguments)} for call in message.calls
        ]
        return [*text, *calls]


def _shown(said: Said) -> list[dict[str, Any]]:
    pictures = [
        {"type": "image", "source": {"type": "base64", "media_type": picture.media_type, "data": picture.data}} for picture in said.pictures
    ]
    return [{"type": "text", "text": said.text}, *pictures]


class MessageReader:
    """See `holdfast.models.native.Reader`."""

    def __init__(self, visible: Visible) -> None:
        self._visible = visible
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._strange = False
        self._stop = ""
        self._usage: dict[str, int] = {}
        self.begun = False
        self.complete = False

    def take(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "content_block_delta", "index": int(index), "delta": {"type": str(kind)} as delta}:
                self._grow(index, kind, delta)
            case {"type": "content_block_start", "index": int(index), "content_block": {"type": str()} as block}:
                self._start(index, block)
            case {"type": "content_block_stop"}:
                pass
            case {"type": "message_start", "message": dict(message)}:
                self._count(message.get("usage"))
            case {"type": "message_delta", "delta": dict(delta)}:
                self._count(event.get("usage"))
                stop = delta.get("stop_reason")
                if stop is not None and not isinstance(stop, str):
                    raise _strange(event)
                self._stop = stop or self._stop
            case {"type": "message_stop"}:
                self.complete = bool(self._stop)
            case {"type": str(kind)} if kind not in _KNOWN:
                return  # `ping`, and what is to come
            case _:
                raise _strange(event)
        self.begun = True

    def _start(self, index: int, block: dict[str, Any]) -> None:
        if index in self._blocks:
            raise Broken("began the same part of its answer twice")
        match block:
            case {"type": "text"}:
                if self._blocks and self._blocks[max(self._blocks)]["type"] != "text":
                    self._visible.apart()
                self._visible.add(_text(block, "text"))
            case {"type": "tool_use", "id": str(), "name": str(name)} if name:
                pass
            case {"type": "tool_use"}:
                raise Broken("sent a tool call without the tool's name")
        self._blocks[index] = block

    def _grow(self, index: int, kind: str, delta: dict[str, Any]) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise Broken("sent a part of something that it had not begun")
        if kind == "input_json_delta":
            self._inputs[index] = self._inputs.get(index, "") + _text(delta, "partial_json")
        elif field := _GROWS.get(kind):
            piece = _text(delta, field)
            block[field] = _text(block, field) + piece
            if field == "text":
                self._visible.add(piece)
        else:
            self._strange = True  # what it adds is not known, so the block could not go back as it was

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage |= {name: int(count) for name, count in usage.items() if isinstance(count, int) and count}  # `true` is an int too

    def answer(self) -> Answer:
        if self._stop == "refusal":
            raise Broken("refused to answer (stop reason 'refusal')")
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        calls = tuple(self._call(index, block) for index, block in sorted(self._blocks.items()) if block["type"] == "tool_use")
        keeps = not self._strange and any(block["type"] not in _PLAIN for block in blocks)
        parts = [block for block in blocks if block["type"] != "text" or _text(block, "text").strip()]  # the API takes no empty ones back
        usage = Usage(
            input_tokens=sum(self._usage.get(f"{kind}input_tokens", 0) for kind in ("", "cache_creation_", "cache_read_")),
            output_tokens=self._usage.get("output_tokens", 0),
        )
        kept = Kept(_DIALECT, parts).text() if keeps else ""
        return answer(self._visible.whole(), calls, usage, kept, f"stop reason {self._stop!r}", cut=self._stop in _CUT)

    def _call(self, index: int, block: dict[str, Any]) -> tuple[str, str]:
        """The call, its arguments parsed. Some servers send them whole at its beginning."""
        given = self._inputs.get(index) or (msgspec.json.encode(block["input"]).decode() if block.get("input") else "")
        arguments = object_text(block["name"], given, cut=self._stop in _CUT)
        block["input"] = msgspec.json.decode(arguments)
        return block["name"], mended(arguments)


def _text(given: dict[str, Any], field: str) -> str:
    text = given.get(field)
    if text is not None and not isinstance(text, str):
        raise _strange(given)
    return text or ""


def _strange(_: dict[str, Any]) -> Broken:
    return Broken("sent an event that is not part of a message")
