"""The request: what a transcript looks like to the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.core.entries import Call


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as the model sees it.

    `name` is unique over all servers and valid in every dialect; `schema` is a JSON Schema of an object. `repeatable`: may a call of it that
    was interrupted be made again?
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    server: str = ""
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """What people said, several messages in a row joined."""

    text: str


@dataclass(frozen=True, slots=True)
class Assistant:
    """An answer. `provider_data` came from the route `route`."""

    text: str
    calls: tuple[Call, ...] = ()
    route: str = ""
    provider_data: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one call of the answer before."""

    call: str
    tool: str
    text: str


Message = User | Assistant | Result


@dataclass(frozen=True, slots=True)
class Request:
    """Valid for the strictest provider: begins with the user, roles alternate, each call's result follows its answer, ends not with the assistant."""

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
