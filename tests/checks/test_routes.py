"""Routes tried as a conversation would use them: on a real llama.cpp, and on what other servers document of themselves."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.checks import servers, trial
from holdfast.checks.findings import Finding
from holdfast.checks.routes import Subject, _safe, check_route
from holdfast.checks.servers import Server
from holdfast.core.request import Request, User
from holdfast.models import Endpoint
from holdfast.testing import model_servers
from holdfast.testing.llama import Llama, Options, Script, unavailable
from holdfast.testing.stub_provider import Reply, StubProvider, answering, call, events, finish, http

CALLS = Script(tool="current_time", arguments='{"place": "Lisbon"}')
REAL_CALL = Reply(http(events(call(0, "current_time", '{"place": "Lisbon"}'), finish("tool_calls"))))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """`start(script, options)`: a real server that ends with the test."""
    if why := unavailable():
        pytest.skip(why)
    with ExitStack() as stack:
        yield lambda script=None, options=None: stack.enter_context(Llama(tmp_path, script, options))


def subject(base_url: str, model: str = "scripted", **settings: Any) -> Subject:
    endpoint = Endpoint(name="main", base_url=base_url, model=model, api_key=settings.pop("secret", ""), connect_timeout_s=3.0)
    return Subject("openai-chat", endpoint, **settings)


def named(findings: list[Finding], check: str) -> Finding:
    return next(finding for finding in findings if finding.check == check)


async def test_a_real_model_answers_calls_tools_and_tells_how_much_it_reads(start: Any) -> None:
    llama = start(CALLS, Options(context_tokens=16384))
    found = await check_route(subject(llama.base_url, context_tokens=16384))
    assert named(found, "route.answers").what.startswith(f'scripted at {llama.base_url[7:-3]} answered "Hello from a scripted llama" in ')
    assert named(found, "route.tools").what.startswith("scripted makes real tool calls")
    assert named(found, "route.context") == Finding(
        "ok", "route.context", "routes.main", "llama.cpp reads 16384 tokens at once, and context_tokens is 16384."
    )


async def test_a_name_that_llama_cpp_ignores_is_told(start: Any) -> None:
    llama = start(CALLS)
    finding = named(await check_route(subject(llama.base_url, "qwen3:8b")), "route.model")
    assert (finding.level, finding.what) == ("warning", "llama.cpp has no model 'qwen3:8b'. It answers all the same, with another one.")
    assert finding.mend.endswith('scripted.gguf"')


async def test_a_small_context_and_a_wish_for_more_are_told(start: Any) -> None:
    found = await check_route(subject(start(CALLS, Options(context_tokens=2048)).base_url, context_tokens=32768))
    assert named(found, "route.context").what == "context_tokens is 32768, but llama.cpp reads only 2048 tokens at once."
    assert named(found, "route.context").mend.startswith("context_tokens = 2048    (in [routes.main]) or llama-server -c 32768")
    assert named(found, "route.small-context").level == "warning"


@pytest.mark.parametrize("secret", ["", "a-wrong-key"])
async def test_a_key_that_is_missing_or_wrong_is_an_error_without_the_key_in_it(start: Any, secret: str) -> None:
    llama = start(None, Options(api_key="the-right-key"))
    found = await check_route(subject(llama.base_url, secret=secret, key="env:K" if secret else ""))
    assert [(finding.level, finding.check, finding.away) for finding in found] == [("error", "route.answers", False)]
    assert "a-wrong-key" not in repr(found)


@pytest.mark.parametrize("end", ["/v1/v1", "/nothing"])
async def test_a_wrong_address_is_told_with_the_right_one(start: Any, end: str) -> None:
    llama = start()
    (finding,) = await check_route(subject(llama.base_url.removesuffix("/v1") + end))
    assert finding.mend == f'base_url = "{llama.base_url}"'


async def test_https_where_http_is_spoken_is_told(start: Any) -> None:
    llama = start()
    (finding,) = await check_route(subject(llama.base_url.replace("http", "https")))
    assert (finding.cause, finding.mend) == ("It speaks http, and base_url says https.", f'base_url = "{llama.base_url}"')


async def test_nobody_there_is_away_and_not_misconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "USUAL_PORTS", {})  # somebody may be there
    (finding,) = await check_route(subject("http://127.0.0.1:1/v1"))
    assert (finding.level, finding.away) == ("error", True)


async def test_a_model_that_ollama_has_not_pulled() -> None:
    async with StubProvider(model_servers.ollama({}, ("llama3.2:1b",), missing=("qwen3:8b",))) as stub:
        (finding,) = await check_route(subject(stub.base_url, "qwen3:8b"))
    assert (finding.what, finding.mend) == ("Ollama has no model 'qwen3:8b'.", "ollama pull qwen3:8b")


@pytest.mark.parametrize(
    ("context_tokens", "what", "mend"),
    [
        (
            None,
            "context_tokens is missing: long conversations are not summarised before they are too long.",
            "context_tokens = 4096    (in [routes.main])",
        ),
        (
            32768,
            "context_tokens is 32768, but Ollama reads only 4096 tokens at once.",
            "context_tokens = 4096    (in [routes.main]) or OLLAMA_CONTEXT_LENGTH=32768 ollama serve",
        ),
    ],
)
async def test_ollama_cuts_silently_what_is_longer_than_it_has_loaded(context_tokens: int | None, what: str, mend: str) -> None:
    async with StubProvider(model_servers.ollama({"qwen3:8b": 4096})) as stub:
        finding = named(await check_route(subject(stub.base_url, "qwen3:8b", context_tokens=context_tokens)), "route.context")
    assert (finding.level, finding.what, finding.mend) == ("warning", what, mend)
    assert "Ollama silently forgets the beginning of what is longer." in finding.cause


async def test_lm_studio_answers_any_name_with_what_is_loaded() -> None:
    async with StubProvider(model_servers.lm_studio({"qwen/qwen3-8b": 8192})) as stub:
        finding = named(await check_route(subject(stub.base_url, "qwen3-8b")), "route.model")
    assert finding.mend == 'model = "qwen/qwen3-8b"'


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "current_time"}</tool_call>',
        '{"name": "current_time", "arguments": {}}',
        'current_time(place="Lisbon")',
        '[TOOL_CALLS] [{"name": "current_time"}]',
        "<function=current_time></function>",
        '```json\n{"name": "current_time"}\n```',
        '<|python_tag|>{"name": "current_time"}',
        "<\uff5ctool\u2581calls\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>current_time\n{}",
    ],
)
async def test_a_tool_call_that_is_written_as_text_is_warned_of(text: str) -> None:
    async with StubProvider(model_servers.ollama({"small": 8192}, chat=answering(text))) as stub:
        finding = named(await check_route(subject(stub.base_url, "small", tools=True)), "route.tools")
    assert (finding.level, finding.what) == ("warning", "small writes tool calls into its answer as text: no tool will ever run.")


async def test_a_model_that_calls_no_tool_is_warned_of_and_one_that_does_is_well() -> None:
    async with StubProvider(model_servers.vllm("m", 32768)) as stub:
        assert (
            named(await check_route(subject(stub.base_url, "m")), "route.tools").what
            == "m was asked to call a tool, and answered without it."
        )
    async with StubProvider(model_servers.vllm("m", 32768, chat=REAL_CALL)) as stub:
        assert named(await check_route(subject(stub.base_url, "m")), "route.tools").level == "ok"


@pytest.mark.parametrize(("tools", "level"), [(True, "error"), (False, "warning")])
async def test_a_server_that_refuses_tools_is_an_error_only_where_there_are_tools(tools: bool, level: str) -> None:
    refusal = Reply(http(b'{"message": "\\"auto\\" tool choice requires --enable-auto-tool-choice"}', 400, "application/json"))
    plain = model_servers.vllm("m", 32768)
    async with StubProvider(lambda hit: refusal if hit.body and "tools" in hit.json else plain(hit)) as stub:
        finding = named(await check_route(subject(stub.base_url, "m", tools=tools)), "route.tools")
    assert (finding.level, finding.what) == (level, "m can't be given tools.")
    assert finding.mend.startswith("vllm serve MODEL --enable-auto-tool-choice")


async def test_a_route_that_is_to_call_no_tools_is_not_asked_to() -> None:
    async with StubProvider(model_servers.vllm("m", 32768)) as stub:
        found = await check_route(subject(stub.base_url, "m", tools=True, calls=False))
        assert not [hit for hit in stub.hits if hit.body and "tools" in hit.json]
    assert "route.tools" not in {finding.check for finding in found}


async def test_what_manifest_says_as_its_model_is_not_taken_for_an_answer() -> None:
    async with StubProvider(model_servers.manifest("mnfst_right")) as stub:
        (finding,) = await check_route(subject(stub.base_url, "auto", secret="mnfst_wrong", key="env:M"))
    assert (finding.level, finding.what) == ("error", f"{stub.base_url[7:-3]} does not accept the key from env:M.")


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "BEGIN_S_MAX", 0.3)
    listing = model_servers.vllm("m", 32768)
    async with StubProvider(lambda hit: Reply(end="hang") if hit.path.endswith("completions") else listing(hit)) as stub:
        (finding,) = await check_route(subject(stub.base_url, "m"))
    assert finding.level == "error" and finding.away


async def test_the_end_of_an_answer_is_not_waited_for_forever(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "END_S_MAX", 0.5)
    monkeypatch.setattr("holdfast.checks.routes.GREETING", Request("", (User("LONG"),)))
    found = await check_route(subject(start(CALLS).base_url))
    assert "began to answer; its end was not waited for" in named(found, "route.answers").what


async def test_the_practice_model_is_no_real_one() -> None:
    (finding,) = await check_route(Subject("practice", Endpoint(name="main")))
    assert (finding.level, finding.mend) == ("warning", "holdfast init    (connects a real one)")


def test_a_certificate_that_ends_soon_is_warned_of() -> None:
    route = subject("https://example.org/v1")
    (soon,) = _safe(route, Server("", (), certificate_ends=time.time() + 3 * 86_400 + 60))
    (later,) = _safe(route, Server("", (), certificate_ends=time.time() + 90 * 86_400 + 60))
    assert (soon.level, soon.what) == ("warning", "The certificate of example.org ends in 3 days.")
    assert (later.level, later.what) == ("ok", "The certificate of example.org is good for 90 more days.")


def test_a_key_that_travels_in_the_open_is_warned_of() -> None:
    (finding,) = _safe(subject("http://192.168.1.5:8000/v1", secret="k"), None)
    assert finding.what == "The key and all conversations travel to 192.168.1.5:8000 in the open."
    assert not list(_safe(subject("http://127.0.0.1:8000/v1", secret="k"), None))


# --- TLS ------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home-made certificate for 127.0.0.1, good for five days, and its key."""
    folder = tmp_path_factory.mktemp("pem")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 5 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(["openssl", *made.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


@asynccontextmanager
async def behind_tls(pem: tuple[Path, Path]) -> AsyncIterator[str]:
    """The base URL of a model server that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem)

    async with StubProvider(model_servers.vllm("m", 32768, chat=REAL_CALL)) as stub:
        stub_port = int(stub.base_url.split(":")[2].removesuffix("/v1"))

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", stub_port)
            await asyncio.wait({asyncio.ensure_future(copy(reader, inner_writer)), asyncio.ensure_future(copy(inner_reader, writer))})

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            target.close()

        server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
        try:
            yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()


@pytest.mark.needs("openssl")
async def test_a_home_made_certificate_is_told_from_one_that_is_trusted(pem: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    async with behind_tls(pem) as base_url:
        (refused,) = await check_route(subject(base_url, "m"))
        monkeypatch.setenv("SSL_CERT_FILE", str(pem[0]))
        trusted = await check_route(subject(base_url, "m"))
    assert (refused.level, refused.away) == ("error", False)
    assert refused.what.endswith("can't be trusted.") and refused.mend == "Start the gateway with SSL_CERT_FILE=/path/to/the/authority.pem"
    assert named(trusted, "route.certificate").what.endswith("ends in 4 days.")


async def test_a_proxy_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://us:s3cret@127.0.0.1:1")
    (finding,) = await check_route(subject("https://models.example/v1", "m"))
    assert (finding.what, finding.away) == ("models.example can't be reached through the proxy.", True)
    assert finding.cause == "models.example can't be reached through the proxy 127.0.0.1:1: connection refused; is it running?"
    assert finding.mend.startswith("Correct HTTPS_PROXY")


async def test_a_file_of_authorities_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    (finding,) = await check_route(subject("https://127.0.0.1:1/v1", "m"))
    assert (finding.level, finding.what, finding.away) == ("error", "127.0.0.1:1 can't be reached from here.", False)
    assert finding.cause.startswith("SSL_CERT_FILE is /nowhere.pem, which can't be read")


@pytest.mark.needs("openssl")
async def test_http_where_https_is_spoken_is_told(pem: tuple[Path, Path]) -> None:
    async with behind_tls(pem) as base_url:
        (finding,) = await check_route(subject(base_url.replace("https", "http"), "m"))
    assert finding.mend == f'base_url = "{base_url}"'
