"""The one module over the model library (pydantic-ai's model layer), for the dialect openai-chat.

The library owns what ages: the shape of messages for each family of models, reasoning fields, quirks of schemas and of calls. What no library
does is done by us: the wire is ours (`wire`), its events are checked before the library sees them (`events`), calls are parsed before they are
believed, and an empty answer is no answer (docs/decisions/005-model-library.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

import httpx2
import msgspec
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from openai import AsyncOpenAI, NotGiven, Omit
from pydantic_ai.messages import (
    ImageUrl,
    InstructionPart,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.tools import ToolDefinition

from holdfast.core.request import Assistant, Request, Result, Tool, User
from holdfast.models import Endpoint
from holdfast.models.attached import Said, what_is_said
from holdfast.models.complete import AllThought, answer, object_text
from holdfast.models.events import Events
from holdfast.models.visible import Shown
from holdfast.models.wire import Broken, Connection, Exchange, name_of_user, refused
from holdfast.ports import Answer, Files

# Nobody asks the library what an answer cost: its price lists, loaded with the first model, take 4 MB and 20 ms.
set_custom_snapshot(DataSnapshot([], from_auto_update=False))

_WANTS_BRIDGES: Final = re.compile(r"'user' after role 'tool'|roles must alternate", re.IGNORECASE)
_BRIDGE: Final = {"role": "assistant", "content": "OK."}
_LIMITS: Final = ("max_tokens", "max_completion_tokens")
_NOT_IN_THE_BODY: Final = {"extra_body", "extra_headers", "timeout"}


class Chat:
    """An open route: its connections, and the library's model of what stands at the other end.

    The library makes the body of the request and assembles the answer; between the two, where it would call the SDK, it calls `_exchange`.
    (The SDK walks every message of a request, 37 ms at 350, loses bodies of errors, and takes the end of a stream for the end of the answer.)
    """

    def __init__(self, endpoint: Endpoint, files: Files) -> None:
        self._endpoint = endpoint
        self._files = files
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        self._connection = Connection(endpoint, endpoint.base_url.rstrip("/") + "/chat/completions", headers)
        client = _Client(base_url="http://unused.invalid", api_key="unused", max_retries=0, http_client=self._connection.http)
        client.chat = SimpleNamespace(completions=SimpleNamespace(create=self._exchange))
        self._model = _Model(endpoint.model, provider=OpenAICompatibleProvider(endpoint.name, openai_client=client))
        self._asks_for_usage = True
        self._unlimited = False
        self._bridges = False
        """What models of Mistral want: between the results of tools and what the user says next an answer stands."""

    async def close(self) -> None:
        await self._connection.close()

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        """See `holdfast.ports.Model.call`."""
        exchange = Exchange(self._connection)
        events = Events(exchange, shown := Shown(on_event))
        token = _current.set((exchange, events))
        try:
            return _answer(await self._response(request, shown), events, shown)
        except Broken as broken:
            if isinstance(broken, AllThought) and request.answer_tokens_max:
                return Answer("", usage=broken.usage)
            raise exchange.failure(broken) from None  # what caused it may quote the key
        finally:
            _current.reset(token)

    async def _response(self, request: Request, shown: Shown) -> ModelResponse:
        parameters = ModelRequestParameters(
            function_tools=self._model.definitions(request.tools),
            instruction_parts=[InstructionPart(request.instructions)] if request.instructions else None,
        )
        said = await what_is_said(request.messages, self._files, self._endpoint.images)
        messages = self._model.prepare_messages(_messages(request, said, self._endpoint.name), parameters)
        await asyncio.sleep(0)  # a long history takes milliseconds to convert, and as long again to send
        async with self._model.request_stream(messages, self._settings(request), parameters) as stream:
            async for event in stream:
                match event:
                    case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                        shown.add(text)
            return stream.get()

    def _settings(self, request: Request) -> OpenAIChatModelSettings:
        settings = OpenAIChatModelSettings()
        if limit := self._endpoint.limit(request):
            settings["max_tokens"] = limit
        if user := name_of_user(self._endpoint, request.user):
            settings["openai_user"] = user
        return settings

    async def _exchange(self, **options: Any) -> Events:
        """Send the request that the library made, and give it the events to read."""
        body = {key: value for key, value in options.items() if key not in _NOT_IN_THE_BODY and not isinstance(value, (Omit, NotGiven))}
        exchange, events = _current.get()
        if not self._asks_for_usage:
            body.pop("stream_options")
        if self._unlimited:
            body = {key: value for key, value in body.items() if key not in _LIMITS}
        if self._bridges:
            body["messages"] = _bridged(body["messages"])
        status = await exchange.send(msgspec.json.encode(body))
        if status == httpx2.codes.OK:
            return events
        said = exchange.body()
        if status in {400, 422} and "stream_options" in said and "stream_options" in body:
            self._asks_for_usage = False  # only our question for the usage was refused: from now on it is not asked
            return await self._exchange(**options)
        if status in {400, 422} and not self._endpoint.answer_tokens_max and any(name in said and name in body for name in _LIMITS):
            self._unlimited = True  # only this request wanted a limit
            return await self._exchange(**options)
        if not self._bridges and _WANTS_BRIDGES.search(said) and _bridged(body["messages"]) != body["messages"]:
            self._bridges = True
            return await self._exchange(**options)
        raise refused(status, said)


def _bridged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An answer between each tool's result and a message of the user that follows it."""
    pairs = zip([{}, *messages], messages, strict=False)
    return [
        one for before, here in pairs for one in ([_BRIDGE, here] if (before.get("role"), here.get("role")) == ("tool", "user") else [here])
    ]


