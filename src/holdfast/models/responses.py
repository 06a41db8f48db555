"""The dialect openai-responses, of OpenAI and of those who speak like it. Always stateless: nothing is stored there, everything is sent again.

An answer is complete with `response.completed` or `response.incomplete`, not before. What only the provider understands (reasoning, encrypted; the
phase of a message) goes back as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.core.entries import Usage
from holdfast.core.request import Assistant, Request, Result, User
from holdfast.models import Endpoint
from holdfast.models.attached import Said
from holdfast.models.complete import answer, object_text
from holdfast.models.native import Body, Kept, Native, Visible, kept_parts, mended
from holdfast.models.wire import Broken, Connection, name_of_user
from holdfast.ports import Answer, Files

_DIALECT: Final = "openai-responses/1"
_ENCRYPTED: Final = "reasoning.encrypted_content"
_PLAIN: Final = {"message", "function_call"}
_KNOWN: Final = {f"response.{kind}" for kind in ("output_text.delta", "refusal.delta", "output_item.added", "output_item.done")}
_ENDS: Final = {"response.completed", "response.incomplete", "response.failed"}

Item = dict[str, Any]


def responses(endpoint: Endpoint, files: Files) -> Native:
    """The open route."""
    headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    return Native(Connection(endpoint, endpoint.base_url.rstrip("/") + "/responses", headers), files, Responses(endpoint))


class Responses:
    """See `holdfast.models.native.Dialect`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._includes = True
        self._limits = True
        """A limit that only a request asks for can be given."""

    def headers(self, _: Body) -> Mapping[str, str]:
        return {}

    def body(self, request: Request, said: Mapping[int, Said]) -> Body:
        body: Body = {"model": self._endpoint.model, "stream": True, "store": False, "input": self._input(request, said)}
        if request.instructions:
            body["instructions"] = request.instructions
        if request.tools:
            # Strict is the default here, but what a tool server says of its tool stands.
            body["tools"] = [
                {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.schema, "strict": False}
                for tool in request.tools
            ]
        if limit := self._endpoint.limit(request) if self._limits else self._endpoint.answer_tokens_max:
            body["max_output_tokens"] = limit
        if user := name_of_user(self._endpoint, request.user):
            body["user"] = user
        if self._includes:
            body["include"] = [_ENCRYPTED]
        return body

    def gives_way(self, body: Body, refusal: str) -> bool:
        """Models that don't reason, and some servers, refuse to be asked for it; others know no limit."""
        if "max_output_tokens" in body and "max_output_tokens" in refusal and self._limits and not self._endpoint.answer_tokens_max:
            self._limits = False
            return True
        about = "include" in refusal or "Encrypted content is not supported" in refusal
        if "include" not in body or not about:
            return False
        self._includes = False
        return True

    def reader(self, visible: Visible) -> ResponseReader:
        return ResponseReader(visible)

    def _input(self, request: Request, said: Mapping[int, Said]) -> list[Item]:
        items: list[Item] = []
        ids: dict[str, str] = {}
        for number, message in enumerate(request.messages):
            match message:
                case User():
                    items.append({"type": "message", "role": "user", "content": _shown(said[number])})
                case Result(call=call, text=text):
                    items.append({"type": "function_call_output", "call_id": ids.get(call, call), "output": text})
                case Assistant():
                    made = kept_parts(message, self._endpoint.name, _DIALECT, "function_call") or _plain(message)
                    used = [item["call_id"] for item in made if item["type"] == "function_call"]
                    ids = {call.id: id_ for call, id_ in zip(message.calls, used, strict=True)}
                    items += made
        return items


def _shown(said: Said) -> list[Item]:
    pictures = [{"type": "input_image", "image_url": picture.url} for picture in said.pictures]
    return [{"type": "input_text", "text": said.text}, *pictures]


def _plain(message: Assistant) -> list[Item]:
    """The answer as far as it means the same to everybody."""
    text = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": message.text}]}] if message.text else []
    calls = [{"type": "function_call", "call_id": call.id, "name": call.tool, "arguments": call.arguments} for call in message.calls]
    return [*text, *calls]


