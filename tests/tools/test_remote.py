"""Servers at the other end of a scripted wire. What real servers do is in `test_over_http`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

from holdfast.errors import Config, Temporary
from holdfast.ports import ToolOutcome
from holdfast.testing.certificates import Authority
from holdfast.testing.http_proxy import HttpProxy
from holdfast.testing.scripted_server import KEPT, Script, a_host, do, done, refused, said, served
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, event, head, http
from holdfast.testing.tool_rig import eventually, failure_of, supervised
from holdfast.tools import exchange, remote
from holdfast.tools.settings import Address, ServerSettings

# anyio drops a connection that is made in the very moment in which whoever waits for it is cancelled, and leaves it to the collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(socket.socket|function _SelectorTransport):pytest.PytestUnraisableExceptionWarning"
)


# --- addresses and headers that can't be right -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://", "ftp://host/mcp", "not a url", "http://host:99999999/", ""])
async def test_what_is_no_url_is_a_mistake_of_this_server_alone(url: str) -> None:
    failure = await failure_of(host := a_host(url))
    assert isinstance(failure, Config)
    assert "[tools.s]" in str(failure)
    assert host.servers()[0].state == "misconfigured"


@pytest.mark.parametrize("headers", [{"x-key": "two\r\nlines s3cret"}, {"x key": "s3cret"}, {"x-key": "s3crét"}])
async def test_a_header_that_http_forbids_is_named_and_its_value_is_not(headers: dict[str, str]) -> None:
    failure = await failure_of(a_host("http://127.0.0.1:1/mcp", headers=headers))
    assert isinstance(failure, Config)
    assert repr(next(iter(headers))) in str(failure) and "s3cr" not in str(failure)


def test_settings_show_no_secrets() -> None:
    assert "s3cret" not in repr(ServerSettings("s", Address("http://host/", {"authorization": "Bearer s3cret"})))


# --- refusals ------------------------------------------------------------------------------------------------------------------------------


async def test_headers_are_sent_with_everything_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    script = Script(list=lambda hit: refused(401, f'{{"error": "{hit.headers["authorization"]} is wrong"}}'.encode()))
    async with served(script, headers={"authorization": "Bearer s3cret", "x-key": "k3y"}) as (stub, host):
        failure = await failure_of(host)
        assert isinstance(failure, Config)
        assert "s3cret" not in f"{failure}{host.servers()}{caplog.text}" and "[tools.s]" in str(failure)
        assert stub.hits and all(hit.headers["authorization"] == "Bearer s3cret" and hit.headers["x-key"] == "k3y" for hit in stub.hits)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Config), (403, Config), (404, Config), (405, Config), (500, Temporary), (502, Temporary), (503, Temporary), (429, Temporary)],
)
async def test_a_refusal_at_the_start_is_told_apart(status: int, kind: type[Exception]) -> None:
    async with served(lambda _: refused(status, b"<html>", "text/html")) as (_, host):
        assert isinstance(await failure_of(host), kind)


async def test_a_server_that_worked_before_and_says_404_is_restarting() -> None:
    async with served(lambda _: refused(404), KEPT) as (_, host):
        assert isinstance(await failure_of(host), Temporary)


async def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    async with served(lambda _: refused(429, retry_after="17")) as (_, host):
        failure = await failure_of(host)
        assert isinstance(failure, Temporary) and failure.retry_after_s == 17


@pytest.mark.parametrize(
    "garbage", [http(b"<html>Welcome!</html>", content_type="text/html"), http(b"[1", content_type="application/json")]
)
async def test_a_page_in_place_of_an_endpoint_is_a_mistake_in_the_url(garbage: bytes) -> None:
    async with served(lambda _: Reply(garbage)) as (_, host):
        failure = await failure_of(host)
        assert isinstance(failure, Config)
        assert "no MCP endpoint" in str(failure)


async def test_what_is_not_http_is_waited_out() -> None:
    async with served(lambda _: Reply(b"SSH-2.0-OpenSSH_9.2\r\n", end="close")) as (_, host):
        assert isinstance(await failure_of(host), Temporary)


async def test_a_redirect_elsewhere_is_told_and_not_followed() -> None:
    async with (
        StubProvider(Script()) as other,
        served(lambda _: refused(307, location=other.base_url), headers={"x": "s3cret"}) as (_, host),
    ):
        failure = await failure_of(host)
        assert isinstance(failure, Config)
        assert other.base_url in str(failure) and "[tools.s]" in str(failure)
        assert other.hits == []


async def test_a_redirect_on_the_same_host_is_followed() -> None:
    script = Script()
    async with served(lambda hit: script(hit) if hit.path.endswith("/") else refused(307, location=hit.path + "/")) as (_, host):
        async with supervised(host):
            assert (await do(host)).outcome == "ok"
        assert script.asked.count("call") == 1


async def test_redirects_without_end_are_not_followed_without_end() -> None:
    async with served(lambda hit: refused(307, location=hit.path + "/")) as (stub, host):
        assert isinstance(await failure_of(host), Temporary)
        assert len(stub.hits) == remote.TRIES_MAX


# --- the way there ----------------------------------------------------------------------------------------------------------------------


FAR = "tools.example"


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_server_on_this_machine_is_never_asked_for_at_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with served(Script()) as (_, host), supervised(host):
        assert (await do(host)).outcome == "ok"


@pytest.mark.needs("openssl")
async def test_a_server_far_away_is_reached_through_the_proxy_and_an_authority_of_ones_own(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with HttpProxy() as proxy, StubProvider(Script(), tls=authority.server(f"DNS:{FAR}")) as stub:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://us:s3cret@"))
        host = a_host(stub.base_url.replace("127.0.0.1", FAR))
        async with supervised(host):
            assert (await do(host)).outcome == "ok"
        assert {asked.partition(":")[0] for asked in proxy.asked} == {FAR}
        assert set(proxy.credentials) == {"Basic dXM6czNjcmV0"}


async def test_a_server_without_tls_is_asked_for_at_the_proxy_for_http(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HttpProxy() as proxy, StubProvider(Script()) as stub:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        host = a_host(stub.base_url.replace("127.0.0.1", FAR))
        async with supervised(host):
            assert (await do(host)).outcome == "ok"
        assert proxy.asked


@pytest.mark.needs("openssl")
async def test_a_call_that_the_proxy_let_nobody_make_was_not_made(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to the proxy to open a tunnel is no part of the call."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with HttpProxy() as proxy, StubProvider(Script(), tls=authority.server(f"DNS:{FAR}")) as stub:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        host = a_host(stub.base_url.replace("127.0.0.1", FAR), connect_timeout_s=1.0)
        async with supervised(host):
            assert (await do(host)).outcome == "ok"
            proxy.refusal = "503 Service Unavailable"
            outcome = await do(host)
            assert outcome.outcome == "error" and outcome.text.startswith("unavailable: tool server 's' is ")
            assert f"(through the proxy {proxy.address}) can't be reached: the proxy answered 503 Service Unavailable" in outcome.text
            proxy.refusal = ""
            await eventually(lambda: host.servers()[0].state == "ready")
            assert (await do(host)).outcome == "ok"


@pytest.mark.parametrize(("refusal", "kind"), [("502 Bad Gateway", Temporary), ("403 Forbidden", Config), ("407 Who", Config)])
async def test_a_proxy_that_opens_no_tunnel_says_why(monkeypatch: pytest.MonkeyPatch, refusal: str, kind: type[Exception]) -> None:
    async with HttpProxy(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        failure = await failure_of(a_host(f"https://{FAR}/mcp"))
    assert isinstance(failure, kind)
    assert f"(through the proxy {proxy.address}) can't be reached: the proxy answered {refusal}." in str(failure)


async def test_a_proxy_that_is_away_is_named_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://us:s3cret@127.0.0.1:1")
    failure = await failure_of(a_host(f"https://{FAR}/mcp"))
    assert isinstance(failure, Temporary) and "s3cret" not in str(failure)
    assert "(through the proxy 127.0.0.1:1) can't be reached: connection refused" in str(failure)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALL_PROXY", "socks5://us:s3cret@127.0.0.1:1080", "the proxy 127.0.0.1:1080 speaks SOCKS, which needs one more package"),
        ("ALL_PROXY", "ftp://us:s3cret@127.0.0.1:21", "the environment names a proxy, 127.0.0.1:21, but not as http://HOST:PORT"),
        ("SSL_CERT_FILE", "/no/such/file", "SSL_CERT_FILE is /no/such/file, which can't be read"),
    ],
)
async def test_a_mistake_in_the_environment_is_for_a_person(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "socksio", None)  # a tool server of others may have brought it along
    failure = await failure_of(a_host(f"https://{FAR}/mcp"))
    assert isinstance(failure, Config)
    assert said in str(failure) and "s3cret" not in str(failure)


# --- what became of a call ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 413, 429])
async def test_a_call_that_is_refused_did_not_happen_and_the_reason_is_told(status: int) -> None:
    async with served(Script(call=lambda _: refused(status, b'{"message": "not so"}'))) as (_, host), supervised(host):
        outcome = await do(host)
        assert outcome.outcome == "error"
        assert str(status) in outcome.text and "not so" in outcome.text


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 530])
async def test_a_call_that_ends_in_a_failure_of_the_server_may_have_happened(status: int) -> None:
    """Part I row 26: one server's 530 ended the whole gateway."""
    async with served(Script(call=lambda _: refused(status))) as (_, host), supervised(host):
        assert (await do(host)).outcome == "unknown"


