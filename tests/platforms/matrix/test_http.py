"""Requests and the ways in which there is no answer, against something that is no homeserver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from holdfast import accounts
from holdfast.core.incoming import Place
from holdfast.errors import Config, Temporary
from holdfast.platforms.matrix import open_account
from holdfast.platforms.matrix.http import Homeserver, Lost, Refused, Unreached, path
from holdfast.platforms.matrix.signing_in import Signing
from holdfast.ports import Message, Receipt
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox


@asynccontextmanager
async def answering(status: str, body: bytes, *, headers: str = "", hang_up: bool = False) -> AsyncIterator[str]:
    """Within, the URL of something that answers every request with this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = len(body) + (100 if hang_up else 0)
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def homeserver(url: str) -> AsyncIterator[Homeserver]:
    server = Homeserver(url)
    try:
        yield server
    finally:
        await server.close()


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_path_holds_whatever_an_id_holds() -> None:
    assert path("rooms", "!a/b:c", "event", "$x?y") == "/rooms/%21a%2Fb%3Ac/event/%24x%3Fy"


async def test_an_answer_is_an_object() -> None:
    async with answering("200 OK", b'{"a": 1}') as url, homeserver(url) as server:
        assert await server.ask("GET", "/sync") == {"a": 1}


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"", b"[" * 100_000, b"\xff"])
async def test_anything_else_is_none(body: bytes) -> None:
    async with answering("200 OK", body) as url, homeserver(url) as server:
        with pytest.raises(Lost, match="something else than a Matrix homeserver"):
            await server.ask("GET", "/sync")


async def test_an_answer_that_breaks_off_is_lost() -> None:
    async with answering("200 OK", b'{"a": 1}', hang_up=True) as url, homeserver(url) as server:
        with pytest.raises(Lost, match="broke off"):
            await server.ask("GET", "/sync")


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with homeserver(closed_port()) as server:
        with pytest.raises(Unreached, match="refused"):
            await server.ask("GET", "/sync")


async def test_a_name_that_nobody_knows_is_not_reached() -> None:
    async with homeserver("http://homeserver.invalid") as server:
        with pytest.raises(Unreached, match="DNS"):
            await server.ask("GET", "/sync")


async def test_a_refusal_says_why_and_when_to_come_again() -> None:
    body = b'{"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 1500}'
    async with answering("429 Too Many Requests", body) as url, homeserver(url) as server:
        with pytest.raises(Refused) as refused:
            await server.ask("GET", "/sync")
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (429, "M_LIMIT_EXCEEDED", 1.5)
    assert str(refused.value) == "Too Many Requests (M_LIMIT_EXCEEDED)"


async def test_a_refusal_of_a_proxy_is_none_of_the_homeserver() -> None:
    async with answering("502 Bad Gateway", b"<html>", headers="retry-after: 7\r\n") as url, homeserver(url) as server:
        with pytest.raises(Refused) as refused:
            await server.ask("GET", "/sync")
    assert (refused.value.away, refused.value.retry_after_s) == (True, 7.0)


# --- what becomes of a send -----------------------------------------------------------------------------------------------------------


def account(url: str) -> accounts.Matrix:
    return accounts.Matrix(homeserver=url, user="@bot:example.org", password=Secret("env:X", "x"))


async def sent(url: str) -> Receipt:
    platform = open_account("home", account(url), MemoryFiles(), SystemClock(), Path("unused"))
    platform._server.token, platform._begun = "t", True  # type: ignore[attr-defined]
    try:
        return await platform.send(Place("!room"), Message("Hello", "k1"))
    finally:
        await platform.close()


