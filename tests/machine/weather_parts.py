"""What the walk of the weather is made of: what may happen, who talks, and calls that are told by hand how to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from weather_book import NEVER, told

from holdfast.core.failure import Failure
from holdfast.core.request import Request
from holdfast.ports import Answer, Lease, Model, RawFailure

ACCOUNT: Final = "chat"
OWN_MAX: Final = 3

Move = tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """What may happen in one walk. `chains`: whose chain is which; `fails`: the classes of failures, some with the seconds that the server names."""

    chains: Mapping[str, tuple[str, ...]]
    fails: tuple[str, ...] = ("transient",)
    places: int = 2
    proven: bool = True
    writes: int = 1
    deaths: int = 1
    orders: int = 0
    stops: int = 0
    set_back: int = 0
    tools: bool = False
    slow: bool = False

    @property
    def routes(self) -> tuple[str, ...]:
        return tuple(sorted({name for chain in self.chains.values() for name in chain}))


class Errand:
    """A coroutine that is sent on its way by hand."""

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self._coro = coro
        self._awaits: asyncio.Future[Any] | None = None
        self.done, self.result = False, None

    def go(self) -> bool:
        """As far as it comes without anybody's help. True if it is at its end."""
        while not self.done and (self._awaits is None or self._awaits.done()):
            try:
                self._awaits = self._coro.send(None)
            except StopIteration as end:
                self.done, self.result = True, end.value
        return self.done

    def cancel(self) -> None:
        assert self._awaits is not None
        self._awaits.cancel()
        try:
            self.go()
        except asyncio.CancelledError:
            self.done = True

    def close(self) -> None:
        self._coro.close()


def at_once(coro: Coroutine[Any, Any, Any]) -> Any:
    """The journal in memory waits for nobody."""
    errand = Errand(coro)
    assert errand.go()
    return errand.result


@dataclass
class Talk:
    """One conversation, and its worker. `leaves`: it was let go, and its worker has not ended."""

    name: str
    chain: tuple[str, ...]
    owes: bool = True
    wrote: bool = True
    """Somebody has written, and no mistake was tried for it since."""
    phase: Literal["rests", "decides", "goes", "lined", "calls", "works"] = "rests"
    leaves: bool = False
    lease: Lease | None = None
    route: str = ""
    began: float = NEVER
    spoke: bool = False
    own: list[float] = field(default_factory=list)
    """Until when it waits for its own failures' sake, one after the other."""
    missed: tuple[str, int] = ("", 0)
    """The route at which its last call failed, and how many had been answered there by then."""
    answered_by: str = ""
    errand: Errand | None = None
    told: asyncio.Future[Answer] | None = None
    on_event: Callable[[str], None] = lambda _: None

    @property
    def asks(self) -> bool:
        return len(self.own) >= OWN_MAX

    @property
    def key(self) -> str:
        return f"{ACCOUNT}:{self.name}"


class Told(Model):
    """A model that waits to be told how its calls end."""

    def __init__(self, talks: Mapping[str, Talk]) -> None:
        self._talks = talks

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        talk = self._talks[request.user]
        talk.told, talk.on_event = asyncio.get_running_loop().create_future(), on_event
        return await talk.told

    async def warm(self) -> None:
        """There is nothing to import."""

    async def close(self) -> None:
        """There is nothing to close."""


def classify(failure: RawFailure, _dialect: str, _worked_before: bool) -> Failure:
    kind, hint = told(failure.why)
    return Failure(kind, hint, "why")  # type: ignore[arg-type] # scenarios name nothing else
