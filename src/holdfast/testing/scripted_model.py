"""A model that follows a script, on whatever clock the test has: for simulations, where no server can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from holdfast.core.entries import Usage
from holdfast.core.request import Request
from holdfast.ports import Answer, Clock, ModelFailed, RawFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Answer with this. The text comes in `pieces` pieces of about the same length, spread evenly over `takes_s`."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    takes_s: float = 0.0
    pieces: int = 1
    usage: Usage = Usage()
    provider_data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Fail after `takes_s`, having shown `text` in vain."""

    why: str = "the provider is down"
    status: int | None = 503
    text: str = ""
    takes_s: float = 0.0


Step = Say | Break
Script = Iterable[Step] | Callable[[Request], Step]


class ScriptedModel:
    """See `holdfast.ports.Model`. The script is a sequence of steps, whose last one is repeated, or a function that finds the step for a request.

    `requests` are the calls that were begun, `answers` counts those that were answered, `cancelled` those that were given up.
    """

    def __init__(self, clock: Clock, script: Script) -> None:
        self._clock = clock
        self._next = script if callable(script) else _one_after_the_other(script)
        self.requests: list[Request] = []
        self.answers = 0
        self.cancelled = 0

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        self.requests.append(request)
        step = self._next(request)
        done = False
        try:
            answer = await self._follow(step, on_event)
            done = True
        except ModelFailed:
            done = True
            raise
        finally:
            self.cancelled += not done
        self.answers += 1
        return answer

    async def _follow(self, step: Step, on_event: Callable[[str], None]) -> Answer:
        match step:
            case Break():
                if step.text:
                    on_event(step.text)
                await self._clock.sleep(step.takes_s)
                raise ModelFailed(RawFailure(step.why, step.status))
            case Say():
                for number in range(step.pieces):
                    on_event(step.text[: len(step.text) * number // step.pieces])
                    await self._clock.sleep(step.takes_s / step.pieces)
                on_event(step.text)
                return Answer(step.text, step.calls, step.usage, step.provider_data)

    async def warm(self) -> None:
        """There is nothing to import."""

    async def close(self) -> None:
        """There is nothing to close."""


def _one_after_the_other(script: Iterable[Step]) -> Callable[[Request], Step]:
    steps = list(script)
    return lambda _: steps.pop(0) if len(steps) > 1 else steps[0]
