"""Proxies and authorities that the environment names, with a real proxy and real certificates, in every dialect."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from holdfast.environment import is_here, proxy_for, trusted
from holdfast.models.classify import classify
from holdfast.testing.certificates import Authority
from holdfast.testing.dialects import STREAMS, Say
from holdfast.testing.http_proxy import HttpProxy
from holdfast.testing.model_rig import Open
from holdfast.testing.stub_provider import Reply, http

NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
FAR = "models.example"


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(params=sorted(STREAMS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def hello(dialect: str) -> Reply:
    return Reply(http(b"".join(STREAMS[dialect](Say("Hello")))))


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


# --- proxies --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_a_server_far_away_is_reached_through_the_proxy(
    to: Open, dialect: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with HttpProxy() as proxy:
        monkeypatch.setenv(name, proxy.url.replace("http://", "http://us:s3cret@"))
        route = await to(hello(dialect), dialect, host=FAR, tls=authority.server(f"DNS:{FAR}"))
        for _ in range(2):
            assert (await route.ask()).text == "Hello"
        assert [host.partition(":")[0] for host in proxy.asked] == [FAR]  # one tunnel, used again
        assert proxy.credentials == ["Basic dXM6czNjcmV0"]
        assert route.stub.connections == 1


@pytest.mark.needs("openssl")
async def test_the_way_to_the_proxy_itself_may_be_tls(
    to: Open, dialect: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    tls = authority.server(f"DNS:{FAR}", "IP:127.0.0.1")
    async with HttpProxy(tls=tls) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert (await (await to(hello(dialect), dialect, host=FAR, tls=tls)).ask()).text == "Hello"
        assert len(proxy.asked) == 1


async def test_without_tls_it_is_the_proxy_for_http_that_is_asked(to: Open, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with HttpProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)  # some leave http:// out
        monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")  # as desktops set it beside the others
        assert (await (await to(hello(dialect), dialect, host=FAR)).ask()).text == "Hello"
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_this_machine_is_never_asked_for_at_a_proxy(to: Open, dialect: str, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    async with HttpProxy() as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await (await to(hello(dialect), dialect, host=host)).ask()).text == "Hello"
        assert proxy.asked == []


@pytest.mark.parametrize("base_url", ["https", "http"])
async def test_a_proxy_that_is_away_is_weather_and_is_named(to: Open, dialect: str, monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    away = nobody()
    monkeypatch.setenv(f"{base_url.upper()}_PROXY", f"http://us:s3cret@{away}")
    failure = await (await to(hello(dialect), dialect, host=FAR, base_url=f"{base_url}://{FAR}/v1")).fails()
    assert failure.why == f"{FAR} can't be reached through the proxy {away}: connection refused; is it running?"
    verdict = classify(failure, now=0.0)
    assert verdict.kind == "transient"
    assert f"the proxy {away}" in verdict.reason and "s3cret" not in repr(failure)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [("502 Bad Gateway", "transient"), ("504 Gateway Timeout", "transient"), ("403 Forbidden", "config"), ("407 Who", "config")],
)
async def test_a_proxy_that_opens_no_tunnel_says_why(
    to: Open, dialect: str, monkeypatch: pytest.MonkeyPatch, refusal: str, kind: str
) -> None:
    async with HttpProxy(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        failure = await (await to(hello(dialect), dialect, base_url=f"https://{FAR}/v1")).fails()
    assert failure.why == f"{FAR} can't be reached through the proxy {proxy.address}: it answered {refusal}"
    assert classify(failure, now=0.0).kind == kind


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        (
            "socks5://us:s3cret@127.0.0.1:1080",
            "the proxy 127.0.0.1:1080 speaks SOCKS, which needs one more package. Run: pip install 'httpx2[socks]'",
        ),
        ("ftp://us:s3cret@127.0.0.1:21", "the environment names a proxy, 127.0.0.1:21, but not as http://HOST:PORT. Correct HTTPS_PROXY,"),
        ("http://127.0.0.1:port", "the environment names a proxy, 127.0.0.1:port, but not as http://HOST:PORT"),
    ],
)
async def test_a_proxy_that_can_not_be_used_is_a_failure_that_says_what_to_do(
    to: Open, dialect: str, monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setitem(sys.modules, "socksio", None)  # a tool server of others may have brought it along
    route = await to(hello(dialect), dialect, host=FAR)
    await route.model.warm()
    failure = await route.fails()
    assert said in failure.why and failure.exception.startswith("Unusable: ")
    assert "s3cret" not in repr(failure)


@pytest.mark.parametrize(
    ("exempt", "url", "through"),
    [
        ("", "https://models.example/v1", True),
        ("*", "https://models.example/v1", False),
        ("localhost, *", "https://models.example/v1", False),
        ("example", "https://models.example/v1", False),
        (".example", "https://models.example/v1", False),
        ("*.example", "https://models.example/v1", False),
        ("Models.Example", "https://MODELS.example/v1", False),
        ("odels.example", "https://models.example/v1", True),
        ("models.example:8443", "https://models.example:8443/v1", False),
        ("models.example:8443", "https://models.example/v1", True),
        ("models.example:443", "https://models.example/v1", False),
        ("10.0.0.0/8,192.168.0.0/16", "http://10.1.2.3:8000/v1", False),
        ("10.0.0.0/8", "http://11.1.2.3:8000/v1", True),
        ("10.1.2.3", "http://10.1.2.3:8000/v1", False),
        ("10.1.2.3:8000", "http://10.1.2.3:8000/v1", False),
        ("10.0.0.0/8", "http://models.example/v1", True),
        ("[fd00::]/8, fd01::1", "http://[fd01::1]:8000/v1", False),
        ("10.0.0.0/8", "http://[fd01::1]/v1", True),
        ("", "http://127.0.0.53/v1", False),
        ("", "http://[::1]:8080/v1", False),
        ("", "http://[::1/v1", False),
        ("", "nonsense", False),
        ("", "http://host:port/v1", False),
    ],
)
def test_whom_the_proxy_is_not_for(monkeypatch: pytest.MonkeyPatch, exempt: str, url: str, through: bool) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert proxy_for(url) == ("http://proxy.example:3128" if through else "")


def test_this_machine_is_told_by_names_that_always_mean_it() -> None:
    assert [is_here(f"http://{host}/v1") for host in ("localhost", "127.0.0.1:80", "[::1]", "10.0.0.1", "localhost.example", "")] == [
        True
    ] * 3 + [False] * 3


# --- authorities ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_authority_of_ones_own_is_trusted_once_the_environment_names_it(
    to: Open, dialect: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    tls = authority.server("IP:127.0.0.1", "DNS:localhost")
    failure = await (await to(hello(dialect), dialect, host=host, tls=tls)).fails()
    verdict = classify(failure, now=0.0)
    assert (verdict.kind, "can't be trusted" in verdict.reason) == ("config", True)
    for name, path in (("SSL_CERT_FILE", authority.file), ("SSL_CERT_DIR", authority.hashed)):
        monkeypatch.setenv(name, str(path))
        assert (await (await to(hello(dialect), dialect, host=host, tls=tls)).ask()).text == "Hello"
        monkeypatch.delenv(name)


@pytest.mark.needs("openssl")
async def test_a_certificate_for_another_name_is_a_mistake(
    to: Open, dialect: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    verdict = classify(await (await to(hello(dialect), dialect, tls=authority.server("DNS:other.example"))).fails(), now=0.0)
    assert (verdict.kind, "another name" in verdict.reason) == ("config", True)


@pytest.mark.needs("openssl")
def test_the_authorities_of_this_machine_stay_trusted_beside_ones_own(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server at home must not take the public ones away."""
    before = trusted().cert_store_stats()["x509_ca"]
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert trusted().cert_store_stats()["x509_ca"] == before + 1


@pytest.mark.needs("openssl")
async def test_a_file_of_authorities_that_can_not_be_read_is_a_failure_until_it_can(
    to: Open, dialect: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "authority.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    route = await to(hello(dialect), dialect, host="localhost", tls=authority.server("DNS:localhost"))
    assert (await route.fails()).why.endswith(
        f"can't be reached: SSL_CERT_FILE is {file}, which can't be read (No such file or directory). Correct it where the gateway is started"
    )
    file.write_text("nothing")
    assert "which holds no certificate" in (await route.fails()).why
    file.write_bytes(authority.file.read_bytes())
    assert (await route.ask()).text == "Hello"
