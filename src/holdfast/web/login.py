"""Who may come in by the port: a key in a file, links that work once, and cookies that are signed with the key.

The key is made at the first start and never leaves its file. A cookie is a token that names its end and carries a signature, so nothing about it has
to be kept: it outlives every restart, and a new key ends all of them at once. A link's code lives in memory, for ten minutes, and is tied to the key too.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from holdfast.config import Web
from holdfast.errors import Config, Temporary
from holdfast.ports import Clock
from holdfast.secrets import write_private
from holdfast.values import is_loopback
from holdfast.web.wire import Link

KEY_BYTES: Final = 32
CODE_S_MAX: Final = 600.0
CODES_MAX: Final = 8
"""So many links may wait to be opened; one more makes the oldest void."""
COOKIE_S_MAX: Final = 90 * 86400

log = logging.getLogger(__name__)


class KeyFile:
    """The key in `data_dir`. Whoever can read it can come in, so nobody but its owner can."""

    def __init__(self, data_dir: Path) -> None:
        self.path: Final = data_dir / "login.key"
        self._seen: tuple[int, ...] = ()
        self._key: bytes | None = None

    def read(self) -> bytes | None:
        """The key as it is now. None if there is none, or none that can be trusted. The file is opened only if it has changed."""
        try:
            status = self.path.lstat()
        except OSError:
            return None
        seen = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_mode)
        if seen != self._seen:
            self._key = self._load() if _is_private(status) else None
            self._seen = seen
        return self._key

    def _load(self) -> bytes | None:
        try:
            with self.path.open("rb") as file:
                key = bytes.fromhex(file.read(4 * KEY_BYTES).decode())
        except (OSError, ValueError):
            return None
        return key if len(key) == KEY_BYTES else None

    def replace(self) -> None:
        """Put a new key there, whole and durable: every cookie and every link made before is void. Raises `Config` if it can't be written."""
        try:
            write_private(self.path, secrets.token_bytes(KEY_BYTES).hex().encode())
        except OSError as error:
            raise Config(
                f"The key {self.path} can't be written ({error.strerror}). Make its folder one that this user may write to."
            ) from error


def _is_private(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077 and status.st_uid == os.geteuid()


class Login:
    """The one place that says who is logged in. `address` is where the page is served, once it is."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        """Makes the key if there is none. Raises `Config` if it can't."""
        self.address = ""
        self._clock = clock
        self._file = KeyFile(data_dir)
        self._codes: dict[str, float] = {}  # its signature -> void from then on, monotonic
        self._usable_key()

    def link(self) -> Link:
        """A link that logs one browser in, once. Raises `Temporary` while the page is not served."""
        if not self.address:
            raise Temporary("The page is not served yet; `holdfast check` says why. Everything else works. Try again in a moment.")
        key = self._usable_key()
        self._forget_void_codes()
        while len(self._codes) >= CODES_MAX:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(KEY_BYTES)
        self._codes[_sign(key, "code", code)] = self._clock.monotonic() + CODE_S_MAX
        return Link(code, f"{self.address}/#login={code}", CODE_S_MAX)

    def redeem(self, code: str) -> str | None:
        """The cookie's value for a link's code, which is void from now on; None if it was no good."""
        key = self._file.read()
        if key is None:
            return None
        self._forget_void_codes()
        given, found = _sign(key, "code", code), ""
        for known in self._codes:
            if hmac.compare_digest(known, given):
                found = known
        if not found:
            return None
        del self._codes[found]
        until = str(int(self._clock.now()) + COOKIE_S_MAX)
        return f"{until}.{_sign(key, 'cookie', until)}"

    def knows(self, cookie: str) -> bool:
        """Is this the value of a cookie that was given, is not over, and was not forgotten?"""
        key = self._file.read()
        until, _, signature = cookie.partition(".")
        if key is None or not hmac.compare_digest(_sign(key, "cookie", until).encode(), signature.encode(errors="replace")):
            return False
        return self._clock.now() < int(until)  # a number: we have signed it

    def _usable_key(self) -> bytes:
        key = self._file.read()
        if key is None:
            if self._file.path.exists():
                log.warning("%s was damaged, or others could read it. A new one is made; all browsers are logged out.", self._file.path)
            self._file.replace()
            key = self._file.read()
            assert key is not None
        return key

    def _forget_void_codes(self) -> None:
        now = self._clock.monotonic()
        self._codes = {code: until for code, until in self._codes.items() if now < until}


def _sign(key: bytes, what: str, value: str) -> str:
    return hmac.new(key, f"holdfast {what} 1 {value}".encode(errors="replace"), hashlib.sha256).hexdigest()


def page_address(web: Web, port: int) -> str:
    """How people reach the page that listens on `port`, without a slash at the end."""
    if web.url:
        return web.url.rstrip("/")
    assert is_loopback(web.host)
    return f"http://{f'[{web.host}]' if ':' in web.host else web.host}:{port}"
