"""A server that hangs in the middle of a call, and one that only takes its time (docs/decisions/013-who-hangs.md)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import Call
from holdfast.ports import ToolOutcome
from holdfast.testing.contracts.tools import call
from holdfast.testing.tool_rig import HttpServer, SystemClock, children, demo_server, eventually, gone, supervised
from holdfast.tools import child, pulse
from holdfast.tools.mcp import McpHost
from holdfast.tools.processes import is_stopped
from holdfast.tools.settings import Command, ServerSettings

ODD = str(Path(__file__).parent / "odd_server.py")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere the kernel does not tell whether a process is stopped.")


async def _forget(_tool_list: object) -> None: ...


@contextlib.asynccontextmanager
async def hosting(settings: ServerSettings) -> AsyncIterator[McpHost]:
    host = McpHost([settings], _forget, {}, SystemClock())
    async with supervised(host):
        await eventually(lambda: host.servers()[0].state == "ready", 30)
        yield host


def odd(*options: str, **settings: Any) -> ServerSettings:
    return ServerSettings("odd", Command((sys.executable, ODD, *options)), **settings)


async def ask(host: McpHost, tool: str, arguments: str = "{}") -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool=f"odd__{tool}", arguments=arguments))


async def under_way(host: McpHost, calls: int = 1) -> None:
    session = next(iter(host._servers.values()))._session
    assert session
    await eventually(lambda: session.calls == calls)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PING_S", 0.1)
    monkeypatch.setattr(pulse, "DEAF_S", 2.0)
    monkeypatch.setattr(child, "END_OF_INPUT_S", 0.3)  # who hangs ends at no word of ours
    monkeypatch.setattr(child, "TERMINATE_S", 0.2)


@linux
async def test_a_server_stopped_in_mid_call_gives_its_callers_an_answer_within_seconds_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-49: nothing of it is left."""
    assert pulse.PING_S <= 3.0, "its callers have their answer after two of these; here it goes faster"
    monkeypatch.setattr(pulse, "PING_S", 0.5)
    monkeypatch.setattr(child, "END_OF_INPUT_S", 0.3)
    monkeypatch.setattr(child, "TERMINATE_S", 0.2)
    async with hosting(demo_server(tmp_path / "effects", replay={"count": "never"})) as host:
        pid = host.servers()[0].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        outcomes = await asyncio.gather(*(host.call(call("count", key=key)) for key in "abc"))
        assert {outcome.outcome for outcome in outcomes} == {"unknown"}
        assert "a signal has stopped it" in outcomes[0].text
        assert time.monotonic() - begun < 10 * pulse.PING_S
        await eventually(lambda: host.servers()[0].state == "down")
        assert "a signal has stopped it" in host.servers()[0].why, "said at once, while it is being ended"
        await eventually(lambda: host.servers()[0].restarts == 1 and host.servers()[0].state == "ready", 30)
        assert (await host.call(call("clock"))).outcome == "ok"
        assert gone(pid)


@linux
async def test_what_a_wrapper_has_started_is_looked_at_too(tmp_path: Path, quick: None) -> None:
    """`npx` and its like go on: it is their child that is stopped."""
    behind = demo_server(tmp_path / "effects", replay={"count": "never"})
    assert isinstance(behind.where, Command)
    wrapped = Command(("/bin/sh", "-c", f"{shlex.join(behind.where.words)}; true"), behind.where.env)
    async with hosting(ServerSettings("demo", wrapped)) as host:
        (server,) = children(host.servers()[0].pid or 0)
        os.kill(server, signal.SIGSTOP)
        outcome = await host.call(call("count", key="a"))
        assert outcome.outcome == "unknown" and "a signal has stopped it" in outcome.text
        await eventually(lambda: gone(server), 20)


@linux
async def test_one_that_is_stopped_and_goes_on_before_anybody_asks_is_left_alone(tmp_path: Path, quick: None) -> None:
    async with hosting(demo_server(tmp_path / "effects")) as host:
        pid = host.servers()[0].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: is_stopped(pid))
        os.kill(pid, signal.SIGCONT)
        assert (await host.call(call("count", key="a"))).outcome == "ok"
        assert host.servers()[0].restarts == 0


async def test_one_that_does_one_thing_at_a_time_hears_no_ping_and_is_left_to_its_work(quick: None) -> None:
    async with hosting(odd()) as host:
        assert await ask(host, "busy") == ToolOutcome("ok", "done")
        both = await asyncio.gather(ask(host, "busy"), ask(host, "busy"))
        assert {one.text for one in both} == {"done"}, "one after the other"
        assert host.servers()[0].restarts == 0


async def test_one_that_answers_pings_is_alive_and_its_call_has_all_the_silence_that_is_configured(quick: None) -> None:
    async with hosting(odd(timeout_s=3.0)) as host:
        outcome = await ask(host, "silent")
        assert (outcome.outcome, outcome.text.partition(";")[0]) == ("unknown", "the tool was silent for 3 s and was given up")
        assert host.servers()[0].restarts == 0


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_one_that_answered_while_it_worked_and_then_no_more_hangs_and_is_replaced(quick: None, era: str) -> None:
    async with hosting(odd(era)) as host:
        outcome = await ask(host, "deafen", '{"pings": 3}')
        assert outcome.outcome == "unknown" and "nothing more for 2 s" in outcome.text
        await eventually(lambda: host.servers()[0].restarts == 1 and host.servers()[0].state == "ready", 30)
        assert (await ask(host, "empty")).outcome == "ok"


async def test_one_that_answered_but_one_ping_may_have_done_so_before_it_began_and_is_left_to_its_work(quick: None) -> None:
    async with hosting(odd(timeout_s=1.5, connect_timeout_s=2.0)) as host:
        outcome = await ask(host, "deafen", '{"pings": 1}')
        assert "silent for 1.5 s" in outcome.text


async def test_a_server_elsewhere_that_hangs_in_mid_call_is_given_up_too(tmp_path: Path, quick: None) -> None:
    async with (
        HttpServer(tmp_path / "effects") as server,
        hosting(server.settings(connect_timeout_s=2.0, replay={"slow": "never"})) as host,
    ):
        going = asyncio.create_task(host.call(call("slow", key="a", seconds=600)))
        await under_way(host)
        beating = host._servers["demo"]._session
        assert beating
        await eventually(lambda: max(beating.pulse._calls.values(), default=0) >= pulse.PROOF, 20)
        os.kill(server.pid, signal.SIGSTOP)
        outcome = await asyncio.wait_for(going, 20)
        assert outcome.outcome == "unknown" and "nothing more for 2 s" in outcome.text
        os.kill(server.pid, signal.SIGCONT)
        await eventually(lambda: host.servers()[0].state == "ready", 20)
        assert (await host.call(call("clock"))).outcome == "ok"


async def test_an_idle_server_is_not_pinged_and_a_call_leaves_no_task_behind(quick: None) -> None:
    async with hosting(odd()) as host:
        session = host._servers["odd"]._session
        assert session
        asked = 0
        whole = session.pulse._ping

        async def counted() -> bool:
            nonlocal asked
            asked += 1
            return await whole()

        session.pulse._ping = counted
        before = len(asyncio.all_tasks())
        assert await ask(host, "busy") == ToolOutcome("ok", "done")
        assert asked == 1, "one ping at a time, however long its answer takes"
        await eventually(lambda: len(asyncio.all_tasks()) == before)
        assert not session.pulse._working.is_set(), "nothing more is asked until there is another call"