_current: Final[ContextVar[tuple[Exchange, Events]]] = ContextVar("exchange")
"""The exchange of the call that this task makes: the library has no other way to hand it to what it calls."""


class _Client(AsyncOpenAI):
    """The SDK's client, as far as the library looks at it. The `chat` of its own, never called here, takes 30 ms and a megabyte to import."""

    chat: Any = None


class _Model(OpenAIChatModel):
    """The library's model, which rewrites the schemas of all tools for every request: 10 ms for fifty. Here, once for each list of tools."""

    _given: list[ToolDefinition]
    _shaped: list[ToolDefinition]
    _tools: tuple[Tool, ...] = ()
    _definitions: list[ToolDefinition]

    def definitions(self, tools: tuple[Tool, ...]) -> list[ToolDefinition]:
        if tools != self._tools or not tools:
            self._tools = tools
            self._definitions = [
                # Not strict: what a tool server says of its tool stands, and many servers of this dialect know no strict mode.
                ToolDefinition(name=tool.name, description=tool.description, parameters_json_schema=dict(tool.schema), strict=False)
                for tool in tools
            ]
            self._given = []
        return self._definitions

    def customize_request_parameters(self, model_request_parameters: ModelRequestParameters) -> ModelRequestParameters:
        given = model_request_parameters.function_tools
        if not given:
            return super().customize_request_parameters(model_request_parameters)
        if given != self._given:
            self._shaped = super().customize_request_parameters(model_request_parameters).function_tools
            self._given = given
        return replace(model_request_parameters, function_tools=self._shaped)


# --- from our words to the library's, and back --------------------------------------------------------------------------------------


class _Extra(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="dialect", tag="openai-chat/1"):
    """What only the provider understands, as it stands in `provider_data`: thoughts by the field they came in, and what rides on calls."""

    thoughts: tuple[tuple[str, str], ...] = ()
    calls: dict[str, dict[str, Any]] = {}


def _messages(request: Request, said: Mapping[int, Said], route: str) -> list[ModelMessage]:
    """The request's messages as the library's. Results and the user's next words go into one message, as the library keeps them."""
    messages: list[ModelMessage] = []
    parts: list[ModelRequestPart] = []
    for number, message in enumerate(request.messages):
        match message:
            case User():
                words = said[number]
                pictures = [ImageUrl(picture.url, media_type=picture.media_type) for picture in words.pictures]
                parts.append(UserPromptPart([words.text, *pictures] if pictures else words.text))
            case Result(call=call, tool=tool, text=text):
                parts.append(ToolReturnPart(tool, text, call))
            case Assistant():
                messages.append(ModelRequest(parts))
                parts = []
                messages.append(_response(message, route))
    messages.append(ModelRequest(parts))
    return messages


def _response(message: Assistant, route: str) -> ModelResponse:
    extra = _extra(message.provider_data) if message.provider_data and message.route == route else _Extra()
    parts: list[ModelResponsePart] = [ThinkingPart(text, id=field, provider_name=route) for field, text in extra.thoughts]
    if message.text:
        parts.append(TextPart(message.text))
    for number, call in enumerate(message.calls):
        details = extra.calls.get(str(number))
        parts.append(ToolCallPart(call.tool, call.arguments, call.id, provider_name=route if details else None, provider_details=details))
    return ModelResponse(parts, provider_name=route, canonical_system=route)


def _extra(provider_data: str) -> _Extra:
    """What was kept; nothing, if the route spoke another dialect then."""
    try:
        return msgspec.json.decode(provider_data, type=_Extra)
    except msgspec.DecodeError:
        return _Extra()


def _answer(response: ModelResponse, events: Events, shown: Shown) -> Answer:
    """The answer, if it is one. Raises `Broken`."""
    made = [part for part in response.parts if isinstance(part, ToolCallPart)]
    if len(made) != events.calls or not all(part.tool_name for part in made):
        raise Broken("sent a tool call without the tool's name")
    if events.finish == "content_filter":
        raise Broken("stopped its answer by its content filter (finish reason 'content_filter')")
    calls = tuple((part.tool_name, object_text(part.tool_name, _given(part), cut=events.finish == "length")) for part in made)
    extra = _Extra(
        thoughts=tuple((part.id, part.content) for part in response.parts if isinstance(part, ThinkingPart) and part.id and part.content),
        calls={str(number): part.provider_details for number, part in enumerate(made) if part.provider_details},
    )
    kept = msgspec.json.encode(extra).decode() if extra.thoughts or extra.calls else ""
    return answer(shown.flush(), calls, events.usage, kept, f"finish reason {events.finish!r}", cut=events.finish == "length")


def _given(part: ToolCallPart) -> str:
    """The arguments as they came. Not `args_as_json_str()`: it wraps half an object so that it parses."""
    return part.args if isinstance(part.args, str) else ""
