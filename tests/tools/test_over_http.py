"""Real servers over streamable HTTP, and wires that break: what happens, and how often."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import Config, Temporary
from holdfast.ports import ToolList, ToolOutcome
from holdfast.testing.contracts.tools import call
from holdfast.testing.tcp_proxy import TcpProxy, Trouble
from holdfast.testing.tool_rig import HttpServer, SystemClock, eventually, failure_of, supervised
from holdfast.tools import mcp
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Address, ServerSettings

# anyio drops a connection that is made in the very moment in which whoever waits for it is cancelled, and leaves it to the collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(socket.socket|function _SelectorTransport):pytest.PytestUnraisableExceptionWarning"
)


class Kept:
    """The journal's part."""

    def __init__(self) -> None:
        self.lists: dict[str, ToolList] = {}

    async def keep(self, tool_list: ToolList) -> None:
        self.lists[tool_list.server] = tool_list


def a_host(*servers: ServerSettings, kept: Kept | None = None) -> McpHost:
    kept = kept or Kept()
    return McpHost(servers, kept.keep, dict(kept.lists), SystemClock())


def at(url: str, headers: Mapping[str, str] | None = None, **settings: Any) -> ServerSettings:
    return ServerSettings(**{"name": "demo", "where": Address(url, headers or {}), "connect_timeout_s": 3.0, **settings})


async def is_ready(host: McpHost) -> None:
    await eventually(lambda: host.servers()[0].state == "ready")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "effects"


def times(journal: Path, tool: str, key: str) -> int:
    """How often a tool had its effect, by the file of effects."""
    effects = map(json.loads, journal.read_text().splitlines())
    return sum(effect["effect"] == tool and effect["arguments"].get("key") == key for effect in effects)


@pytest.fixture
async def server(journal: Path) -> AsyncIterator[HttpServer]:
    async with HttpServer(journal, "--dangerous") as server:
        yield server


@contextlib.asynccontextmanager
async def behind_a_wire(server: HttpServer, **settings: Any) -> AsyncIterator[tuple[TcpProxy, McpHost]]:
    """A host that has reached the server through a proxy of ours."""
    async with TcpProxy(server.port) as wire:
        host = a_host(at(f"http://127.0.0.1:{wire.port}/mcp", **settings))
        async with supervised(host):
            await is_ready(host)
            yield wire, host


# --- never sent, or unknown ----------------------------------------------------------------------------------------------------------------


async def test_a_call_that_could_not_be_sent_is_unavailable_and_never_unknown(server: HttpServer, journal: Path) -> None:
    async with behind_a_wire(server, connect_timeout_s=0.5) as (wire, host):
        await wire.refuse()
        outcome = await host.call(call("count", key="a"))
        assert outcome.outcome == "error"
        assert re.match("unavailable: tool server 'demo' is (down|starting) since 20", outcome.text)
        assert "connection refused" in outcome.text
        assert times(journal, "count", "a") == 0


async def test_a_call_to_a_server_that_comes_back_soon_waits_and_is_made_once(server: HttpServer, journal: Path) -> None:
    async with behind_a_wire(server) as (wire, host):
        await wire.refuse()
        going = asyncio.create_task(host.call(call("count", key="a")))
        await eventually(lambda: host.servers()[0].state == "down")
        await wire.open()
        assert (await going).outcome == "ok"
        assert times(journal, "count", "a") == 1


@pytest.mark.parametrize(("trouble", "happened"), [("reset", 0), ("swallow", 1), ("cut", 1)])
async def test_a_call_that_was_sent_and_not_answered_is_unknown_and_is_not_made_again(
    server: HttpServer, journal: Path, trouble: Trouble, happened: int
) -> None:
    """H-40: nothing is guessed."""
    async with behind_a_wire(server) as (wire, host):
        wire.trouble = trouble
        outcome = await host.call(call("count", key="a"))
        assert outcome.outcome == "unknown"
        wire.trouble = ""
        assert (await host.call(call("clock"))).outcome == "ok"
        await eventually(lambda: times(journal, "count", "a") == happened)
        assert times(journal, "count", "b") == 0


