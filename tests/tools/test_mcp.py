from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from holdfast.core.entries import Call
from holdfast.errors import Config, JournalFailed, Temporary
from holdfast.ports import Clock, ToolList, ToolOutcome
from holdfast.testing.contracts.tools import call
from holdfast.testing.tool_rig import SystemClock, children, demo_server, eventually, gone, supervised
from holdfast.tools import child, mcp
from holdfast.tools.catalogue import Offered
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Command, ServerSettings

ODD = str(Path(__file__).parent / "odd_server.py")


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "END_OF_INPUT_S", 0.4)
    monkeypatch.setattr(child, "TERMINATE_S", 0.2)


class Ahead(SystemClock):
    """A clock that can be set ahead."""

    by_s = 0.0

    def now(self) -> float:
        return super().now() + self.by_s


class Kept:
    """The journal's part: the lists that were kept."""

    def __init__(self) -> None:
        self.lists: list[ToolList] = []

    async def keep(self, tool_list: ToolList) -> None:
        self.lists.append(tool_list)


def a_host(*servers: ServerSettings, kept: Kept | None = None, known: ToolList | None = None, clock: Clock | None = None) -> McpHost:
    return McpHost(servers, (kept or Kept()).keep, {known.server: known} if known else {}, clock or SystemClock())


def odd(oddity: str = "", **settings: float | str | dict[str, str]) -> ServerSettings:
    return ServerSettings("odd", Command((sys.executable, ODD, oddity)), **settings)  # type: ignore[arg-type]  # the tests' own settings


async def ask(host: McpHost, tool: str) -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool=f"odd__{tool}", arguments="{}"))


async def run_once(host: McpHost) -> None:
    (run,) = host.children().values()
    await run(lambda: None)


# --- servers that can't be had ---------------------------------------------------------------------------------------------------------


async def test_a_command_that_is_not_there_is_a_mistake_in_the_configuration_and_holds_nobody_up() -> None:
    host = a_host(ServerSettings("odd", Command(("no-such-program",))))
    with pytest.raises(Config, match=r"'no-such-program' was not found. Install it, or give its full path in \[tools.odd\]"):
        await run_once(host)
    await host.ready()
    assert [state.state for state in host.servers()] == ["misconfigured"]


async def test_a_file_that_is_no_program_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no program")
    with pytest.raises(Config, match="can't be run"):
        await run_once(a_host(ServerSettings("odd", Command((str(file),)))))
    file.chmod(0o700)
    with pytest.raises(Config, match="can't be run"):
        await run_once(a_host(ServerSettings("odd", Command((str(file),)))))


async def test_a_server_that_ends_at_once_is_down_at_once_and_its_last_words_are_told() -> None:
    host = a_host(odd("crash"))
    with pytest.raises(Temporary, match=r"lost.*exit status is 3.*the licence has run out"):
        await run_once(host)
    assert host.servers()[0].state == "down"


async def test_a_server_that_prints_garbage_is_given_up_in_time_and_the_garbage_is_told() -> None:
    host = a_host(odd("garbage", connect_timeout_s=0.4))
    begun = time.monotonic()
    with pytest.raises(Temporary, match=r"did not answer within 0.4 s.*Welcome to the odd server!.*not MCP"):
        await run_once(host)
    assert time.monotonic() - begun < 15


async def test_a_server_that_says_nothing_is_given_up_in_time_and_ready_waits_no_longer() -> None:
    host = a_host(odd("deaf", connect_timeout_s=0.3))
    async with supervised(host):
        await host.ready()
        assert host.tools() == ()
        assert (await ask(host, "empty")).outcome == "error"


async def test_a_server_that_neither_ends_with_its_input_nor_when_asked_is_killed() -> None:
    host = a_host(odd("stubborn"))
    async with supervised(host):
        await host.ready()
        (state,) = host.servers()
        assert state.pid
    await eventually(lambda: gone(state.pid or 0))


async def test_what_a_server_has_started_ends_with_it() -> None:
    """Part I row 20: the wrapper (`npx`) was ended, and what it had started was not."""
    host = a_host(odd())
    async with supervised(host):
        grandchild = int((await ask(host, "leave")).text)
        assert not gone(grandchild)
    await eventually(lambda: gone(grandchild))


