from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, Delivered, Entry, Question, SetAside, ToolResult, ToolStarted
from holdfast.models.practice_words import LONG_STORY
from holdfast.testing.demo_rig import DemoProcess, children_of, runs, until
from holdfast.testing.process import Away, effects_in
from holdfast.web.wire import ACCOUNT

NAME = "demo-test"
KEY = f"{ACCOUNT}:{NAME}"


@pytest.fixture
async def demo() -> AsyncIterator[DemoProcess]:
    async with DemoProcess.started() as demo:
        await demo.link()
        yield demo


async def say(demo: DemoProcess, text: str) -> None:
    """Sent under one key until it is saved, as the page does."""
    async with asyncio.timeout(20), demo.door() as door:
        while True:
            with contextlib.suppress(Away):
                await door.send(NAME, text, text)
                return


async def in_mid_answer(demo: DemoProcess) -> None:
    async with asyncio.timeout(20), demo.door() as door:
        while True:
            with contextlib.suppress(Away):
                async with contextlib.aclosing(door.events(NAME)) as events:
                    async for event in events:
                        if getattr(event, "text", "") and getattr(event, "at", 0) > 50:
                            return


def answers(entries: Sequence[Entry]) -> list[str]:
    return [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage)]


def of(kind: type) -> Callable[[Sequence[Entry]], bool]:
    return lambda entries: any(isinstance(entry.body, kind) for entry in entries)


async def whole_tree(demo: DemoProcess) -> Mapping[int, str]:
    """The gateway, its tool server and that one's guard, once they run."""
    await until(lambda: len(children_of(demo.process.pid)) == 3)
    return children_of(demo.process.pid)


async def test_it_welcomes_with_a_link_and_ctrl_c_ends_everything_soon(demo: DemoProcess) -> None:
    gateway = await demo.gateway()
    assert (demo.folder.stat().st_mode & 0o777) == 0o700
    tree = await whole_tree(demo)
    assert gateway in tree
    asked = time.monotonic()
    assert await demo.ended(signal.SIGINT) == 0
    assert time.monotonic() - asked < 5
    await until(lambda: not any(map(runs, tree)))
    assert demo.gone
    assert demo.lines[-1] == "The demo is over, and its folder is deleted."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_other_ways_to_end_it_end_it_as_well(demo: DemoProcess, number: signal.Signals) -> None:
    assert await demo.ended(number) == 0
    assert demo.gone


async def test_where_it_is_killed_itself_it_leaves_no_orphans(demo: DemoProcess) -> None:
    tree = await whole_tree(demo)
    await demo.ended(signal.SIGKILL)
    await until(lambda: not any(map(runs, tree)))


async def test_a_port_that_somebody_has_is_no_obstacle(demo: DemoProcess) -> None:
    assert ":8420/" not in await demo.link()


async def test_killed_in_mid_answer_the_gateway_is_back_at_once_and_the_answer_is_finished_once(demo: DemoProcess) -> None:
    await say(demo, "Tell me a long story")
    await in_mid_answer(demo)
    first = await demo.gateway()
    await demo.press("kill-gateway")
    after_s = float((await demo.told(r"gateway killed \(SIGKILL\), started again after ([\d.]+) s")).group(1))
    assert after_s < 5
    assert await demo.gateway(2) != first
    entries = await demo.entries(NAME, of(Delivered))
    assert answers(entries) == [LONG_STORY]


async def test_killed_five_times_in_one_answer_it_asks_and_then_finishes_once(demo: DemoProcess) -> None:
    await say(demo, "Tell me a long story")
    for life in range(1, 6):
        if life <= 3:  # at the fourth claim without a fact the turn is set aside
            await in_mid_answer(demo)
        os.kill(await demo.gateway(life), signal.SIGKILL)
        await demo.gateway(life + 1)
    entries = await demo.entries(NAME, of(SetAside))
    assert sum(isinstance(entry.body, SetAside) for entry in entries) == 1
    (asked,) = [entry.seq for entry in entries if isinstance(entry.body, Question)]
    assert answers(entries) == []
    await say(demo, f"/choose {asked} try again")
    entries = await demo.entries(NAME, lambda entries: bool(answers(entries)))
    assert answers(entries) == [LONG_STORY]


@pytest.mark.parametrize("action", ["kill-tool", "kill-gateway"])
async def test_a_tool_that_is_safe_to_repeat_is_run_again(demo: DemoProcess, action: str) -> None:
    await say(demo, 'use slow {"seconds": 3, "key": "walk"}')
    await demo.entries(NAME, of(ToolStarted))
    await demo.press(action)
    entries = await demo.entries(NAME, lambda entries: any(answers(entries)))
    assert answers(entries)[-1] == "The tool demo__slow says: took 3 s"
    assert not of(Question)(entries)
    assert effects_in(demo.folder / "effects")["slow", "walk"] == 1


@pytest.mark.parametrize("action", ["kill-tool", "kill-gateway"])
async def test_a_tool_that_must_not_run_twice_is_not_and_the_person_may_have_it_checked(demo: DemoProcess, action: str) -> None:
    await say(demo, 'use count {"key": "visitors", "seconds": 3}')
    await demo.entries(NAME, of(ToolStarted))
    await demo.press(action)
    entries = await demo.entries(NAME, lambda entries: of(Question)(entries) and any(answers(entries)))
    assert [entry.body.outcome for entry in entries if isinstance(entry.body, ToolResult)] == ["unknown"]
    (asked,) = [entry.seq for entry in entries if isinstance(entry.body, Question)]
    await say(demo, f"/choose {asked} check")
    await demo.entries(NAME, lambda entries: any("visitors was counted 0 times" in text for text in answers(entries)))
    assert effects_in(demo.folder / "effects")["count", "visitors"] == 0


async def test_a_gateway_that_can_not_live_is_given_up_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "apsw.py").write_text("raise SystemExit('planted: the gateway has no database')\n")
    async with DemoProcess.started(PYTHONPATH=str(tmp_path)) as demo:
        await demo.told("3 times in a row")
        await demo.told("planted: the gateway has no database")
        assert await asyncio.wait_for(demo.process.wait(), 20) == 75
        assert demo.gone


async def test_where_there_is_a_display_the_browser_is_opened_and_one_that_fails_does_no_harm(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\nexit 1\n')
    browser.chmod(0o700)
    async with DemoProcess.started(DISPLAY=":99", BROWSER=f"{browser} %s") as demo:
        link = await demo.link()
        await until((tmp_path / "opened").exists)
        assert (tmp_path / "opened").read_text().strip() == link
        assert await demo.ended(signal.SIGINT) == 0
