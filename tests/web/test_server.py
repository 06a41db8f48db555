from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from holdfast.config import Web
from holdfast.errors import AlreadyRunning, Config, Temporary
from holdfast.runtime.clock import SystemClock
from holdfast.testing.fake_gateway import FakeGateway
from holdfast.web import server
from holdfast.web.door import door, port
from holdfast.web.login import Login
from holdfast.web.platform import WebPlatform
from holdfast.web.server import serve_door, serve_page

EVENTS = "/v1/conversations/web:local:x/events"


def _door(folder: Path) -> ASGIApp:
    gateway, clock = FakeGateway(), SystemClock()
    return door(gateway, WebPlatform(gateway.files), Login(folder, clock), clock)


@asynccontextmanager
async def _page(folder: Path, web: Web) -> AsyncIterator[int]:
    gateway, clock = FakeGateway(), SystemClock()
    app = port(gateway, WebPlatform(gateway.files), Login(folder, clock), clock, web)
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve_page(app, web, told.set_result))
    either: set[asyncio.Future[Any]] = {task, told}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            await task
        yield await told
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_only_its_owner_may_use_the_door(rig: Any) -> None:
    assert stat.S_IMODE(rig.path.stat().st_mode) == 0o600


async def test_the_door_is_gone_when_the_server_has_stopped(rig: Any) -> None:
    await rig.stop()
    assert not rig.path.exists()


async def test_a_socket_left_by_a_killed_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "door.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    await _opens(path, tmp_path)


