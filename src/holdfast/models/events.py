"""The events of one answer on their way from the wire to the library: checked, noted, and without what is not for the user.

No library rejects a stream that was cut off (PROVIDERS.md section 1), and servers differ in what they send. So only events of one strict shape
go on, and the answer is complete when its `finish_reason` came, not before.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

import msgspec
from openai.types.chat import ChatCompletionChunk
from pydantic import ValidationError

from holdfast.core.entries import Usage
from holdfast.models.visible import Shown, ThinkFilter
from holdfast.models.wire import YIELD_AFTER_S, Broken, Exchange, now

_FINISHES: Final = {"stop", "length", "tool_calls", "content_filter", "function_call"}
_NOT_OURS: Final = {"role", "function_call", "audio"}


class Events:
    """What the library reads in place of the SDK's stream. What it notes on the way: how the answer finished, its calls and usage."""

    def __init__(self, exchange: Exchange, shown: Shown) -> None:
        self._exchange = exchange
        self._events = exchange.events()
        self._shown = shown
        self._think = ThinkFilter()
        self._slots: dict[int, tuple[int, str]] = {}
        self._worked_since = now()
        self.finish = ""
        self.calls = 0
        self.usage = Usage()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._events.aclose()
        await self._exchange.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        if now() - self._worked_since > YIELD_AFTER_S:
            await asyncio.sleep(0)
            self._worked_since = now()
        event = await anext(self._events)
        try:
            return ChatCompletionChunk.model_validate(self._strict(event))
        except (ValidationError, AttributeError, KeyError, TypeError) as error:
            raise Broken("sent an event that is not part of a chat completion") from error

    def _strict(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event as OpenAI itself would send it. Raises what comes where a server sends something of another shape."""
        self._note_usage(event.get("usage"))
        choices = [self._choice(choice) for choice in (event.get("choices") or ())[:1]]
        if choices:
            self._exchange.complete = bool(self.finish)
            self._exchange.heard()
        return {"id": "", "object": "chat.completion.chunk", "created": 0, "model": "", "choices": choices}

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        finish = choice.get("finish_reason") or ""
        if not isinstance(finish, str):
            raise TypeError(finish)
        self.finish = finish or self.finish
        delta = {key: value for key, value in (choice.get("delta") or {}).items() if key not in _NOT_OURS}
        visible = self._think.feed(_text(delta.get("content")))
        if finish:
            visible += self._think.rest()
        delta["content"] = visible
        delta["tool_calls"] = [self._piece(piece) for piece in delta.get("tool_calls") or ()]
        if not visible:
            self._shown.begin()
        return {"index": 0, "delta": delta, "finish_reason": finish if finish in _FINISHES else "stop" if finish else None}

    def _piece(self, piece: dict[str, Any]) -> dict[str, Any]:
        """A piece of a tool call, under a number of our own: some servers give no index, or the same one to all calls. A new id with a name is
        a new call."""
        function, given, id_ = piece.get("function") or {}, piece.get("index"), piece.get("id")
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        slot, known = self._slots.get(given or 0, (-1, ""))
        if slot < 0 or (function.get("name") and id_ and id_ != known):
            if not function.get("name"):
                raise Broken("sent a tool call without the tool's name")  # the library can't count its parts any more
            slot = self.calls
            self.calls += 1
            self._slots[given or 0] = (slot, id_ or "")
        extra = {"extra_content": piece["extra_content"]} if piece.get("extra_content") else {}
        return {"index": slot, "id": id_, "type": "function", "function": {"name": function.get("name"), "arguments": arguments}, **extra}

    def _note_usage(self, usage: Any) -> None:
        match usage:
            case {"prompt_tokens": int(input_tokens), "completion_tokens": int(output_tokens)}:
                self.usage = Usage(input_tokens=int(input_tokens), output_tokens=int(output_tokens))  # `true` is an int too
            case _:
                pass  # not every server counts, and each has its own way not to


def _text(content: Any) -> str:
    """The text of a delta: most servers send a string, some a list of parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""
