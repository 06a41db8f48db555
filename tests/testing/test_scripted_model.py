from __future__ import annotations

import asyncio

import pytest

from holdfast.core.request import Request, User
from holdfast.ports import ModelFailed
from holdfast.testing.scripted_model import Break, Say, ScriptedModel, Step


class Clock:
    """Counts what is slept, and never waits."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def now(self) -> float:
        return self.slept_s

    def monotonic(self) -> float:
        return self.slept_s

    async def sleep(self, delay_s: float) -> None:
        self.slept_s += delay_s
        await asyncio.sleep(0)


REQUEST = Request("", (User("Hi"),))


async def test_it_follows_its_script_and_repeats_the_last_step() -> None:
    model = ScriptedModel(Clock(), [Say(calls=(("clock", "{}"),)), Say(text="Done.")])
    answers = [await model.call(REQUEST, lambda _: None) for _ in range(3)]
    assert [answer.text for answer in answers] == ["", "Done.", "Done."]
    assert answers[0].calls == (("clock", "{}"),)
    assert (len(model.requests), model.answers, model.cancelled) == (3, 3, 0)


async def test_it_takes_its_time_on_the_clock_it_was_given() -> None:
    clock = Clock()
    shown: list[str] = []
    await ScriptedModel(clock, [Say(text="abcdef", pieces=3, takes_s=6)]).call(REQUEST, shown.append)
    assert shown == ["", "ab", "abcd", "abcdef"]
    assert clock.slept_s == 6


async def test_it_fails_as_told() -> None:
    shown: list[str] = []
    with pytest.raises(ModelFailed) as caught:
        await ScriptedModel(Clock(), [Break(why="gone", status=None, text="Half")]).call(REQUEST, shown.append)
    assert (caught.value.failure.why, caught.value.failure.status, shown) == ("gone", None, ["Half"])


async def test_a_function_may_find_the_step() -> None:
    def script(request: Request) -> Step:
        return Say(text=request.messages[-1].text.upper())

    assert (await ScriptedModel(Clock(), script).call(REQUEST, lambda _: None)).text == "HI"


async def test_a_call_that_is_given_up_is_counted() -> None:
    model = ScriptedModel(Clock(), [Say(text="long", pieces=1000, takes_s=1000)])
    begun = asyncio.Event()
    call = asyncio.ensure_future(model.call(REQUEST, lambda _: begun.set()))
    await begun.wait()
    call.cancel()
    await asyncio.wait((call,))
    assert (model.cancelled, model.answers) == (1, 0)
