"""The people of all accounts: whom an owner let in, and how much work each makes.

Who was let in stands in the journal; here is what is looked at for every message. How much somebody wrote in the last minute is forgotten by a restart; what
they used today is read from the journal again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from holdfast.core.access import LetIn, Role, Rules
from holdfast.core.entries import Usage
from holdfast.core.world import Policy, Rights
from holdfast.ports import Person, Used

MINUTE_S: Final = 60.0
DAY_S: Final = 86_400.0
KNOWN_MAX: Final = 100_000
"""Of so many people it is known what they used today."""


@dataclass(slots=True)
class _Work:
    """What one person made us do."""

    wrote: deque[float] = field(default_factory=deque)
    answers: int = 0
    tokens: int = 0
    cost: float = 0.0


class Persons:
    """See the module's docstring. `day_began`: when the day of an instant began, where the owner lives."""

    def __init__(
        self, rules: Mapping[str, Rules], now: Callable[[], float], day_began: Callable[[float], float] = lambda at: at - at % DAY_S
    ) -> None:
        self._rules, self._now, self._day_began = rules, now, day_began
        self._let_in: dict[str, dict[str, str]] = {}
        self._work: dict[tuple[str, str], _Work] = {}
        self._day = day_began(now())

    # --- who was let in --------------------------------------------------------------------------------------------------------------

    def know(self, people: Iterable[Person]) -> None:
        """These are in the journal."""
        for person in people:
            if person.since:
                self._let_in.setdefault(person.account, {})[person.id] = person.handle

    def forget(self, account: str, person: str) -> None:
        self._let_in.get(account, {}).pop(person, None)

    def let_in(self, account: str) -> LetIn:
        return self._let_in.get(account, {})

    # --- how much they do --------------------------------------------------------------------------------------------------------------

    def wrote(self, account: str, person: str) -> None:
        """They wrote a message, now."""
        most = self._rules[account].messages_per_minute
        if most:
            work, now = self._of(account, person), self._now()
            work.wrote.append(now)
            while len(work.wrote) > most + 1 or not now - MINUTE_S < work.wrote[0] <= now:
                work.wrote.popleft()

    def remember(self, used: Iterable[Used], price: Callable[[str], tuple[float, float]]) -> None:
        """What the journal says of today."""
        for one in used:
            work = self._of(one.account, one.author)
            work.answers += one.answers - 1
            self.used(one.account, one.author, Usage(input_tokens=one.input_tokens, output_tokens=one.output_tokens), price(one.route))

    def used(self, account: str, person: str, usage: Usage, price: tuple[float, float]) -> None:
        """An answer was made for them."""
        work = self._of(account, person)
        work.answers += 1
        work.tokens += usage.input_tokens + usage.output_tokens
        work.cost += (usage.input_tokens * price[0] + usage.output_tokens * price[1]) / 1e6

    def rights(self, account: str, person: str, role: Role | None, policy: Policy) -> Rights:
        """What somebody of this role may have done now."""
        rules, work, now = self._rules.get(account), self._of(account, person), self._now()
        until = 0.0
        why: Literal["", "messages", "cost"] = ""
        if rules is not None and rules.messages_per_minute and len(work.wrote) > rules.messages_per_minute:
            until, why = work.wrote[-rules.messages_per_minute - 1] + MINUTE_S, "messages"
        if rules is not None and work.cost >= rules.cost_per_day:
            until, why = self._day_began(now) + DAY_S, "cost"
        if until <= now:
            until, why = 0.0, ""
        return Rights(role, policy, until, why, work.answers, work.tokens, work.cost)

    def _of(self, account: str, person: str) -> _Work:
        day = self._day_began(self._now())
        if day != self._day:
            self._day = day
            self._work.clear()
        work = self._work.get((account, person))
        if work is None:
            while len(self._work) >= KNOWN_MAX:
                del self._work[next(iter(self._work))]
            work = self._work[account, person] = _Work()
        return work
