"""The world, frozen: all that the table may know besides the transcript. The weather of the routes and the account, and what the owner decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal

from holdfast.core.access import Role
from holdfast.core.entries import Usage
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
    tools: bool = True
    price: tuple[float, float] = (0.0, 0.0)
    """Of a million tokens, read and written."""


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
    asks: bool = True
    """There is somebody who can be asked."""

    @property
    def keyed(self) -> bool:
        """What is sent there has our key: the platform knows it again, or we find it."""
        return self.key_holds_s > 0 or self.history

    @property
    def knows(self) -> bool:
        """Nothing that was sent there stays in doubt."""
        return self.key_holds_s == inf or self.history


@dataclass(frozen=True, slots=True)
class Budget:
    """What a turn may use up since its last grant before a person is asked. `cost` and `time_s` (spent in steps): infinity is no limit."""

    steps: int = 100
    repeats: int = 3
    fruitless: int = 15
    unknowns: int = 2
    failures: int = 3
    cost: float = inf
    time_s: float = inf


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner decided. Tools are named as the model sees them; one that is in none of `allows`, `asks` and `denies` is not known (yet)."""

    busy: Literal["steer", "queue", "interrupt"] = "steer"
    repeatable: frozenset[str] = frozenset()
    allows: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    denies: frozenset[str] = frozenset()
    budget: Budget = Budget()
    approval_expires_s: float = 3600.0
    question_expires_s: float = 86400.0


@dataclass(frozen=True, slots=True)
class Rights:
    """What one person may have done here. `policy`: theirs (None: everybody's). `rests_until`: they made so much work that more of it waits until then,
    because of `why`. `answers`, `tokens`, `cost`: what they used today. `role` None: they may not talk any more."""

    role: Role | None = "owner"
    policy: Policy | None = None
    rests_until: float = 0.0
    why: Literal["", "messages", "cost"] = ""
    answers: int = 0
    tokens: int = 0
    cost: float = 0.0


Chain = tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request asks of a route: to see pictures, to call tools, to read so many tokens; `widest`: it was too long for one, and so goes to those alone
    with the largest window."""

    pictures: bool = False
    tools: bool = False
    tokens: int = 0
    widest: bool = False


def able(chain: Chain, needs: Needs) -> Chain:
    """The routes of the chain that can serve the request. Where none can do a thing, it goes without it: a picture is named, no tool is offered, and
    what is too long is sent to show itself so."""
    if needs.pictures:
        chain = tuple(route for route in chain if route.images) or chain
    if needs.tools:
        chain = tuple(route for route in chain if route.tools) or chain
    chain = tuple(route for route in chain if route.window is None or route.window >= needs.tokens) or chain
    if needs.widest and chain:
        window = max(route.window or 0 for route in chain)
        chain = tuple(route for route in chain if (route.window or 0) == window)
    return chain


def first_open(chain: Chain) -> Route | None:
    """Failover, and switch-back: whoever calls a model asks this afresh."""
    return next((route for route in chain if route.open), None)


def gates(chain: Chain) -> str:
    """The gates of these routes, any of which will do, as a conversation waits at them."""
    return " ".join(sorted(route.gate for route in chain))


def narrowest(policies: Sequence[Policy]) -> Policy:
    """What all of these allow."""
    return replace(
        policies[0],
        allows=frozenset.intersection(*(policy.allows for policy in policies)),
        asks=frozenset.union(*(policy.asks for policy in policies)),
        denies=frozenset.union(*(policy.denies for policy in policies)),
    )


_OWNER = Rights()


@dataclass(frozen=True, slots=True)
class World:
    """All that the table may know besides the transcript. `attempts` counts this claim (DESIGN.md section 6).

    `routes` is the chain that the conversation uses by itself; `chains` those that a person may choose, and each route by its name; `summaries` and
    `scheduled` are for that kind of work (empty: what the conversation uses). `tools`: there are tool servers,
    so a route that can call tools is preferred. (For the gateway's own few tools no route is passed over.)
    """

    routes: Chain = ()
    chains: Mapping[str, Chain] = field(default_factory=dict)
    summaries: Chain = ()
    scheduled: Chain = ()
    tools: bool = False
    account: Account = Account()
    policy: Policy = Policy()
    attempts: int = 1
    began: float = 0.0
    """When this life of the gateway began."""
    rights: Mapping[str, Rights] = field(default_factory=dict)
    """Of the people of this conversation who matter now. Nobody else is in question: they have those of an owner."""

    def rights_of(self, person: str) -> Rights:
        return self.rights.get(person, _OWNER)

    def policy_of(self, people: Collection[str]) -> Policy:
        """What may be done for these people together: what each of them may have done. (Else a guest who writes while the owner's turn is at work would have
        the owner's tools.)"""
        policies = [self.rights_of(person).policy or self.policy for person in people] or [self.policy]
        return policies[0] if len(policies) == 1 else narrowest(policies)

    def cost(self, route: str, usage: Usage) -> float:
        """What an answer cost. A route that is no longer configured costs nothing."""
        known = self.chains.get(route) or tuple(one for one in self.routes if one.name == route)
        if not known:
            return 0.0
        return (usage.input_tokens * known[0].price[0] + usage.output_tokens * known[0].price[1]) / 1e6

    def chain(self, chosen: str, *, scheduled: bool = False) -> Chain:
        """What a turn uses. A choice that the configuration no longer knows counts as none."""
        return (self.scheduled if scheduled else ()) or self.chains.get(chosen, self.routes)