async def test_being_stopped_in_mid_start_leaves_no_process() -> None:
    host = a_host(odd("deaf"))
    (run,) = host.children().values()
    before = set(children(os.getpid()))
    owner = asyncio.create_task(run(lambda: None))
    await eventually(lambda: set(children(os.getpid())) > before)
    pids = set(children(os.getpid())) - before
    owner.cancel()
    await asyncio.wait([owner])
    assert owner.cancelled()
    await eventually(lambda: all(map(gone, pids)))


# --- starting, being lost, coming back -------------------------------------------------------------------------------------------------


async def test_a_call_waits_for_a_server_that_is_starting() -> None:
    host = a_host(odd("slow"))
    async with supervised(host):
        assert host.servers()[0].state == "starting"
        assert (await ask(host, "empty")).outcome == "ok"


async def test_a_call_to_a_server_that_does_not_come_is_unavailable_with_since_when_and_why() -> None:
    kept = Kept()
    async with supervised(first := a_host(odd(), kept=kept)):
        await first.ready()
    clock = Ahead()
    host = a_host(odd("crash", connect_timeout_s=0.5), known=kept.lists[0], clock=clock)
    async with supervised(host):
        outcome = await ask(host, "empty")
        assert outcome.outcome == "error"
        assert outcome.text.startswith("unavailable: tool server 'odd' is ")
        assert " since 20" in outcome.text and "the licence has run out" in outcome.text
    clock.by_s = 60  # it is not only just lost: nobody waits for it now
    begun = time.monotonic()
    assert (await ask(host, "empty")).outcome == "error"
    assert time.monotonic() - begun < 5


async def test_tools_are_known_before_the_server_is_and_stay_when_it_goes() -> None:
    """H-51."""
    kept = Kept()
    async with supervised(first := a_host(odd(), kept=kept)):
        await first.ready()
        tools = first.tools()
    assert first.tools() == tools != ()
    host = a_host(odd("deaf"), known=kept.lists[0])
    await host.ready()
    assert host.tools() == tools


async def test_a_server_that_never_worked_is_waited_for_once_and_not_again_at_every_start() -> None:
    kept = Kept()
    async with supervised(first := a_host(odd("crash", connect_timeout_s=0.5), kept=kept)):
        await first.ready()
        async with asyncio.timeout(20):
            while not kept.lists:  # noqa: ASYNC110 - its end is known a little later, and this keeps lists, no more
                await asyncio.sleep(0.01)
    second = a_host(odd("crash", connect_timeout_s=0.5), known=kept.lists[0])
    await second.ready()  # though nobody runs it
    assert second.tools() == ()


async def test_a_kept_list_of_another_configuration_or_version_is_ignored() -> None:
    assert a_host(odd(fingerprint="new"), known=ToolList("odd", "old", "[]")).servers()[0].tools == 0
    host = a_host(odd(fingerprint="f"), known=ToolList("odd", "f", '{"of": "another version"}'))
    assert host.tools() == ()


async def test_a_list_is_kept_once_and_again_only_when_it_changes() -> None:
    kept = Kept()
    host = a_host(odd(), kept=kept)
    async with supervised(host):
        await host.ready()
        pid = host.servers()[0].pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: host.servers()[0].restarts == 1 and host.servers()[0].state == "ready")
        assert len(kept.lists) == 1
        await ask(host, "grow")
        await eventually(lambda: "odd__grown" in {tool.name for tool in host.tools()})
        assert len(kept.lists) == 2


async def test_a_journal_that_fails_is_not_taken_for_a_failure_of_the_server() -> None:
    async def fail(_tool_list: ToolList) -> None:
        raise JournalFailed("the disk is gone")

    with pytest.raises(JournalFailed, match="the disk is gone"):
        await run_once(McpHost([odd()], fail, {}, SystemClock()))