async def test_a_gateway_whose_door_was_taken_by_another_ends_and_leaves_the_other_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data folder was deleted under a running gateway, and another one started in it."""
    monkeypatch.setattr(server, "DOOR_LOOK_S", 0.01)
    path, ready = tmp_path / "door.sock", asyncio.Event()
    first = asyncio.create_task(serve_door(_door(tmp_path), path, ready.set))
    await ready.wait()
    ready.clear()
    second = asyncio.create_task(serve_door(_door(tmp_path), path, ready.set))
    with pytest.raises(AlreadyRunning, match="Another gateway"):
        await asyncio.wait_for(first, 20)
    assert ready.is_set()
    assert path.exists()
    second.cancel()
    await asyncio.wait({second})
    assert not path.exists()


async def test_a_door_whose_name_was_deleted_is_opened_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "DOOR_LOOK_S", 0.01)
    path, opened = tmp_path / "door.sock", asyncio.Queue[None]()
    task = asyncio.create_task(serve_door(_door(tmp_path), path, lambda: opened.put_nowait(None)))
    async with asyncio.timeout(20):
        await opened.get()
        path.unlink()
        await opened.get()
        async with httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=str(path)), base_url="http://door") as client:
            assert (await client.get("/v1/status")).status_code == 200
    task.cancel()
    await asyncio.wait({task})


async def test_a_door_in_a_runtime_folder_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "holdfast-1" / "door.sock"
    await _opens(path, tmp_path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def _opens(path: Path, tmp_path: Path) -> None:
    ready = asyncio.Event()
    task = asyncio.create_task(serve_door(_door(tmp_path), path, ready.set))
    async with (
        asyncio.timeout(20),
        httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=str(path)), base_url="http://door") as client,
    ):
        await ready.wait()
        assert (await client.get("/v1/status")).status_code == 200
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize("obstacle", ["file", "folder missing"])
async def test_a_door_that_cannot_be_opened_says_why(tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "door.sock" if obstacle == "file" else tmp_path / "a" / "b" / "door.sock"
    if obstacle == "file":
        path.write_text("mine")
    with pytest.raises(Config, match="can't be opened"):
        await serve_door(_door(tmp_path), path, lambda: None)
    if obstacle == "file":
        assert path.read_text() == "mine"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_the_page_is_served_on_loopback(tmp_path: Path, host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    async with _page(tmp_path, Web(host=host, port=0)) as at, httpx2.AsyncClient() as client:
        name = f"[{host}]" if ":" in host else host
        response = await client.get(f"http://{name}:{at}/v1/status")
        assert response.status_code == 401
        assert "server" not in response.headers


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True


async def test_a_busy_port_is_to_be_tried_again(tmp_path: Path) -> None:
    async with _page(tmp_path, Web(port=0)) as at:
        with pytest.raises(Temporary, match=f"{at}: another program has this port"):
            async with _page(tmp_path, Web(port=at)):
                pass
    async with _page(tmp_path, Web(port=at)):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.999"])
async def test_a_host_that_others_can_reach_is_refused_without_tls(tmp_path: Path, host: str) -> None:
    with pytest.raises(Config, match=r"Set host to 127\.0\.0\.1"):
        async with _page(tmp_path, Web(host=host, port=0)):
            pass


async def test_a_proxy_in_front_may_reach_the_page_from_elsewhere(tmp_path: Path) -> None:
    web = Web(host="0.0.0.0", port=0, url="https://chat.example.org", behind_proxy=True)
    async with _page(tmp_path, web) as at, httpx2.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{at}/v1/status")).status_code == 401


# --- TLS --------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for chat.example.org and 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("pem")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test -addext subjectAltName=DNS:chat.example.org,IP:127.0.0.1"
    _openssl(*made.split(), "-keyout", str(key), "-out", str(certificate))
    return certificate, key


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _tls(pem: tuple[Path, Path], host: str = "127.0.0.1") -> Web:
    return Web(host=host, port=0, url="https://chat.example.org", certificate=str(pem[0]), certificate_key=str(pem[1]))


@pytest.mark.needs("openssl")
async def test_the_page_speaks_tls_and_its_cookie_is_for_tls_alone(tmp_path: Path, open_site: Any, pem: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(pem[0]))
    async with open_site(tmp_path, _tls(pem, "0.0.0.0"), trusting) as site:
        response = await site.client.post("/v1/login", json={"code": site.login.link().code}, headers=site.own)
        assert response.status_code == 200
        cookie = response.headers["set-cookie"]
        assert cookie.startswith(f"__Host-holdfast-{site.port}=")
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        own = {**site.own, "host": "chat.example.org", "origin": "https://chat.example.org"}
        assert (await site.client.get("/v1/status", headers={"host": "chat.example.org"})).status_code == 200
        plain = {**site.own, "host": "chat.example.org", "origin": "http://chat.example.org"}
        assert (await site.client.post("/v1/logout", headers=plain)).status_code == 403
        assert b"HTTP/1.1 200" not in await site.raw(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert (await site.client.post("/v1/logout", headers=own)).status_code == 200
        assert (await site.client.get("/v1/status")).status_code == 401


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("wrong", ["missing", "swapped", "another's", "locked", "empty"])
async def test_a_certificate_that_cannot_be_used_says_why(tmp_path: Path, pem: tuple[Path, Path], wrong: str) -> None:
    certificate, key = pem
    other = tmp_path / "other.pem"
    match wrong:
        case "missing":
            pem = certificate, tmp_path / "nowhere.pem"
        case "swapped":
            pem = key, certificate
        case "another's":
            _openssl("genpkey", "-algorithm", "ed25519", "-out", str(other))
            pem = certificate, other
        case "locked":
            _openssl("ec", "-aes256", "-passout", "pass:x", "-in", str(key), "-out", str(other))
            pem = certificate, other
        case _:
            other.touch()
            pem = other, key
    with pytest.raises(Config, match=r"\[web\] certificate .*pem"):
        async with asyncio.timeout(20), _page(tmp_path, _tls(pem)):
            pass


# --- the end ----------------------------------------------------------------------------------------------------------------------------


async def test_stopping_does_not_wait_for_a_reader_who_takes_nothing(rig: Any) -> None:
    reader, writer = await asyncio.open_unix_connection(rig.path, limit=1)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    while not rig.platform.listeners:  # noqa: ASYNC110 it has no event
        await asyncio.sleep(0)
    for n in range(40):
        rig.platform.show("web:local:x", f"a{n}", "y" * 200_000)
        await asyncio.sleep(0)
    began = time.monotonic()
    await rig.stop()
    assert time.monotonic() - began < 6
    writer.close()
    del reader


async def test_stopping_does_not_wait_for_a_connection_that_asks_nothing(rig: Any) -> None:
    _, idle = await asyncio.open_unix_connection(rig.path)
    _, half = await asyncio.open_unix_connection(rig.path)
    half.write(b"POST /v1/conversations/x/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
    began = time.monotonic()
    await rig.stop()
    assert time.monotonic() - began < 6
    idle.close()
    half.close()


async def test_an_answer_in_the_making_is_given_before_the_end(rig: Any) -> None:
    going_on = asyncio.Event()
    accept = rig.gateway.accept

    async def slow(*args: Any) -> Any:
        rig.server.cancel()
        going_on.set()
        await asyncio.sleep(0)
        return await accept(*args)

    rig.gateway.accept = slow
    response = await rig.client.post("/v1/conversations/x/messages", json={"key": "k", "text": "x"})
    assert going_on.is_set()
    assert response.json()["seq"] == 1


PROGRAM = """
import asyncio, signal, sys
from pathlib import Path
from holdfast.runtime.clock import SystemClock
from holdfast.testing.fake_gateway import FakeGateway
from holdfast.web.door import door
from holdfast.web.login import Login
from holdfast.web.platform import WebPlatform
from holdfast.web.server import serve_door

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    gateway, clock = FakeGateway(), SystemClock()
    app = door(gateway, WebPlatform(gateway.files), Login(Path(sys.argv[1]).parent, clock), clock)
    server = asyncio.create_task(serve_door(app, Path(sys.argv[1]), lambda: print("ready", flush=True)))
    await stop.wait()
    server.cancel()
    await asyncio.wait({server})

asyncio.run(main())
"""


def test_a_process_told_to_stop_with_an_open_stream_ends_with_0_within_seconds(tmp_path: Path) -> None:
    """Left to itself, uvicorn takes SIGTERM over, waits for the stream for ever, and raises the signal again."""
    path = tmp_path / "door.sock"
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            with socket.socket(socket.AF_UNIX) as reader:
                reader.connect(str(path))
                reader.sendall(f"GET {EVENTS} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                assert b": open" in _until(reader, b": open")
                began = time.monotonic()
                os.kill(process.pid, signal.SIGTERM)
                assert _until(reader, b"").endswith(b"0\r\n\r\n")
                _, complaints = process.communicate(timeout=10)
            assert time.monotonic() - began < 6
            assert process.returncode == 0
            assert complaints == b""
        finally:
            process.kill()


def _until(reader: socket.socket, mark: bytes) -> bytes:
    """What comes until `mark` is in it, or with b"" until the end."""
    reader.settimeout(20)
    text = b""
    while not mark or mark not in text:
        more = reader.recv(4096)
        if not more:
            break
        text += more
    return text
