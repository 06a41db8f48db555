"""The world around the gateway of a simulated day: people, providers, and what they were told. It outlives every gateway and keeps the truth."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from day_weather import CHAINS, MOODS, ROUTES, TINY_TOKENS, WAITS_S, Outcome, Seen, fails

from holdfast.core import words
from holdfast.core.entries import Usage
from holdfast.core.request import Assistant, Message, Request, Result, User, tokens
from holdfast.testing.clock import LoopClock
from holdfast.testing.fake_platform import FakeChat, Shown
from holdfast.testing.scripted_model import Break, Say, Step
from holdfast.testing.sim import SimLoop

TOKEN = re.compile(r"\b([a-z]+\d+\.\d+):")
MARK = words.SENT_AGAIN
LINES_OF_A_LONG_ANSWER = 20
NOTICES = (
    "has not answered for",
    "Stopped.",
    "A fresh start",
    "Shall I go on",
    "sent again after a restart",
    "I crashed several times",
    "can't be used as it is configured",
    "has no credit left",
    "is at its limit",
    "in a way that I don't know",
    "No model could take",
    "this conversation uses",
)
"""The gateway's own words, none of which a model may ever read."""


def invalid(messages: tuple[Message, ...]) -> str:
    """Why the strictest provider would not take this; "" if it would."""
    if not messages or not isinstance(messages[0], User) or isinstance(messages[-1], Assistant):
        return "does not begin with the user, or ends with the assistant"
    pending: list[str] = []
    for before, message in pairwise((None, *messages)):
        if isinstance(message, Result):
            if not pending or pending.pop(0) != message.call:
                return "a result without its call, or out of order"
            continue
        if pending:
            return "a call without its result"
        if type(before) is type(message):
            return "two of a kind in a row"
        if isinstance(message, Assistant):
            pending = [call.id for call in message.calls]
            if not message.text and not message.calls:
                return "an empty answer"
    return "a call without its result at the end" if pending else ""


@dataclass(slots=True)
class Given:
    """An answer that a provider gave: when it was asked for, and the text."""

    asked_at: float
    chat: str
    text: str
    tokens: tuple[str, ...]


