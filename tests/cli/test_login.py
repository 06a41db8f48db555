from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest


@contextmanager
def _gateway(home: Any) -> Iterator[None]:
    """A gateway with a page, on any port."""
    command = (sys.executable, "-m", "holdfast.testing.fake_gateway", str(home.data_dir), "--port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=home.environ) as process:
        try:
            assert process.stdout is not None
            assert {process.stdout.readline(), process.stdout.readline()} == {b"ready\n", b"page\n"}
            yield
        finally:
            process.kill()


def _link(home: Any) -> str:
    done = home.holdfast("login")
    assert done.returncode == 0, done.stderr
    said, link = done.stdout.decode().splitlines()
    assert said == "Open this within 10 minutes. It logs one browser in, once:"
    return str(link)


def _ask(link: str, path: str, cookie: str = "", body: object = None) -> Any:
    """As a browser would that opened the link."""
    parts = urlsplit(link)
    origin = f"{parts.scheme}://{parts.netloc}"
    headers = {"Origin": origin, "X-Holdfast": "1", "Cookie": cookie}
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(origin + path, data, headers), timeout=10)


def _log_in(link: str) -> str:
    code = urlsplit(link).fragment.removeprefix("login=")
    with _ask(link, "/v1/login", body={"code": code}) as response:
        return str(response.headers["set-cookie"]).partition(";")[0]


def _status(link: str, cookie: str) -> int:
    try:
        with _ask(link, "/v1/status", cookie) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_link_logs_a_browser_in_and_forget_logs_it_out(home: Any) -> None:
    with _gateway(home):
        link = _link(home)
        unopened, cookie = _link(home), _log_in(link)
        assert _status(link, cookie) == 200
        forgotten = home.holdfast("login", "--forget")
        assert forgotten.returncode == 0
        assert b"All browsers are logged out" in forgotten.stdout
        assert _status(link, cookie) == 401
        with pytest.raises(urllib.error.HTTPError, match="401"):
            _log_in(unopened)
        assert _status(link, _log_in(_link(home))) == 200


def test_browsers_can_be_logged_out_while_the_gateway_is_stopped(home: Any) -> None:
    with _gateway(home):
        name, _, value = _log_in(_link(home)).partition("=")
    assert home.holdfast("login").returncode == 75
    assert home.holdfast("login", "--forget").returncode == 0
    with _gateway(home):
        link = _link(home)
        assert _status(link, f"holdfast-{urlsplit(link).port}={value}") == 401
        assert name.startswith("holdfast-")


def test_a_gateway_that_serves_no_page_gives_no_link(home: Any) -> None:
    home.start()
    done = home.holdfast("login")
    assert done.returncode == 75
    assert b"The page is not served yet" in done.stderr


def test_where_no_gateway_ever_ran_there_is_nothing_to_forget(home: Any) -> None:
    home.data_dir.rmdir()
    done = home.holdfast("login", "--forget")
    assert done.returncode == 2
    assert b"nothing to forget" in done.stderr
    assert not home.data_dir.exists()