class ResponseReader:
    """See `holdfast.models.native.Reader`."""

    def __init__(self, visible: Visible) -> None:
        self._visible = visible
        self._begun = 0
        self._done: list[Item] = []
        self._messages = 0
        """How many messages have begun to be shown."""
        self._speaking: Any = ()
        """Where the message is that is being shown in pieces; () if none is."""
        self._refused = False
        self._cut = False
        self._response: Item = {}
        self.begun = False
        self.complete = False

    def take(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "response.output_text.delta", "delta": str(piece)}:
                self._speak(_place(event), piece)
            case {"type": "response.refusal.delta", "delta": str()}:
                self._refused = True
            case {"type": "response.output_item.added", "item": {"type": str()}}:
                self._begun += 1
            case {"type": "response.output_item.done", "item": {"type": str()} as item}:
                self._finish(item)
            case {"type": "response.failed", "response": dict(response)}:
                raise Broken(f"reported an error instead of an answer: {_error(response)}")
            case {"type": "response.completed" | "response.incomplete" as kind, "response": dict(response)}:
                self._response = response
                self._cut = kind == "response.incomplete"
                self.complete = True
            case {"type": str(kind)} if not kind.startswith("response."):
                return  # a ping, and what is to come
            case {"type": str(kind)} if kind not in _KNOWN | _ENDS:
                pass  # pieces of what comes whole at the end of its item
            case _:
                raise _strange()
        self.begun = True

    def _speak(self, place: Any, piece: str) -> None:
        """A piece of a message. Several messages of one answer are paragraphs of its text."""
        if place != self._speaking:
            self._visible.apart()
            self._messages += 1
            self._speaking = place
        self._visible.add(piece)

    def _finish(self, item: Item) -> None:
        """An item is whole. A message that did not come in pieces is shown now."""
        if item["type"] == "message":
            if self._speaking == ():
                self._speak(None, "".join(_texts(item)))
            self._speaking = ()
        self._done.append(item)

    def answer(self) -> Answer:
        items = self._items()
        why = self._why_incomplete()
        if self._refused or any(_texts(item, "refusal") for item in items if item["type"] == "message"):
            raise Broken("refused to answer")
        if why == "content_filter":
            raise Broken("stopped its answer by its content filter (incomplete: 'content_filter')")
        calls = tuple(_call(item, cut=self._cut) for item in items if item["type"] == "function_call")
        status = f"status {self._response.get('status')!r}{f', incomplete: {why!r}' if why else ''}"
        return answer(self._visible.whole(), calls, self._usage(), _kept(items), status, cut=why == "max_output_tokens")

    def _items(self) -> list[Item]:
        """The items of the answer: as each was said to be done, else as the end of the stream repeats them."""
        if self._done and len(self._done) >= self._begun:
            return self._done
        items = self._response.get("output") or []
        if not isinstance(items, list) or len(items) < self._begun:
            raise Broken("ended its answer without finishing what it had begun")
        if not all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in items):
            raise _strange()
        for unheard in [item for item in items if item["type"] == "message"][self._messages :]:
            self._speak(object(), "".join(_texts(unheard)))
        return items

    def _why_incomplete(self) -> str:
        details = self._response.get("incomplete_details")
        return str(details.get("reason") or "") if isinstance(details, dict) else ""

    def _usage(self) -> Usage:
        match self._response.get("usage"):
            case {"input_tokens": int(input_tokens), "output_tokens": int(output_tokens)}:
                return Usage(input_tokens=int(input_tokens), output_tokens=int(output_tokens))  # `true` is an int too
            case _:
                return Usage()  # not every server counts


def _place(event: dict[str, Any]) -> Any:
    """Where in the answer an event belongs. Not every server numbers its items."""
    place = event.get("output_index", event.get("item_id"))
    return place if isinstance(place, (int, str)) else None


def _texts(item: Item, kind: str = "text") -> list[str]:
    """What a message says, or refuses with."""
    parts = item.get("content") or []
    if not isinstance(parts, list):
        raise _strange()
    return [text for part in parts if isinstance(part, dict) and isinstance(text := part.get(kind), str)]


def _call(item: Item, *, cut: bool) -> tuple[str, str]:
    match item:
        case {"name": str(name), "arguments": str(arguments), "call_id": str()} if name:
            return name, mended(object_text(name, arguments, cut=cut))
        case _:
            raise Broken("sent a tool call without the tool's name or arguments")


def _kept(items: list[Item]) -> str:
    """What goes back to this route as it came: all of it or nothing. Text and calls alone mean the same without.

    Reasoning goes back only if it is here itself: the id of something that is not stored refers to nothing. And with what is encrypted go no ids at
    all: some servers look them up, and find nothing.
    """
    thoughts = [item for item in items if item["type"] == "reasoning"]
    if not all(item.get("encrypted_content") or item.get("content") for item in thoughts):
        return ""
    if not any(item["type"] not in _PLAIN or item.get("phase") for item in items):
        return ""
    left_out = {"id", "status"} if any(item.get("encrypted_content") for item in thoughts) else set()
    return Kept(_DIALECT, [{k: v for k, v in item.items() if k not in left_out and v is not None} for item in items]).text()


def _error(response: Item) -> str:
    match response.get("error"):
        case {"message": str(message)}:
            return message
        case _:
            return "no reason given"


def _strange() -> Broken:
    return Broken("sent an event that is not part of a response")
