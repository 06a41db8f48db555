"""What a server asks in the middle of a call: a person, to fill in a form or to open a page; or the model.

Everything a server says is a stranger's word: it is shown with the server's name before it, spelled out where signs could deceive, and bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self, assert_never
from urllib.parse import urlsplit

import mcp_types as types

from holdfast.core.request import Assistant, Message, Request, User
from holdfast.core.words import visible
from holdfast.errors import Temporary
from holdfast.ports import Caller
from holdfast.tools.form import DECLINE, Field, Value, fields_of

QUESTIONS_MAX: Final = 20
"""That one call may ask."""
FIELDS_MAX: Final = 20
TRIES_MAX: Final = 3
MESSAGE_CHARS_MAX: Final = 2_000
URL_CHARS_MAX: Final = 2_000
SAMPLE_CHARS_MAX: Final = 100_000
SAMPLE_TOKENS_MAX: Final = 4_000
SAMPLE_TOKENS_MIN: Final = 1_000
"""That the model is given however few are asked for: what it thinks counts, too."""
CHARS_PER_TOKEN: Final = 4

DONE: Final = "done"
_OVER: Final = "The call for which this was asked has ended."

Answer = types.InputResponse | types.ErrorData


class Patience:
    """How long a call may be silent: without an answer, or a report of progress. It rests while somebody is asked."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._timeout = asyncio.timeout(timeout_s)
        self._asked = 0

    def heard(self) -> None:
        """The server gave a sign of life."""
        self._again(None if self._asked else asyncio.get_running_loop().time() + self._timeout_s)

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        self._asked += 1
        self._again(None)
        try:
            yield
        finally:
            self._asked -= 1
            self.heard()

    def _again(self, when: float | None) -> None:
        with contextlib.suppress(RuntimeError):  # it has run out, or the answer came first
            self._timeout.reschedule(when)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._timeout.__aexit__(kind, error, trace)