@dataclass
class Providers:
    """The routes to a model that answers by tokens, so that anybody can see what was answered. `away` says which routes are out, and how."""

    loop: SimLoop
    clock: LoopClock
    rng: random.Random
    flaws: list[str]
    nearly_done: Callable[[str, float], None]
    """Told the chat whose answer comes in so many seconds."""
    away: dict[str, str] = field(default_factory=dict)
    configurations: Counter[str] = field(default_factory=Counter)
    """How often the configuration of a route was changed."""
    seen: Seen = field(default_factory=Seen)
    waits: list[float] = field(default_factory=list)
    """Until then nobody may have looked whether a route works again."""
    steady: bool = False
    """Nothing fails any more."""
    poison: str = ""
    """Whoever asks about this token dies."""
    kill: Callable[[], None] = lambda: None
    given: dict[int, Given] = field(default_factory=dict)
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By chat and virtual minute."""
    asked: int = 0

    def script(self, route: str) -> Callable[[Request], Step]:
        return lambda request: self.step(route, request)

    def step(self, route: str, request: Request) -> Step:
        step = self._step(route, request)
        kind = (
            MOODS[step.why][0] if isinstance(step, Break) and step.why in MOODS else "ok"
        )  # what is one conversation's own says that it works
        now = self.clock.now()
        if isinstance(step, Break) and step.why in WAITS_S:
            self.waits.append(now + step.takes_s + WAITS_S[step.why])
        self.seen.outcomes[route].append(Outcome(kind, now, now + step.takes_s, self.configurations[route]))
        return step

    def _step(self, route: str, request: Request) -> Step:
        said = "\n".join(message.text for message in request.messages if isinstance(message, User))
        named = TOKEN.findall(said)
        chat = named[-1].partition(".")[0] if named else "?"
        self._check(route, request, named, said)
        self.calls[chat, int(self.loop.time() // 60)] += 1
        if self.poison and f"{self.poison}:" in said:
            self.kill()
        if route in self.away:
            return fails(self.away[route], self.rng)
        if self.rng.random() < 0.02 and not self.steady:
            return fails(self.rng.choice(("refuses", "breaks")), self.rng)
        if route == "tiny" and tokens(request) > TINY_TOKENS:
            return Break(why="overflow", status=400)
        if self._is_odd(request):
            return Break(why="bad-transcript", status=400)
        if said.endswith(words.SUMMARY_REQUEST):
            return Say(text="We talked about this and that.", takes_s=2.0, usage=_usage(request, 8))
        return self._answer(request, chat)

    def _is_odd(self, request: Request) -> bool:
        """What is cursed nobody takes; what is odd only those who are not shown what others thought."""
        task = _task(request)
        return "cursed" in task or ("odd" in task and any(isinstance(m, Assistant) and m.provider_data for m in request.messages))

    def _answer(self, request: Request, chat: str) -> Step:
        rng = self.rng
        self.asked += 1
        number, takes_s = self.asked, rng.choice((0.02, 0.4, 0.4, 2.0, 8.0, 25.0))
        tail = _tail(request)
        rounds = sum(isinstance(message, Assistant) for message in tail)
        asked = tuple(dict.fromkeys(TOKEN.findall("\n".join(m.text for m in tail if isinstance(m, User)))))
        task = _task(request)
        self.nearly_done(chat, takes_s)
        if request.tools and rounds < 4 and (("tools" in task and rounds == 0) or (rounds and rng.random() < 0.2)):
            return Say(
                text=rng.choice(("", f"[#{number}] let me see")),
                calls=self._calls(number),
                takes_s=takes_s,
                pieces=2,
                provider_data="thoughts",
            )
        text = f"[#{number}] re: {' '.join(asked)}"
        if "long" in task:
            text += "".join(f"\n#{number} line {line} of what there is to say about it" for line in range(LINES_OF_A_LONG_ANSWER))
        text += f"\n#{number} end"
        self.given[number] = Given(self.clock.now(), chat, text, asked)
        return Say(text=text, takes_s=takes_s, pieces=3, provider_data="thoughts", usage=_usage(request, len(text) // 4))

    def _calls(self, number: int) -> tuple[tuple[str, str], ...]:
        rng = self.rng
        tools = rng.choices(("count", "lookup", "slow", "clock"), (5, 2, 2, 1), k=rng.randint(1, 3))
        arguments = ({"key": f"{number}/{i}", "seconds": rng.choice((0.1, 1.0, 20.0))} for i in range(9))
        wanted = {"count": ("key",), "lookup": ("key",), "slow": ("seconds", "key"), "clock": ()}
        return tuple((f"demo__{t}", json.dumps({name: a[name] for name in wanted[t]})) for t, a in zip(tools, arguments, strict=False))

    def _check(self, route: str, request: Request, named: list[str], said: str) -> None:
        why = invalid(request.messages)
        if why:
            self.flaws.append(f"a request is not valid: {why}")
        if len({token.partition(".")[0] for token in named}) > 1:
            self.flaws.append(f"a request mixes chats: {named}")
        if route == "mute" and (
            request.tools or any(isinstance(m, Result) or (isinstance(m, Assistant) and m.calls) for m in request.messages)
        ):
            self.flaws.append("a model that knows no tools is shown some")
        everything = said + "".join(message.text for message in request.messages if isinstance(message, Assistant))
        if any(notice in everything for notice in NOTICES):
            self.flaws.append(f"the gateway's own words in a request: {everything[:200]}")
        fresh = [int(t.partition(".")[2]) for t in TOKEN.findall(_fresh(request))]
        if fresh != sorted(fresh):
            self.flaws.append(f"messages in another order than they were written: {fresh}")


def _usage(request: Request, written: int) -> Usage:
    return Usage(input_tokens=tokens(request), output_tokens=written)


def _task(request: Request) -> str:
    """What the user wants."""
    return next((m.text.rpartition(": ")[2] for m in reversed(_tail(request)) if isinstance(m, User)), "say")


def _tail(request: Request) -> list[Message]:
    """Since the last answer that left nothing open."""
    done = [i for i, message in enumerate(request.messages) if isinstance(message, Assistant) and not message.calls]
    return list(request.messages[done[-1] + 1 if done else 0 :])


def _fresh(request: Request) -> str:
    """What the user said since then, without what the gateway brings back in brackets."""
    text = "\n\n".join(message.text for message in _tail(request) if isinstance(message, User))
    return text.partition("[")[0]


@dataclass
class People:
    """Everybody who writes, in the chats of two accounts."""

    chats: dict[str, FakeChat]
    rng: random.Random
    written: Counter[str] = field(default_factory=Counter)
    ids: dict[str, str] = field(default_factory=dict)
    """The platform's id of the last message of a chat."""

    def say(self, chat: str, task: str) -> None:
        self.written[chat] += 1
        self.ids[chat] = self.chats[chat].write(chat, f"{chat}.{self.written[chat]}: {task}")

    def order(self, chat: str, command: str) -> None:
        self.chats[chat].write(chat, command)

    def change(self, chat: str, *, delete: bool) -> None:
        """Edit or delete the last message."""
        if chat not in self.ids:
            return
        if delete:
            self.chats[chat].delete(chat, self.ids[chat])
        else:
            self.chats[chat].edit(chat, self.ids[chat], f"{chat}.{self.written[chat]}: tools, and I changed this")

    def do_something(self, loop: SimLoop, chat: str) -> None:
        """One thing that people do."""
        rng, task = self.rng, self.rng.choices(("say", "tools", "long", "odd", "cursed"), (8, 8, 4, 2, 0.3))[0]
        doings = {"say": 50, "burst": 12, "stop": 10, "instead": 6, "new": 4, "retry": 6, "status": 4, "model": 8, "edit": 8, "delete": 3}
        match rng.choices(tuple(doings), tuple(doings.values()))[0]:
            case "say":
                self.say(chat, task)
            case "burst":
                for _ in range(rng.randint(2, 5)):
                    loop.call_later(rng.uniform(0.0, 0.03), self.say, chat, task)
            case "stop" | "new" as command:
                self.say(chat, task)
                loop.call_later(rng.choice((0.002, 0.3, 3.0, 12.0)) * rng.random(), self.order, chat, f"/{command}")
            case "instead":
                self.say(chat, "tools")
                late = rng.choice((0.01, 0.4, 0.5, 2.0, 3.0)) + rng.uniform(0.0, 0.01)
                loop.call_later(late, self.order, chat, "/stop")
                loop.call_later(late + rng.uniform(0.0, 0.006), self.say, chat, task)
            case "retry" | "status" as command:
                self.order(chat, f"/{command}")
            case "model":
                self.order(chat, f"/model {rng.choice((*CHAINS, *CHAINS, *ROUTES, 'nonsense'))}")
            case change:
                self.say(chat, task)
                late = rng.choice((0.01, 1.0, 20.0)) * rng.random()
                loop.call_later(late, lambda: self.change(chat, delete=change == "delete"))


def core(shown: Shown) -> tuple[str, bool]:
    """A text on the screen without its mark; and whether it was marked as sent again."""
    return shown.text.removeprefix(MARK), shown.text.startswith(MARK)
