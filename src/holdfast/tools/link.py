"""What a talk with a tool server goes over: a process of ours, or HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar

import mcp_types as types
from mcp.client.session import ClientSession
from pydantic_core import from_json

from holdfast.errors import HoldfastError, Temporary
from holdfast.tools.child import LINE_BYTES_MAX

T = TypeVar("T")

MESSAGE_BYTES_MAX: Final = LINE_BYTES_MAX
LARGE_BYTES: Final = 256 * 1024
"""What is larger is read in a thread: a file of 25 MB would hold everybody up for half a second."""

Fate = Literal["not sent", "refused", "answered", "unknown"]

_aside: Final = ThreadPoolExecutor(1, "large-messages")
"""One at a time: each takes several times its size while it is read."""


class Link(Protocol):
    """`lost`: nothing is sent or taken any more. `stirred` is set then, and by whoever else wants the attention of the server's owner."""

    lost: bool
    stirred: asyncio.Event

    @property
    def pid(self) -> int | None: ...

    def lose(self, why: str) -> None:
        """From now on nothing is sent or taken, for the reason given first."""

    def last_words(self) -> str:
        """What is known of the end of the server, or of its silence, as the end of a sentence."""

    async def stop(self) -> None:
        """Part with the server. Bounded; being cancelled parts at once."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A link, and how to make the SDK's session over it."""

    link: Link
    session: Callable[..., ClientSession]


class Unanswered(Exception):
    """A request that will have no answer, and what became of it as far as it can be known.

    `not sent`: no byte of it was; `refused`: the server says that it did nothing; `answered`: it was done, and its answer can't be taken; `unknown`: it
    may have been done.
    """

    def __init__(self, fate: Fate, error: HoldfastError) -> None:
        super().__init__(str(error))
        self.fate: Fate = fate
        self.error = error


def too_large(answered_by: str) -> Unanswered:
    """The model can ask for something smaller."""
    sentence = f"{answered_by} answered with more than {MESSAGE_BYTES_MAX // 1024 // 1024} MB, which is not taken: what it did is done, what it sent is lost"
    return Unanswered("answered", Temporary(f"{sentence}. Ask for less, or for a part of it."))


async def aside(work: Callable[[], T], size: int) -> T:
    """Do this here, or in a thread if it is about so much that others would have to wait."""
    return work() if size < LARGE_BYTES else await asyncio.get_running_loop().run_in_executor(_aside, work)


async def read(data: bytes) -> types.JSONRPCMessage:
    """A message from the wire. Raises `ValueError` if it is none."""
    return await aside(lambda: parse(data), len(data))


def parse(data: bytes) -> types.JSONRPCMessage:
    """As `read`. A message that large is made of objects first: the library, asked for both at once, copies it for each kind of message that it may be."""
    try:
        return types.jsonrpc_message_adapter.validate_python(from_json(data), by_name=False)
    except ValueError:
        # Texts cut in the middle of a character are common: bytes that are no UTF-8, halves of surrogate pairs. A call would wait in vain.
        try:
            whole = json.dumps(json.loads(data.decode(errors="replace")), ensure_ascii=False).encode(errors="replace")
        except RecursionError as failure:
            raise ValueError("it is nested too deeply") from failure
        return types.jsonrpc_message_adapter.validate_python(from_json(whole), by_name=False)