async def test_a_call_that_was_sent_and_not_answered_may_be_repeated_where_that_is_allowed(server: HttpServer) -> None:
    async with behind_a_wire(server, trust_annotations=True) as (wire, host):
        wire.trouble = "swallow"
        outcome = await host.call(call("lookup", key="a"))
        assert outcome.outcome == "error"
        assert "may safely be called again" in outcome.text


async def test_a_server_killed_in_mid_call_and_started_again_has_done_nothing_twice(server: HttpServer, journal: Path) -> None:
    host = a_host(server.settings())
    async with supervised(host):
        await host.call(call("clock"))
        going = [asyncio.create_task(host.call(call("count", key=f"k{number}", seconds=30))) for number in range(5)]
        await host.call(call("slow", seconds=0.3))
        await server.kill()
        assert {(await one).outcome for one in going} == {"unknown"}
        await server.start()
        outcomes = [await host.call(call("count", key=f"k{number}")) for number in range(5)]
        assert {outcome.outcome for outcome in outcomes} == {"ok"}
        assert [times(journal, "count", f"k{number}") for number in range(5)] == [1] * 5
        assert host.servers()[0].pid is None


async def test_calls_under_fire_are_never_made_twice_and_every_answer_is_true(server: HttpServer, journal: Path) -> None:
    async with behind_a_wire(server) as (wire, host):

        async def make(number: int) -> ToolOutcome:
            return await host.call(call("count", key=f"k{number}"))

        outcomes: list[ToolOutcome] = []
        troubles: list[Trouble] = ["", "reset", "", "swallow", "cut", ""]
        for round_, trouble in enumerate(troubles * 2):
            wire.trouble = trouble
            outcomes += await asyncio.gather(*(make(10 * round_ + number) for number in range(10)))
        wire.trouble = ""
        for number, outcome in enumerate(outcomes):
            happened = times(journal, "count", f"k{number}")
            assert happened <= 1
            assert happened == {"ok": 1, "error": 0, "unknown": happened}[outcome.outcome], outcome
        assert {outcome.outcome for outcome in outcomes} >= {"ok", "unknown"}


async def test_what_is_under_way_goes_on_while_new_connections_are_refused(server: HttpServer, journal: Path) -> None:
    async with behind_a_wire(server, connect_timeout_s=0.5) as (wire, host):
        going = asyncio.create_task(host.call(call("count", key="a", seconds=2)))
        await host.call(call("slow", seconds=0.2))
        await wire.refuse()
        assert (await host.call(call("count", key="b"))).outcome == "error"
        assert host.servers()[0].state == "down"
        assert (await going).outcome == "ok"
        assert (times(journal, "count", "a"), times(journal, "count", "b")) == (1, 0)
        await wire.open()
        await eventually(lambda: host.servers()[0].state == "ready")


async def test_a_server_that_takes_calls_again_is_used_again_though_others_are_under_way(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "PROBE_DOWN_S", 0.1)
    async with behind_a_wire(server) as (wire, host):
        going = asyncio.create_task(host.call(call("slow", seconds=30)))
        await host.call(call("slow", seconds=0.2))
        await wire.refuse()
        waiting = asyncio.create_task(host.call(call("clock")))
        await eventually(lambda: host.servers()[0].state == "down")
        await wire.open()
        assert (await waiting).outcome == "ok"
        assert host.servers()[0].state == "ready" and not going.done()
        going.cancel()
        await asyncio.wait([going])


# --- away, slow, silent --------------------------------------------------------------------------------------------------------------------


async def test_tools_are_known_from_the_journal_while_the_server_is_away_at_the_start(server: HttpServer) -> None:
    kept = Kept()
    async with supervised(first := a_host(at(server.url), kept=kept)):
        await first.ready()
        tools = first.tools()
    assert tools
    await server.kill()
    host = a_host(at(server.url, connect_timeout_s=0.3), kept=kept)
    async with supervised(host):
        await host.ready()
        assert host.tools() == tools
        outcome = await host.call(call("clock"))
        assert outcome.outcome == "error" and "connection refused" in outcome.text
        await server.start()
        await is_ready(host)
        assert (await host.call(call("clock"))).outcome == "ok"


