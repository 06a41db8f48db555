"""The answers of the door: what each request of `door.py` does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from holdfast import errors
from holdfast.core.commands import parse
from holdfast.core.entries import Choice, Command, UserMessage
from holdfast.failpoints import failpoint
from holdfast.ports import ALL, Arrival, Clock, ConversationRow, Gateway
from holdfast.web.bodies import decoded, json
from holdfast.web.files import attachments
from holdfast.web.platform import WebPlatform
from holdfast.web.signing_in import SigningInStream
from holdfast.web.stream import EventStream
from holdfast.web.wire import (
    ACCOUNT,
    AUTHOR,
    KEY_CHARS_MAX,
    MESSAGE_BYTES_MAX,
    Approval,
    Page,
    Post,
    Said,
    Saved,
    Why,
    check_text,
    conversation_key,
    too_long,
)
from holdfast.web.words import listed

BODY_BYTES_MAX: Final = 7 * MESSAGE_BYTES_MAX
"""JSON may write one byte of a message as six (`\\u0000`)."""
ROWS_MAX: Final = 200
SEARCH_CHARS_MAX: Final = 200
ENTRIES_AT_ONCE_MAX: Final = 500
STREAMS_MAX: Final = 200


class Demo(Protocol):
    """What may be broken, where `holdfast demo` runs."""

    async def act(self, action: str) -> None:
        """Break something. Raises `Request` for what there is not."""

    def state(self) -> Any:
        """What the page shows of it."""


class Api:
    """`allows`: may whoever asked this go on reading? Asked again and again of an event stream."""

    def __init__(
        self, gateway: Gateway, platform: WebPlatform, clock: Clock, allows: Callable[[Scope], bool], demo: Demo | None = None
    ) -> None:
        self._gateway = gateway
        self._platform = platform
        self._clock = clock
        self._allows = allows
        self._demo = demo

    async def send(self, request: Request) -> Response:
        name = request.path_params["name"]
        conversation = conversation_key(name)
        post = await decoded(request, Post, BODY_BYTES_MAX, too_long(), '{"key": "...", "text": "..."}')
        arrival = Arrival(
            conversation=conversation,
            account=ACCOUNT,
            address=name,
            dedupe=f"{conversation}:{post.key}",
            body=await self._said(post),
            at=self._clock.now(),
        )
        accepted = await self._gateway.accept([arrival])
        failpoint("acknowledge")
        return json(Saved(seq=accepted[0].seq, new=accepted[0].new))

    async def _said(self, post: Post) -> UserMessage | Command | Choice:
        if not 1 <= len(post.key) <= KEY_CHARS_MAX or not post.key.isprintable():
            raise errors.Request(f"The message's key must have 1 to {KEY_CHARS_MAX} printable characters.")
        if post.text.strip() or not post.attachments:
            check_text(post.text)
        said = parse(post.text, AUTHOR, post.key)
        if not post.attachments:
            return said
        if not isinstance(said, UserMessage):
            raise errors.Request("A command takes no files. Send them with a message.")
        return msgspec.structs.replace(said, attachments=await attachments(self._gateway.files, post.key, post.attachments))

    async def conversations(self, request: Request) -> Response:
        sought, now = request.query_params.get("search", "").strip(), self._clock.now()
        if len(sought) > SEARCH_CHARS_MAX:
            raise errors.Request(f"A search takes at most {SEARCH_CHARS_MAX} characters.")
        if sought:
            found = await self._gateway.search(sought, ROWS_MAX)
            return json([listed(standing, now, excerpt) for standing, excerpt in found])
        return json([listed(standing, now) for standing in await self._gateway.conversations(ROWS_MAX, _before(request))])

    async def entries(self, request: Request) -> Response:
        key, most = request.path_params["key"], min(_number(request, "most") or ENTRIES_AT_ONCE_MAX, ENTRIES_AT_ONCE_MAX)
        if "before" in request.query_params:
            entries = await self._gateway.page(key, _number(request, "before"), most + 1)
            return json(Page(entries[-most:], more=len(entries) > most))  # of a conversation that is about to begin: none
        entries = (await self._gateway.read(key, _number(request, "after"), most + 1)).entries
        if not entries and not await self._gateway.page(key, ALL, 1):
            raise HTTPException(404, f"There is no conversation {key!r}. `holdfast show` lists them.")
        return json(Page(entries[:most], more=len(entries) > most))

    async def events(self, request: Request) -> EventStream:
        if self._platform.listeners >= STREAMS_MAX:
            raise HTTPException(503, f"{STREAMS_MAX} readers follow conversations already. Close one, or try again later.")
        stopping: asyncio.Event = request.state.stopping
        after = _number(request, "after", request.headers.get("last-event-id", ""))
        allowed = partial(self._allows, request.scope)
        return EventStream(self._gateway, self._platform, self._clock, request.path_params["key"], after, stopping, allowed)

    async def status(self, request: Request) -> Response:  # noqa: ARG002 the signature is starlette's
        return json({**await self._gateway.status(), "demo": self._demo.state() if self._demo else None})

    async def owing(self, request: Request) -> Response:
        now, most = self._clock.now(), min(_number(request, "most") or ROWS_MAX, ROWS_MAX)
        return json([listed(standing, now) for standing in await self._gateway.owing(most)])

    async def used(self, request: Request) -> Response:
        return json(await self._gateway.used(_instant(request, "since"), _instant(request, "before")))

    async def compared(self, request: Request) -> Response:  # noqa: ARG002 as above
        return json({"differences": await self._gateway.compared()})

    async def reload(self, request: Request) -> Response:  # noqa: ARG002 as above
        """It starts again once this was answered, if there is anything new."""
        other = await self._gateway.differences()
        answer = json({"differences": other})
        answer.background = BackgroundTask(self._gateway.start_again) if other else None
        return answer

    async def leave_safe_mode(self, request: Request) -> Response:  # noqa: ARG002 as above
        if not self._gateway.leave_safe_mode():
            raise HTTPException(409, "The gateway is not in safe mode.")
        return json({})

    async def routes(self, request: Request) -> Response:  # noqa: ARG002 as above
        return json(await self._gateway.routes())

    async def tools(self, request: Request) -> Response:  # noqa: ARG002 as above
        return json(await self._gateway.tool_servers())

    async def retry_tools(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not await self._gateway.retry_tools(name):
            raise HTTPException(404, f"There is no tool server {name!r}. `GET /v1/tools` names them.")
        return json({})

    async def platforms(self, request: Request) -> Response:  # noqa: ARG002 as above
        return json(await self._gateway.platforms())

    async def retry_platform(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not await self._gateway.retry_platform(name):
            raise HTTPException(404, f"There is no account {name!r}. `GET /v1/platforms` names them.")
        return json({})

    async def sign_in(self, request: Request) -> SigningInStream:
        steps = self._gateway.sign_in(request.path_params["name"])
        return SigningInStream(steps, request.state.stopping, partial(self._allows, request.scope))

    async def answer_sign_in(self, request: Request) -> Response:
        answer = await decoded(request, Said, BODY_BYTES_MAX, too_long(), '{"said": "..."}')
        await self._gateway.answer_sign_in(request.path_params["name"], answer.said)
        return json({})

    async def people(self, request: Request) -> Response:  # noqa: ARG002 as above
        return json(await self._gateway.people())

    async def approve(self, request: Request) -> Response:
        approval = await decoded(request, Approval, BODY_BYTES_MAX, too_long(), '{"code": "..."}')
        return json(await self._gateway.approve(approval.code))

    async def remove(self, request: Request) -> Response:
        await self._gateway.remove(request.path_params["account"], request.path_params["person"])
        return json({})

    async def why(self, request: Request) -> Response:
        return json(Why(await self._gateway.why(request.path_params["key"])))

    async def retry(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not await self._gateway.retry(name):
            raise HTTPException(404, f"There is no gate {name!r}. `GET /v1/status` names them.")
        return json({})

    async def break_it(self, request: Request) -> Response:
        assert self._demo is not None, "there is a route only in the demo"
        await self._demo.act(request.path_params["action"])
        return json({})


def _before(request: Request) -> ConversationRow | None:
    """The place in the list of conversations from which to go on."""
    if (key := request.query_params.get("before")) is None:
        return None
    try:
        at = float(request.query_params.get("at", ""))
    except ValueError as error:
        raise errors.Request("`at` is the instant of the last change of the conversation `before`.") from error
    return ConversationRow(key, "", 0, at, running=False, due=None, turn_gate="", speech_gate="", attempts=0)


def _instant(request: Request, name: str) -> float:
    try:
        return float(request.query_params.get(name, ""))
    except ValueError as error:
        raise errors.Request(f"`{name}` is an instant, in seconds.") from error


def _number(request: Request, name: str, value: str = "") -> int:
    """A number of the query, or `value` where there is one; 0 if there is neither."""
    value = value or request.query_params.get(name) or "0"
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise errors.Request(f"`{name}` is a number (the seq of an entry, or how many), not {value[:40]!r}.")
    return int(value)
