"""Models: the routes' ways to a model. Importing this package loads no model library."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.errors import Config
from holdfast.ports import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a route leads. Times are in seconds; there is no limit on a whole answer. An empty key is sent as none."""

    name: str
    base_url: str = ""
    model: str = ""
    api_key: str = field(default="", repr=False)
    connect_timeout_s: float = 10.0
    first_event_timeout_s: float = 120.0
    idle_timeout_s: float = 120.0


def open_model(dialect: str, endpoint: Endpoint) -> Model:
    """The model of a route. Costs nothing: what a dialect needs is imported by the model's `warm`, or by its first call.

    Raises `Config` if this version does not speak the dialect.
    """
    match dialect:
        case "practice":
            from holdfast.models.practice import PracticeModel  # noqa: PLC0415 -- one dialect must not load another's code

            return PracticeModel()
        case "openai-chat":
            from holdfast.models.openai_chat import OpenAIChat  # noqa: PLC0415 -- one dialect must not load another's code

            return OpenAIChat(endpoint)
        case _:
            raise Config(
                f"Route {endpoint.name!r} asks for the dialect {dialect!r}, which this version does not speak. "
                "Set its dialect to openai-chat or to practice."
            )