async def test_a_server_never_seen_that_is_away_holds_nobody_up(server: HttpServer) -> None:
    await server.kill()
    host = a_host(at(server.url))
    begun = time.monotonic()
    async with supervised(host):
        await host.ready()
        assert time.monotonic() - begun < 10
        assert host.servers()[0].state in {"down", "starting"}


async def test_a_port_that_never_answers_is_given_up_in_time_and_left_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        host = a_host(at(f"http://127.0.0.1:{deaf.getsockname()[1]}/mcp", connect_timeout_s=0.5))
        begun = time.monotonic()
        async with supervised(host):
            await host.ready()
            assert 0.4 < time.monotonic() - begun < 10
            begun = time.monotonic()
        assert time.monotonic() - begun < 5


async def test_a_name_that_nobody_knows_is_waited_for() -> None:
    failure = await failure_of(a_host(at("http://no-such-host.invalid/mcp")))
    assert isinstance(failure, Temporary)


async def test_a_look_up_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    begun = time.monotonic()
    failure = await failure_of(a_host(at("http://somewhere.example/mcp", connect_timeout_s=0.4)))
    assert isinstance(failure, Temporary)
    assert time.monotonic() - begun < 10


async def test_a_slow_wire_is_no_reason_to_give_up(server: HttpServer) -> None:
    async with behind_a_wire(server) as (wire, host):
        wire.delay_s = 0.3
        assert (await host.call(call("clock"))).outcome == "ok"


async def test_an_idle_server_that_answers_no_more_is_noticed_and_met_anew(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "PROBE_S", 0.05)
    async with behind_a_wire(server, connect_timeout_s=0.5) as (wire, host):
        wire.trouble = "silent"
        await eventually(lambda: host.servers()[0].state == "down")
        wire.trouble = ""
        await eventually(lambda: host.servers()[0].state == "ready")


async def test_a_server_that_was_started_anew_is_used_on_without_a_word(server: HttpServer) -> None:
    host = a_host(server.settings())
    async with supervised(host):
        assert (await host.call(call("clock"))).outcome == "ok"
        await server.kill()
        await server.start()
        assert (await host.call(call("clock"))).outcome == "ok"
        assert (host.servers()[0].state, host.servers()[0].restarts) == ("ready", 0)


async def test_one_bad_server_holds_no_other_up(server: HttpServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        other = at(f"http://127.0.0.1:{deaf.getsockname()[1]}/", name="other")
        host = a_host(other, server.settings())
        async with supervised(host):
            assert (await host.call(call("clock"))).outcome == "ok"


# --- keys, paths and certificates ------------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_told_without_showing_it_and_the_right_one_opens(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with HttpServer(journal, "--token", "right-s3cret") as server:
        failure = await failure_of(host := a_host(at(server.url, {"authorization": "Bearer wr0ng"})))
        assert isinstance(failure, Config)
        assert "this is not the token" in str(failure) and "[tools.demo]" in str(failure)
        assert "wr0ng" not in f"{failure}{host.servers()}{caplog.text}"
        assert 'api_key = "env:NAME"' in str(await failure_of(a_host(at(server.url))))
        async with supervised(host := a_host(at(server.url, {"authorization": "Bearer right-s3cret"}))):
            assert (await host.call(call("clock"))).outcome == "ok"
        assert "right-s3cret" not in caplog.text


async def test_a_wrong_path_is_a_mistake_in_the_url(server: HttpServer) -> None:
    failure = await failure_of(a_host(at(server.url.replace("/mcp", "/wrong"))))
    assert isinstance(failure, Config)
    assert "url in [tools.demo]" in str(failure) and "404" in str(failure)


async def test_tls_where_there_is_none_is_a_mistake_in_the_url(server: HttpServer) -> None:
    failure = await failure_of(a_host(at(server.url.replace("http:", "https:"))))
    assert isinstance(failure, Config)
    assert "http://" in str(failure)


@pytest.mark.needs("openssl")
async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)  # noqa: ASYNC221 - milliseconds
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        failure = await failure_of(a_host(at(f"https://127.0.0.1:{port}/mcp", {"authorization": "Bearer s3cret"})))
    assert isinstance(failure, Config)
    assert "certificate" in str(failure) and "[tools.demo]" in str(failure)
    assert not any(heard), "it was told nothing"