@pytest.mark.parametrize(
    ("status", "code", "refusal", "away"),
    [
        ("403 Forbidden", "M_FORBIDDEN", "blocked", ""),
        ("404 Not Found", "M_NOT_FOUND", "blocked", ""),
        ("413 Too Large", "M_TOO_LARGE", "refused", ""),
        ("400 Bad Request", "M_BAD_JSON", "refused", ""),
        ("429 Too Many Requests", "M_LIMIT_EXCEEDED", "retry", ""),
        ("500 Internal Server Error", "M_UNKNOWN", "unknown", ""),
        ("502 Bad Gateway", "", "unknown", "away"),
        ("404 Not Found", "", "retry", "away"),
        ("308 Permanent Redirect", "", "retry", "away"),
        ("401 Unauthorized", "M_UNKNOWN_TOKEN", "retry", "stopped"),
        ("403 Forbidden", "M_USER_DEACTIVATED", "retry", "stopped"),
    ],
)
async def test_a_refused_send_says_what_it_calls_for(status: str, code: str, refusal: str, away: str) -> None:
    body = f'{{"errcode": "{code}", "error": "no"}}'.encode() if code else b"<html>"
    async with answering(status, body) as url:
        receipt = await sent(url)
    assert (receipt.refusal, receipt.account) == (refusal, away)
    assert receipt.why


async def test_a_send_that_never_left_is_sent_again_and_one_that_may_have_is_unknown() -> None:
    never = await sent(closed_port())
    assert (never.refusal, never.account) == ("retry", "away")
    async with answering("200 OK", b"{", hang_up=True) as url:
        maybe = await sent(url)
    assert (maybe.refusal, maybe.account) == ("unknown", "away")


async def test_who_can_not_sign_in_sends_nothing() -> None:
    platform = open_account("home", account(closed_port()), MemoryFiles(), SystemClock(), Path("unused"))
    receipt = await platform.send(Place("!room"), Message("Hello", "k1"))
    await platform.close()
    assert (receipt.refusal, receipt.account) == ("retry", "away")


# --- signing in -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        ("403 Forbidden", b'{"errcode": "M_FORBIDDEN", "error": "Invalid"}', Config, "refuses user and password"),
        ("403 Forbidden", b'{"errcode": "M_USER_DEACTIVATED", "error": "gone"}', Config, "has closed this user"),
        ("404 Not Found", b'{"errcode": "M_UNRECOGNIZED", "error": "what?"}', Config, "Check homeserver"),
        ("400 Bad Request", b'{"errcode": "M_UNKNOWN", "error": "Unknown login type"}', Config, "use an access_token"),
        ("429 Slow", b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 9000}', Temporary, "can't sign in"),
        ("404 Not Found", b"<html>", Temporary, "can't sign in"),
        ("502 Bad Gateway", b"<html>", Temporary, "can't sign in"),
        ("200 OK", b"<html>", Temporary, "something else than a Matrix homeserver"),
        ("200 OK", b'{"user_id": "@other:example.org"}', Config, "Correct user in"),
    ],
)
async def test_a_refused_signing_in_says_what_to_do(status: str, body: bytes, error: type[Exception], words: str) -> None:
    async with answering(status, body) as url:
        platform = open_account("home", account(url), MemoryFiles(), SystemClock(), Path("unused"))
        with pytest.raises(error, match=words):
            await platform.run(RecordingInbox())
        await platform.close()


@pytest.mark.parametrize(
    ("way", "soft", "error"),
    [("password", True, Temporary), ("password", False, Config), ("access_token", True, Config)],
)
async def test_only_who_was_signed_out_for_a_while_and_has_a_password_signs_in_again(way: str, soft: bool, error: type[Exception]) -> None:
    secret = Secret("env:X", "x")
    settings = accounts.Matrix(
        user="@bot:example.org", password=secret if way == "password" else None, access_token=secret if way == "access_token" else None
    )
    async with homeserver("http://127.0.0.1:1") as server:
        signing = Signing("home", settings, server)
        server.token = "t"
        refused = Refused(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "no", "soft_logout": soft}, {})
        assert isinstance(signing.over(refused), error)
        assert not server.token
        assert signing.over(Refused(403, {"errcode": "M_FORBIDDEN"}, {})) is None