async def test_an_answer_may_take_longer_than_a_connection() -> None:
    gate = asyncio.Event()
    async with served(Script(call=lambda hit: Reply(gate, http(event(done(hit))))), connect_timeout_s=0.4) as (_, host), supervised(host):
        await eventually(lambda: host.servers()[0].state == "ready")
        going = asyncio.create_task(do(host))
        await asyncio.wait([going], timeout=0.8)
        gate.set()
        assert (await going).outcome == "ok"


async def test_each_request_has_a_connection_of_its_own_since_a_kept_one_may_be_closed_as_we_write() -> None:
    async with served(Script()) as (stub, host):
        async with supervised(host):
            assert [(await do(host)).outcome for _ in range(3)] == ["ok"] * 3
        assert stub.connections == len(stub.hits)


async def test_an_error_that_names_the_call_is_its_answer_whatever_the_status() -> None:
    def fail(hit: Hit) -> Reply:
        return refused(500, json.dumps({"jsonrpc": "2.0", "id": hit.json["id"], "error": {"code": -32603, "message": "it broke"}}).encode())

    async with served(Script(call=fail)) as (_, host), supervised(host):
        assert await do(host) == ToolOutcome("error", "it broke")


async def test_a_call_that_is_taken_and_not_answered_may_have_happened() -> None:
    for reply in (
        refused(202),
        refused(204),
        Reply(http(b"")),
        Reply(end="reset"),
        Reply(head(), end="close"),
        Reply(http(b"x", content_type="text/html")),
    ):
        async with served(Script(call=lambda _, reply=reply: reply)) as (_, host), supervised(host):  # type: ignore[misc] # a lambda's default
            assert (await do(host)).outcome == "unknown"