class Asking:
    """One call under way, for whose sake its server may ask."""

    def __init__(self, server: str, caller: Caller, patience: Patience, on_asking: Callable[[], None], *, sampling: bool) -> None:
        self._over = False
        self._server, self._caller, self._patience, self._sampling = server, caller, patience, sampling
        self._on_asking = on_asking
        self._count = 0
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Answer]] = set()

    async def end(self) -> None:
        """The call has ended: nobody is asked any more."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer_beside(self, request: types.InputRequest) -> Answer:
        """For a request that came by itself: as `answer`, in a task that ends with the call."""
        if self._over:
            return refused(_OVER)
        task = asyncio.create_task(self.answer(request))
        self._tasks.add(task)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            self._tasks.discard(task)
        return refused(_OVER) if task.cancelled() else task.result()

    async def answer(self, request: types.InputRequest) -> Answer:
        """What the person, or the model, says; or why nobody was asked. One question after the other."""
        self._count += 1
        if self._count > QUESTIONS_MAX:
            return refused(f"This call has asked {QUESTIONS_MAX} times; nobody is asked any more.")
        self._on_asking()
        async with self._turn:
            with self._patience.resting():
                return await self._answer(request)

    async def _answer(self, request: types.InputRequest) -> Answer:
        match request:
            case types.ElicitRequest():
                form = request.params
                return await (self._form(form) if isinstance(form, types.ElicitRequestFormParams) else self._page(form))
            case types.CreateMessageRequest():
                return await self._sample(request.params)
            case types.ListRootsRequest():
                return refused("There are no roots here.")
            case _:
                assert_never(request)

    # A person fills in a form.

    async def _form(self, form: types.ElicitRequestFormParams) -> Answer:
        try:
            fields = fields_of(form.requested_schema)
        except ValueError as failure:
            return refused(f"This form can't be shown to a person: {failure}.")
        if len(fields) > FIELDS_MAX:
            return refused(f"A form of {len(fields)} fields is too long to be asked for in a chat; at most {FIELDS_MAX} are asked.")
        begins = f"{self._server} asks: {_shortened(form.message)}"
        if not fields:
            said = await self._caller.ask(begins, ("ok", DECLINE))
            return types.ElicitResult(action="accept", content={}) if said == "ok" else _unsaid(said)
        content: dict[str, Value | None] = {}
        for number, field in enumerate(fields, 1):
            count = f" ({number} of {len(fields)})" if len(fields) > 1 else ""
            value = await self._field(field, f"{begins}\n{field.question}{count}")
            if isinstance(value, types.ElicitResult):
                return value
            if value is not None:
                content[field.name] = value
        return types.ElicitResult(action="accept", content=content)

    async def _field(self, field: Field, question: str) -> Value | types.ElicitResult | None:
        """What the person says, once it is what the field takes (None: it is left out); or that it is not said."""
        wrong = ""
        for _ in range(TRIES_MAX):
            said = await self._caller.ask(wrong + question, field.options, free=field.free)
            if said is None or said.strip().casefold() == DECLINE:
                return _unsaid(said)
            try:
                return field.read(said)
            except ValueError as failure:
                wrong = f"{failure} "
        return _unsaid(None)

    # A person opens a page.

    async def _page(self, page: types.ElicitRequestURLParams) -> Answer:
        host = _host(page.url)
        if not host:
            return refused("Only a plain http:// or https:// address is shown to a person.")
        text = f"{self._server} asks: {_shortened(page.message)}\nPlease open this page, which is on {host}:\n{page.url}\nIs it done?"
        said = await self._caller.ask(text, (DONE, DECLINE))
        return types.ElicitResult(action="accept") if said == DONE else _unsaid(said)

    # The model.

    async def _sample(self, params: types.CreateMessageRequestParams) -> Answer:
        if not self._sampling:
            return refused(f"{self._server} may not ask the model; its owner can allow it: sampling = true in [tools.{self._server}].")
        try:
            request = _request(params, f"{self._caller.account}:{self._caller.author}")
            answer = await self._caller.sample(request)
        except (ValueError, Temporary) as failure:
            return refused(str(failure))
        chars_max = min(params.max_tokens, SAMPLE_TOKENS_MAX) * CHARS_PER_TOKEN
        cut = len(answer.text) > chars_max or answer.usage.output_tokens >= (request.answer_tokens_max or 0)
        return types.CreateMessageResult(
            role="assistant",
            content=types.TextContent(text=answer.text[:chars_max]),
            model="holdfast",
            stop_reason="maxTokens" if cut else "endTurn",
        )


def refused(sentence: str) -> types.ErrorData:
    """Nobody is asked, and the server is told why."""
    return types.ErrorData(code=types.INVALID_REQUEST, message=sentence)


def _unsaid(said: str | None) -> types.ElicitResult:
    return types.ElicitResult(action="cancel" if said is None else "decline")


def _shortened(text: str) -> str:
    shown = visible(text.strip())
    return shown if len(shown) <= MESSAGE_CHARS_MAX else shown[: MESSAGE_CHARS_MAX - 1] + "…"


def _host(url: str) -> str:
    """Where an address leads; "" if it is of another kind, too long to be read, or written so as to mislead."""
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    return host if parts.scheme in {"http", "https"} and "@" not in parts.netloc else ""


def _request(params: types.CreateMessageRequestParams, user: str) -> Request:
    """As a model takes it. Raises `ValueError` if it is more than words, or not in order."""
    messages: list[Message] = []
    for message in params.messages:
        words = []
        for block in message.content_as_list:
            if not isinstance(block, types.TextContent):
                raise ValueError(f"The model is asked with words alone, and this has a block of type {block.type}.")  # noqa: TRY004 it is a value of the wire
            words.append(block.text)
        text, kind = "\n".join(words), User if message.role == "user" else Assistant
        last = messages[-1] if messages else None
        if isinstance(last, kind):
            messages[-1] = kind(f"{last.text}\n\n{text}")
        else:
            messages.append(kind(text))
    if not messages or not isinstance(messages[0], User) or not isinstance(messages[-1], User):
        raise ValueError("The model is asked in a talk that the user begins, and ends.")
    if params.tools:
        raise ValueError("The model is asked without tools.")
    instructions = params.system_prompt or ""
    if len(instructions) + sum(len(message.text) for message in messages) > SAMPLE_CHARS_MAX:
        raise ValueError(f"The model is asked with at most {SAMPLE_CHARS_MAX:,} characters.")
    limit = min(max(params.max_tokens, SAMPLE_TOKENS_MIN), SAMPLE_TOKENS_MAX)
    return Request(instructions, tuple(messages), user=user, answer_tokens_max=limit)
