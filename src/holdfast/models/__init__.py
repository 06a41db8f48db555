"""Models: the routes' ways to a model. Importing this package loads no model library."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.core.request import Request
from holdfast.errors import Config
from holdfast.ports import Files, Model

if TYPE_CHECKING:
    from holdfast.models.lazy import Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a route leads. Times are in seconds; there is no limit on a whole answer. An empty key is sent as none.

    `images`: it is shown pictures. `answer_tokens_max`: what an answer may have, where the dialect does not leave it to the model. `headers` go with
    every call, beside those of the dialect. `send_user`: the endpoint is told who asks.
    """

    name: str
    base_url: str = ""
    model: str = ""
    api_key: str = field(default="", repr=False)
    connect_timeout_s: float = 10.0
    first_event_timeout_s: float = 120.0
    idle_timeout_s: float = 120.0
    images: bool = False
    answer_tokens_max: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    send_user: bool = False

    def limit(self, request: Request) -> int | None:
        """How many tokens the answer to this request may have; None: the endpoint decides."""
        return min(filter(None, (self.answer_tokens_max, request.answer_tokens_max)), default=None)


def open_model(dialect: str, endpoint: Endpoint, files: Files) -> Model:
    """The model of a route. Costs nothing: what a dialect needs is imported by the model's `warm`, or by its first call.

    Raises `Config` if this version does not speak the dialect.
    """
    match dialect:
        case "practice":
            from holdfast.models.practice import PracticeModel  # noqa: PLC0415 -- one dialect must not load another's code

            return PracticeModel()
        case "openai-chat" | "openai-responses" | "anthropic":
            from holdfast.models.lazy import LazyModel  # noqa: PLC0415 -- as above

            return LazyModel(lambda: _opened(dialect, endpoint, files))
        case _:
            raise Config(
                f"Route {endpoint.name!r} asks for the dialect {dialect!r}, which this version does not speak. "
                "Set its dialect to openai-chat, openai-responses, anthropic or practice."
            )


def _opened(dialect: str, endpoint: Endpoint, files: Files) -> Opened:
    """What each dialect imports: the model library for openai-chat alone, HTTP for all."""
    match dialect:
        case "anthropic":
            from holdfast.models.anthropic import anthropic  # noqa: PLC0415 -- off the start-up path, and one dialect must not load another's

            return anthropic(endpoint, files)
        case "openai-responses":
            from holdfast.models.responses import responses  # noqa: PLC0415 -- as above

            return responses(endpoint, files)
        case _:
            # The SDK loads aiohttp wherever that is installed, 0.3 s, for a client that nobody here uses.
            sys.modules.setdefault("openai._vendor.httpx_aiohttp", None)  # type: ignore[arg-type]  # None: it can't be imported
            from holdfast.models.library import Chat  # noqa: PLC0415 -- as above

            return Chat(endpoint, files)