async def test_a_key_that_is_refused_later_stops_this_server() -> None:
    script = Script()
    async with served(script) as (_, host), supervised(host):
        assert (await do(host)).outcome == "ok"
        script.on = {"call": lambda _: refused(401), "list": lambda _: refused(401)}
        assert (await do(host)).outcome == "error"
        await eventually(lambda: host.servers()[0].state == "misconfigured")
        assert "[tools.s]" in (await do(host)).text


async def test_one_failed_call_ends_no_other() -> None:
    gate = asyncio.Event()
    script = Script(call=lambda hit: Reply(head(), gate, event(done(hit)), end="close"))
    async with served(script) as (stub, host), supervised(host):
        slow = asyncio.create_task(do(host))
        await eventually(lambda: script.asked.count("call") == 1)
        script.on = {"call": lambda _: Reply(end="reset"), "list": lambda _: refused(503)}
        assert (await do(host)).outcome == "unknown"
        gate.set()
        assert (await slow).outcome == "ok"
        assert stub.left == 0


# --- sessions -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404])
async def test_a_forgotten_session_is_begun_anew_and_the_call_is_made_once(status: int) -> None:
    """H-41, part I row 30: no call is made twice for it, and none fails until a restart."""
    known = {"session-1"}
    happened: list[str] = []

    def begin(hit: Hit) -> Reply:
        known.add("session-2")
        return said(
            hit, {"mcp-session-id": max(known)}, protocolVersion="2025-11-25", capabilities={}, serverInfo={"name": "s", "version": "1"}
        )

    def call(hit: Hit) -> Reply:
        if hit.headers["mcp-session-id"] not in known:
            return refused(
                status, json.dumps({"jsonrpc": "2.0", "id": hit.json["id"], "error": {"code": -32000, "message": "session?"}}).encode()
            )
        happened.append(hit.headers["mcp-session-id"])
        return Reply(http(event(done(hit))))

    script = Script(call=call)
    async with served(script) as (_, host), supervised(host):
        assert (await do(host)).outcome == "ok"
        known.clear()
        script.on["initialize"] = begin
        outcomes = await asyncio.gather(*(do(host) for _ in range(5)))
        assert {outcome.outcome for outcome in outcomes} == {"ok"}
        assert happened == ["session-1"] + ["session-2"] * 5
        assert script.asked.count("initialize") == 2, "one new session for all"
        assert (host.servers()[0].state, host.servers()[0].restarts) == ("ready", 0)


