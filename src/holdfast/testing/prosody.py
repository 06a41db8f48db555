"""A real XMPP server (prosody, as Debian has it) as a child process, on the loopback, in a folder of its own; and people on it.

It is ready in less than a second, and keeps what it has under `kill -9`. The people are slixmpp's own client, with its plugins: they share no code with
what is tested.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx2

PROGRAM: Final = "prosody"
DOMAIN: Final = "localhost"
ROOMS: Final = "rooms.localhost"
READY_S_MAX: Final = 60.0
LOOK_S: Final = 0.05
REPLY_S_MAX: Final = 20.0

_CONFIG: Final = """
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
plugin_paths = {{ "{folder}/modules" }}
modules_enabled = {{ {modules} }}
modules_disabled = {{ "s2s", "admin_shell", "admin_socket" }}
interfaces = {{ "127.0.0.1" }}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_require_encryption = {encrypted}
{certificate}
allow_unencrypted_plain_auth = true
legacy_ssl_ports = {{}}
http_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {http_port} }}
https_ports = {{}}
http_default_host = "localhost"
http_external_url = "http://localhost:{http_port}/"
authentication = "internal_plain"
archive_expires_after = "never"
muc_log_expires_after = "never"
log = {{ info = "{folder}/prosody.log" }}
VirtualHost "localhost"
Component "{rooms}" "muc"
  modules_enabled = {{ {room_modules} }}
  muc_room_default_public_jids = {public}
  muc_room_locking = false
Component "upload.localhost" "http_file_share"
  http_host = "localhost"
"""
_MODULES: Final = ("disco", "roster", "saslauth", "blocklist", "carbons", "ping", "orders")


class Prosody:
    """The server. `archive`: it keeps one. `public`: rooms tell who is behind a name. `certificate`: a pair of files; then it wants to be spoken to encrypted."""

    def __init__(self, folder: Path, *, archive: bool = True, public: bool = True, certificate: tuple[Path, Path] | None = None) -> None:
        self.folder = folder
        self._archive, self._public, self._certificate = archive, public, certificate
        self.port, self.http_port = _free(), _free()
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx2.Client(base_url=f"http://localhost:{self.http_port}", timeout=REPLY_S_MAX, trust_env=False)

    def start(self) -> None:
        """Return when it takes orders."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "modules").mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("prosody.lua"), self.folder / "modules/mod_orders.lua")
        key, certificate = self._certificate or ("", "")
        config = _CONFIG.format(
            folder=self.folder,
            modules=_list(*_MODULES, *(("mam",) if self._archive else ()), *(("tls",) if self._certificate else ())),
            room_modules=_list(*(("muc_mam",) if self._archive else ())),
            port=self.port,
            http_port=self.http_port,
            rooms=ROOMS,
            public=str(self._public).lower(),
            encrypted=str(self._certificate is not None).lower(),
            certificate=f'ssl = {{ key = "{key}"; certificate = "{certificate}" }}' if self._certificate else "",
        )
        (self.folder / "prosody.cfg.lua").write_text(config)
        with (self.folder / "said.log").open("ab") as said:
            self._process = subprocess.Popen(  # noqa: S603 what we start is ours
                [shutil.which(PROGRAM) or PROGRAM, "--config", str(self.folder / "prosody.cfg.lua"), "-F"],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(self.folder)},
            )
        deadline = time.monotonic() + READY_S_MAX
        while True:
            try:
                self.order("sessions", name="nobody")
            except httpx2.HTTPError:
                assert self._process.poll() is None, (self.folder / "said.log").read_text()
                assert time.monotonic() < deadline, "prosody is not ready"
                time.sleep(LOOK_S)
            else:
                return

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        self._http.close()

    def order(self, what: str, **form: str) -> str:
        """See prosody.lua."""
        return str(self._http.post(f"/orders/{what}", data={"host": DOMAIN, **form}).raise_for_status().text)

    def user(self, name: str) -> User:
        """A new one, whose address begins so."""
        user = User(self, f"{name}{secrets.token_hex(3)}", secrets.token_hex(8))
        self.order("user", name=user.name, password=user.password)
        return user


class User:
    """Somebody who has an account."""

    def __init__(self, server: Prosody, name: str, password: str) -> None:
        self.server, self.name, self.password = server, name, password
        self.jid = f"{name}@{DOMAIN}"

    def revoke(self) -> None:
        """The account is deleted; whoever is signed in is signed out. Returns when that is done."""
        self.server.order("delete", name=self.name)
        deadline = time.monotonic() + REPLY_S_MAX
        while self.sessions():
            assert time.monotonic() < deadline
            time.sleep(LOOK_S)

    def changes_password(self) -> None:
        self.server.order("password", name=self.name, password=secrets.token_hex(8))

    def sessions(self) -> int:
        return int(self.server.order("sessions", name=self.name))

    def cut(self) -> None:
        self.server.order("cut", name=self.name)

    def refused(self, kind: str, condition: str) -> None:
        """Their next message comes back."""
        self.server.order("refuse", **{"from": self.jid, "type": kind, "condition": condition})


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _list(*names: str) -> str:
    return ", ".join(f'"{name}"' for name in names)
