"""What a talk with a tool server goes over: a process of ours, or HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import mcp_types as types
from mcp.client.session import ClientSession

from holdfast.errors import HoldfastError

MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024

Fate = Literal["not sent", "refused", "unknown"]


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

    `not sent`: no byte of it was; `refused`: the server says that it did nothing; `unknown`: it may have been done.
    """

    def __init__(self, fate: Fate, error: HoldfastError) -> None:
        super().__init__(str(error))
        self.fate: Fate = fate
        self.error = error


def parse(data: bytes) -> types.JSONRPCMessage:
    """A message from the wire. Raises `ValueError` if it is none."""
    try:
        return types.jsonrpc_message_adapter.validate_json(data, by_name=False)
    except ValueError:
        # Texts cut in the middle of a character are common: bytes that are no UTF-8, halves of surrogate pairs. A call would wait in vain.
        try:
            whole = json.dumps(json.loads(data.decode(errors="replace")), ensure_ascii=False).encode(errors="replace")
        except RecursionError as failure:
            raise ValueError("it is nested too deeply") from failure
        return types.jsonrpc_message_adapter.validate_json(whole, by_name=False)
