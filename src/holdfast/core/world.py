"""The world, frozen: all that the table may know besides the transcript. The weather of the routes and the account, and what the owner decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holdfast.core.text import Limit


@dataclass(frozen=True, slots=True)
class Route:
    """One route that can serve this conversation, as the weather has it. `gate` is its name there."""

    name: str
    gate: str
    open: bool = True
    closed_since: float = 0.0
    why: str = ""
    kind: str = ""
    until: float = 0.0
    window: int | None = None
    images: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """The account that this conversation speaks through, and what its platform can promise."""

    gate: str = ""
    open: bool = True
    key_holds_s: float = 0.0
    history: bool = False
    edits: bool = False
    unknown_send: Literal["resend", "ask", "drop"] = "resend"
    limit: Limit = Limit()


@dataclass(frozen=True, slots=True)
class Budget:
    """What a turn may use up since its last grant before a person is asked."""

    steps: int = 100
    repeats: int = 3
    unknowns: int = 2
    failures: int = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner decided. Tools are named as the model sees them."""

    busy: Literal["steer", "queue", "interrupt"] = "steer"
    repeatable: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    denies: frozenset[str] = frozenset()
    budget: Budget = Budget()
    approval_expires_s: float = 3600.0
    question_expires_s: float = 86400.0


@dataclass(frozen=True, slots=True)
class World:
    """All that the table may know besides the transcript. `attempts` counts this claim (DESIGN.md section 6)."""

    routes: tuple[Route, ...] = ()
    account: Account = Account()
    policy: Policy = Policy()
    attempts: int = 1

    def able(self, pictures: bool = False, widest: bool = False) -> tuple[Route, ...]:
        """The routes that can serve a request, with `pictures` or without: where none sees pictures, it goes without them. `widest`: those alone with
        the largest window, since it fits into no other."""
        routes = tuple(route for route in self.routes if route.images) if pictures else ()
        routes = routes or self.routes
        if not widest or not routes:
            return routes
        window = max(route.window or 0 for route in routes)
        return tuple(route for route in routes if (route.window or 0) == window)

    def route(self, pictures: bool = False, widest: bool = False) -> Route | None:
        """The first open route of the chain that can serve the request."""
        return next((route for route in self.able(pictures, widest) if route.open), None)

    def turn_gate(self, pictures: bool = False, widest: bool = False) -> str:
        return " ".join(sorted(route.gate for route in self.able(pictures, widest)))