async def test_an_idle_server_that_answers_no_more_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "PROBE_S", 0.05)
    host = a_host(demo_server(tmp_path / "effects", connect_timeout_s=1.0))
    async with supervised(host):
        await host.ready()
        pid = host.servers()[0].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: host.servers()[0].restarts == 1)
        assert (await host.call(call("clock"))).outcome == "ok"
        assert gone(pid)


async def test_a_server_stopped_in_mid_call_is_silent_then_down_and_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its idle probe is a minute away: the silence of the call is reason enough to ask."""
    host = a_host(demo_server(tmp_path / "effects", connect_timeout_s=1.0, timeout_s=0.5, replay={"count": "never"}))
    async with supervised(host):
        await host.ready()
        await host.call(call("clock"))
        pid = host.servers()[0].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        going = asyncio.create_task(host.call(call("count", key="a")))
        begun = time.monotonic()
        assert (await going).outcome == "unknown"
        assert "silent for 0.5 s" in (await going).text
        assert host.servers()[0].state == "down"
        assert time.monotonic() - begun < 10
        await eventually(lambda: host.servers()[0].restarts == 1)
        assert (await host.call(call("clock"))).outcome == "ok"
        assert time.monotonic() - begun < 30
        assert gone(pid)


async def test_a_tool_that_is_silent_at_a_server_that_answers_costs_its_own_call_only(tmp_path: Path) -> None:
    host = a_host(odd(timeout_s=0.3))
    async with supervised(host):
        await host.ready()
        pid = host.servers()[0].pid
        assert (await ask(host, "silent")).outcome == "unknown"
        assert (await ask(host, "empty")).outcome == "ok"
        assert (host.servers()[0].pid, host.servers()[0].restarts) == (pid, 0)


async def test_the_state_of_a_server_tells_its_process_and_its_memory(tmp_path: Path) -> None:
    host = a_host(demo_server(tmp_path / "effects"))
    assert host.servers()[0].memory_bytes is None
    async with supervised(host):
        await eventually(lambda: host.servers()[0].state == "ready")
        state = host.servers()[0]
        assert state.pid in children(os.getpid())
        assert 5_000_000 < (state.memory_bytes or 0) < 100_000_000
    assert (host.servers()[0].pid, host.servers()[0].memory_bytes) == (None, None)


@pytest.mark.parametrize(
    "words", ["x", "", '{"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}']
)
async def test_a_server_that_prints_without_end_holds_up_nobody_but_itself(tmp_path: Path, words: str) -> None:
    """It took half a second of every one, and another server half a minute to start."""
    flood = ServerSettings("odd", Command((sys.executable, "-c", f"while True: print({words!r})")))
    loop = asyncio.get_running_loop()
    async with supervised(host := a_host(flood, demo_server(tmp_path / "effects"))):
        await eventually(lambda: host.servers()[1].state == "ready")
        used = time.process_time()
        begun = loop.time()
        await asyncio.gather(*(host.call(call("slow", seconds=1)) for _ in range(3)))
        assert time.process_time() - used < 0.7 * (loop.time() - begun)


async def test_a_busy_server_is_not_taken_for_a_dead_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "PROBE_S", 0.05)
    async with supervised(host := a_host(odd(connect_timeout_s=0.5))):
        assert (await ask(host, "busy")).outcome == "ok"
        assert host.servers()[0].restarts == 0


async def test_one_too_busy_to_answer_takes_no_new_calls_until_it_does_and_ends_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "PROBE_S", 0.05)
    monkeypatch.setattr(mcp, "PROBE_DOWN_S", 0.05)
    async with supervised(host := a_host(odd(connect_timeout_s=0.3))):
        await eventually(lambda: host.servers()[0].state == "ready")
        busy = asyncio.create_task(ask(host, "busy"))
        await eventually(lambda: host.servers()[0].state == "down")
        outcome = await ask(host, "empty")
        assert outcome.outcome == "error" and "is down since" in outcome.text and "did not answer within 0.3 s" in outcome.text
        assert not busy.done()
        assert await busy == ToolOutcome("ok", "done")
        await eventually(lambda: host.servers()[0].state == "ready")
        assert (await ask(host, "empty")).outcome == "ok"
        assert host.servers()[0].restarts == 0


async def test_a_server_whose_own_child_holds_its_output_open_is_lost_all_the_same() -> None:
    async with supervised(host := a_host(odd())):
        outcome = await ask(host, "orphan")
        assert outcome.outcome == "unknown"
        assert "exit status is 1" in outcome.text
        assert (await ask(host, "empty")).outcome == "ok"


async def test_errors_of_tools_and_of_those_who_call_them_never_start_a_server_anew(tmp_path: Path) -> None:
    """H-50: whoever answers is well."""
    journal = tmp_path / "effects"
    host = a_host(demo_server(journal))
    async with supervised(host):
        await host.ready()
        await asyncio.gather(*(host.call(call("count", wrong=n)) for n in range(20)), *(host.call(call("nonesuch")) for _ in range(5)))
        assert (await host.call(call("clock"))).outcome == "ok"
    starts = [line for line in journal.read_text().splitlines() if json.loads(line)["effect"] == "start"]
    assert len(starts) == 1


async def test_one_bad_server_holds_no_other_up(tmp_path: Path) -> None:
    """H-52."""
    host = a_host(odd("garbage"), demo_server(tmp_path / "effects"), ServerSettings("none", Command(("no-such-program",))))
    async with supervised(host):
        assert (await host.call(call("clock"))).outcome == "ok"
        assert [state.state for state in host.servers()] == ["starting", "ready", "misconfigured"]


# --- calls -----------------------------------------------------------------------------------------------------------------------------


async def test_a_call_in_flight_when_the_host_is_stopped_is_unknown(tmp_path: Path) -> None:
    host = a_host(demo_server(tmp_path / "effects", replay={"slow": "never"}))
    async with supervised(host):
        await host.call(call("clock"))
        await host.ready()
        going = asyncio.create_task(host.call(call("slow", seconds=60)))
        await host.call(call("clock"))
    assert (await going).outcome == "unknown"


async def test_a_silent_call_is_given_up_but_one_that_reports_progress_is_not(tmp_path: Path) -> None:
    async with supervised(host := a_host(odd(timeout_s=0.3))):
        outcome = await ask(host, "silent")
        assert outcome.outcome == "unknown"
        assert "silent for 0.3 s" in outcome.text
    async with supervised(host := a_host(demo_server(tmp_path / "effects", timeout_s=0.6))):
        assert (await host.call(call("slow", seconds=1.2))).outcome == "ok"


async def test_more_calls_than_places_wait_for_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "CALLS_AT_ONCE_MAX", 2)
    async with supervised(host := a_host(demo_server(tmp_path / "effects"))):
        outcomes = await asyncio.gather(*(host.call(call("slow", seconds=0.05)) for _ in range(6)))
        assert {outcome.outcome for outcome in outcomes} == {"ok"}


async def test_an_argument_whose_name_a_provider_refuses_reaches_its_server_under_its_own() -> None:
    async with supervised(host := a_host(odd())):
        await host.ready()
        (tool,) = [tool for tool in host.tools() if tool.name == "odd__picky"]
        (name,) = tool.schema["properties"]
        assert name.startswith("filter_name__")
        outcome = await host.call(Call(id="call_1_0", tool="odd__picky", arguments=json.dumps({name: "x", "other": 1})))
        assert json.loads(outcome.text) == {"filter[name]": "x", "other": 1}


async def test_more_tools_than_a_provider_takes_are_left_out_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mcp, "TOOLS_MAX", 5)
    async with supervised(host := a_host(odd())):
        await host.ready()
        assert len(host.tools()) == 5
        (offer,) = host.offers()
        assert [tool.name for tool in offer.tools if not tool.left_out] == [tool.name for tool in host.tools()]
        assert len(offer.tools) == offer.server.tools == 5 + offer.server.left_out > 5
    assert "tools only the first 5 are used, in the order of [tools]" in caplog.text


async def test_tools_that_are_denied_take_no_place_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "TOOLS_MAX", 5)
    async with supervised(host := a_host(odd())):
        await host.ready()
        (offer,) = host.offers()
    denied = [tool.own_name for tool in offer.tools[:3]]
    async with supervised(host := a_host(odd(tool_policy=dict.fromkeys(denied, "deny")))):
        await host.ready()
        assert [tool.policy for tool in host.tools()] == ["deny"] * 3 + ["ask"] * 5
        assert [tool.left_out for tool in host.offers()[0].tools][:9] == [False] * 8 + [True]


async def test_a_probe_that_finds_nothing_new_leaves_the_list_the_very_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reckons with the tools need not reckon again."""
    monkeypatch.setattr(mcp, "PROBE_S", 0.02)
    async with supervised(host := a_host(odd())):
        await host.ready()
        tools, asked = host.tools(), 0
        session = host._servers["odd"]._session
        assert session
        whole = session.tools

        async def counted() -> tuple[Offered, ...]:
            nonlocal asked
            asked += 1
            return await whole()

        monkeypatch.setattr(session, "tools", counted)
        await eventually(lambda: asked > 2)
        assert host.tools() is tools


