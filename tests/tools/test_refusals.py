from __future__ import annotations

import socket
import ssl

import httpx2
import pytest

from holdfast.errors import Config, Temporary
from holdfast.tools.refusals import RETRY_AFTER_S_MAX, SAID_CHARS_MAX, Place, broken, not_mcp, refusal

NEW = Place("x", "http://host/mcp", {"authorization": "Bearer s3cret"}, proven=False)
PROVEN = Place("x", "http://host/mcp", {"authorization": "Bearer s3cret"}, proven=True)
OPEN = Place("x", "http://host/mcp", {}, proven=False)


@pytest.mark.parametrize("status", [401, 403, 407])
@pytest.mark.parametrize("place", [NEW, PROVEN])
def test_a_closed_door_is_for_a_person_and_the_key_is_not_repeated(place: Place, status: int) -> None:
    error = refusal(place, status, {"content-type": "application/json"}, b'{"error": {"message": "Bearer s3cret is no key, s3cret!"}}')
    assert isinstance(error, Config)
    assert "[tools.x]" in str(error) and "api_key" in str(error) and str(status) in str(error)
    assert "s3cret" not in str(error) and "is no key" in str(error)


def test_who_has_no_key_is_told_how_to_give_one() -> None:
    assert 'api_key = "env:NAME" in [tools.x]' in str(refusal(OPEN, 401, {}, b""))


@pytest.mark.parametrize("status", [404, 405, 410])
def test_no_endpoint_is_a_mistake_until_it_has_worked(status: int) -> None:
    page = {"content-type": "text/html"}
    error = refusal(NEW, status, page, b"<html>not here</html>")
    assert isinstance(error, Config)
    assert "url in [tools.x]" in str(error) and "/mcp" in str(error) and "html" not in str(error)
    assert isinstance(refusal(PROVEN, status, page, b""), Temporary), "a proxy says so while a server restarts"


def test_a_page_is_no_endpoint_until_it_has_worked() -> None:
    assert isinstance(not_mcp(NEW, "text/html"), Config)
    assert isinstance(not_mcp(PROVEN, "text/html"), Temporary)


@pytest.mark.parametrize("status", [400, 408, 418, 425, 429, 500, 502, 503, 504, 529, 530])
def test_everything_else_passes(status: int) -> None:
    assert isinstance(refusal(NEW, status, {}, b""), Temporary)


@pytest.mark.parametrize(
    ("value", "wait_s"), [("7", 7.0), ("999999", RETRY_AFTER_S_MAX), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)]
)
def test_a_pause_that_is_asked_for_is_made_within_bounds(value: str, wait_s: float | None) -> None:
    error = refusal(NEW, 429, {"retry-after": value}, b"")
    assert isinstance(error, Temporary)
    assert error.retry_after_s == wait_s


def test_a_redirect_names_the_place_without_what_may_be_secret_in_it() -> None:
    error = refusal(NEW, 302, {"location": "https://user:pass@else.where/mcp?key=1#f"}, b"")
    assert isinstance(error, Config)
    assert "https://else.where/mcp (302)" in str(error) and "pass" not in str(error) and "key=" not in str(error)


def test_long_words_are_cut() -> None:
    assert len(str(refusal(NEW, 500, {"content-type": "text/plain"}, b"x" * 60_000))) < SAID_CHARS_MAX + 200


@pytest.mark.parametrize("body", [b"[" * 50_000, b'{"error":' * 50_000, b'{"error":' * 300 + b"1" + b"}" * 300])
def test_words_that_are_nested_without_end_are_none(body: bytes) -> None:
    assert len(str(refusal(NEW, 500, {}, body))) < SAID_CHARS_MAX + 200


def raised(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def test_what_hinders_a_connection_is_told_in_plain_words() -> None:
    refused = raised(OSError("All connection attempts failed"), ExceptionGroup("both", [ConnectionRefusedError()]))
    assert "is it running?" in str(broken(NEW, raised(httpx2.ConnectError("x"), refused), 10))
    assert "DNS" in str(broken(NEW, raised(httpx2.ConnectError("x"), socket.gaierror()), 10))
    assert "within 10 s" in str(broken(NEW, TimeoutError(), 10))
    assert "broke off" in str(broken(NEW, httpx2.ReadError("x"), 10))
    assert "s3cret" not in str(broken(NEW, httpx2.ConnectError("it was s3cret"), 10))


def test_certificates_and_tls_where_there_is_none_are_for_a_person() -> None:
    certificate = ssl.SSLCertVerificationError(1, "no")
    certificate.verify_message = "self-signed certificate"
    error = broken(NEW, raised(httpx2.ConnectError("x"), certificate), 10)
    assert isinstance(error, Config)
    assert "self-signed certificate" in str(error) and "[tools.x]" in str(error)