async def test_a_call_that_is_refused_in_the_new_session_too_is_refused_for_its_own_sake() -> None:
    error = b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32602, "message": "no such argument"}}'
    async with served(script := Script(call=lambda _: refused(400, error))) as (_, host), supervised(host):
        assert await do(host) == ToolOutcome("error", "no such argument")
        assert script.asked.count("call") == 2


async def test_a_server_that_comes_back_as_another_version_is_met_anew() -> None:
    script = Script()
    async with served(script) as (_, host), supervised(host):
        assert (await do(host)).outcome == "ok"
        other = {"protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": {"name": "s", "version": "2"}}
        script.on = {
            "initialize": lambda hit: said(hit, {"mcp-session-id": "new"}, **other),
            "call": lambda hit: refused(404) if hit.headers["mcp-session-id"] == "session-1" else Reply(http(event(done(hit)))),
        }
        await do(host)
        await eventually(lambda: host.servers()[0].restarts == 1 and host.servers()[0].state == "ready")
        assert (await do(host)).outcome == "ok"


async def test_a_session_is_ended_when_we_leave() -> None:
    async with served(script := Script()) as (stub, host):
        async with supervised(host):
            assert (await do(host)).outcome == "ok"
        assert script.asked[-1] == "DELETE"
        assert stub.hits[-1].headers["mcp-session-id"] == "session-1"


async def test_what_the_server_says_unasked_is_heard() -> None:
    grown = asyncio.Event()
    tools = [{"name": "do", "inputSchema": {"type": "object"}}]
    changed = event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    script = Script(GET=lambda _: Reply(head(), grown, changed, end="hang"), list=lambda hit: said(hit, tools=tools))
    async with served(script) as (_, host), supervised(host):
        await host.ready()
        tools.append({"name": "more", "inputSchema": {"type": "object"}})
        grown.set()
        await eventually(lambda: len(host.tools()) == 2)


async def test_a_stream_that_breaks_off_is_opened_again_at_a_bounded_pace_whatever_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "AGAIN_S_MIN", 0.1)
    monkeypatch.setattr(exchange, "AGAIN_S_MIN", 0.1)
    script = Script(GET=lambda _: Reply(head(), b"retry: 0\ndata:\n\n", end="close"))
    async with served(script) as (_, host), supervised(host):
        await eventually(lambda: script.asked.count("GET") == 3)
        assert script.asked.count("GET") <= 4
        assert host.servers()[0].state == "ready"


async def test_a_server_that_asks_more_than_it_takes_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TELLING_MAX", 5)
    pings = b"".join(event({"jsonrpc": "2.0", "id": f"p{number}", "method": "ping"}) for number in range(20))

    def answer(hit: Hit) -> Reply:
        return Reply(end="hang") if hit.body and "method" not in hit.json else script(hit)

    script = Script(GET=lambda _: Reply(head(), pings, end="hang"))
    async with served(answer) as (_, host):
        assert "asks more than it takes" in str(await failure_of(host))


# --- being cancelled ----------------------------------------------------------------------------------------------------------------------


async def test_a_cancelled_call_is_told_to_the_server_and_its_connection_is_closed() -> None:
    script = Script(call=lambda _: Reply(head(), end="hang"))
    async with served(script) as (stub, host), supervised(host):
        going = asyncio.create_task(do(host))
        await eventually(lambda: "call" in script.asked)
        going.cancel()
        await asyncio.wait([going])
        await stub.wait_for_left(1)
        (cancelled,) = (hit.json for hit in stub.hits if b"notifications/cancelled" in hit.body)
        (called,) = (hit.json for hit in stub.hits if b"tools/call" in hit.body)
        assert cancelled["params"]["requestId"] == called["id"]


async def test_cancelling_calls_to_a_server_that_answers_nothing_returns_at_once() -> None:
    script = Script(call=lambda _: Reply(end="hang"), cancelled=lambda _: Reply(end="hang"))
    async with served(script) as (_, host), supervised(host):
        calls = [asyncio.create_task(do(host)) for _ in range(5)]
        await eventually(lambda: script.asked.count("call") == 5)
        begun = time.monotonic()
        for one in calls:
            one.cancel()
        await asyncio.wait(calls)
        assert time.monotonic() - begun < 5


async def test_a_silent_call_is_given_up() -> None:
    async with served(Script(call=lambda _: Reply(head(), end="hang")), timeout_s=0.3) as (_, host), supervised(host):
        outcome = await do(host)
        assert outcome.outcome == "unknown"
        assert "silent for 0.3 s" in outcome.text