async def test_cancelling_a_call_to_a_server_that_reads_nothing_returns_at_once(tmp_path: Path) -> None:
    async with supervised(host := a_host(demo_server(tmp_path / "effects"))):
        await host.ready()
        pid = host.servers()[0].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        calls = [asyncio.create_task(host.call(call("count", key="x" * 200_000))) for _ in range(5)]
        session = host._servers["demo"]._session
        assert session
        await eventually(lambda: session.calls == 5)
        begun = time.monotonic()
        for one in calls:
            one.cancel()
        await asyncio.wait(calls)
        assert time.monotonic() - begun < 5
        os.kill(pid, signal.SIGCONT)


# --- real servers ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def time_server() -> ServerSettings:
    program = Path(sys.executable).parent / "mcp-server-time"
    if not program.exists():
        pytest.skip("mcp-server-time is not installed: `pip install mcp-server-time` beside Holdfast, and this test runs.")
    return ServerSettings("clock", Command(("mcp-server-time",), {"TZ": "UTC"}), trust_annotations=True)


async def test_a_real_server_is_found_beside_the_gateway_and_answers(time_server: ServerSettings) -> None:
    async with supervised(host := a_host(time_server)):
        await host.ready()
        assert {tool.name: tool.repeatable for tool in host.tools()} == {"clock__get_current_time": True, "clock__convert_time": True}
        calls = [Call(id=f"call_1_{n}", tool="clock__get_current_time", arguments='{"timezone": "UTC"}') for n in range(20)]
        outcomes = await asyncio.gather(*map(host.call, calls))
        assert {outcome.outcome for outcome in outcomes} == {"ok"}
        assert json.loads(outcomes[0].text)["timezone"] == "UTC"
        wrong = await host.call(Call(id="call_1_0", tool="clock__get_current_time", arguments='{"timezone": "Nowhere"}'))
        assert wrong.outcome == "error"
        assert "Nowhere" in wrong.text


GATEWAY = """
import asyncio, sys
from pathlib import Path
from holdfast.testing.contracts.tools import call
from holdfast.testing.tool_rig import SystemClock, demo_server, eventually, supervised
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Command, ServerSettings

async def keep(_): ...

async def main():
    host = McpHost([demo_server(Path(sys.argv[1])), ServerSettings("clock", Command(("mcp-server-time",)))], keep, {}, SystemClock())
    async with supervised(host):
        await host.ready()
        slow = asyncio.create_task(host.call(call("slow", seconds=60, key="k")))
        await host.call(call("clock"))
        print(*(state.pid for state in host.servers()), flush=True)
        await slow

asyncio.run(main())
"""


async def test_a_killed_gateway_leaves_no_server_behind_even_in_mid_call(tmp_path: Path, time_server: ServerSettings) -> None:
    assert time_server
    path = os.pathsep.join(filter(None, sys.path))
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, str(tmp_path / "effects"), stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert gateway.stdout
    pids = [int(pid) for pid in (await gateway.stdout.readline()).split()]
    assert len(pids) == 2
    gateway.kill()
    await gateway.wait()
    await eventually(lambda: all(map(gone, pids)))
