"""A real Matrix homeserver as a child process, on the loopback, in a folder of its own; and people on it.

    with Synapse(folder) as synapse:
        ann = synapse.person("ann")
        room = ann.direct(synapse.person("bot").id)
        ann.write(room, "Hello")
        synapse.kill()

It is ready in about 2 s, and safe under `kill -9`. Everything here waits in the calling thread: whoever has an event loop to keep alive meanwhile
uses `asyncio.to_thread`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2

PROGRAM: Final = "synapse_homeserver"
MISSING: Final = (
    f"{PROGRAM} not installed. In an environment of its own: pip install --require-hashes -r requirements/synapse.txt, with its bin on PATH"
)
NAME: Final = "holdfast.test"
READY_S_MAX: Final = 60.0
LOOK_S: Final = 0.05
"""Between two looks at a server that is starting."""
REPLY_S_MAX: Final = 20.0

_PASSWORD: Final = "a password for tests"  # noqa: S105 it opens nothing but a server on this machine
_SHARED: Final = "a secret for tests"
_UNLIMITED: Final = {"per_second": 1_000, "burst_count": 1_000}
_EVERYTHING: Final = {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED}


class Refused(Exception):
    """The server said no: the Matrix error code, and what it says of it."""

    def __init__(self, status: int, code: str, why: str) -> None:
        super().__init__(f"{status} {code}: {why}")
        self.status, self.code = status, code


class Synapse:
    """The server. `settings` are added to its configuration."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.log = folder / "synapse.log"
        self._program = shutil.which(PROGRAM) or PROGRAM
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._people: list[Person] = []
        self._http = httpx2.Client(base_url=self.url, timeout=REPLY_S_MAX, trust_env=False)
        folder.mkdir(parents=True, exist_ok=True)
        self.configure()

    def configure(self, **settings: Any) -> None:
        """What the next start reads."""
        self._settings |= settings
        key = base64.b64encode(hashlib.sha256(self.folder.as_posix().encode()).digest()).decode().rstrip("=")
        (self.folder / "signing.key").write_text(f"ed25519 a_test {key}\n")
        (self.folder / "log.json").write_text(json.dumps(_LOGGING))
        (self.folder / "homeserver.json").write_text(json.dumps(self._configuration() | self._settings))  # JSON is YAML

    def _configuration(self) -> dict[str, Any]:
        listener = {"port": self.port, "type": "http", "tls": False, "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["client"]}]}
        return {
            "server_name": NAME,
            "public_baseurl": f"{self.url}/",
            "listeners": [listener],
            "pid_file": str(self.folder / "synapse.pid"),
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "log_config": str(self.folder / "log.json"),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(self.folder / "signing.key"),
            "registration_shared_secret": _SHARED,
            "macaroon_secret_key": _SHARED,
            "form_secret": _SHARED,
            "report_stats": False,
            "bcrypt_rounds": 4,
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "federation_domain_whitelist": [],
            "presence": {"enabled": False},
            "enable_registration": False,
            "url_preview_enabled": False,
            "rc_message": _UNLIMITED,
            "rc_login": _EVERYTHING,
            "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
            "rc_joins_per_room": _UNLIMITED,
            "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
            "rc_room_creation": _UNLIMITED,
        }

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return when it answers. Raises `AssertionError` if it ends before that."""
        assert not self.runs, "it runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 this is what we are here for
                [self._program, "--config-path", str(self.folder / "homeserver.json")],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        began = time.monotonic()
        while not self._answers():
            assert self._process.poll() is None, f"Synapse ended with {self._process.returncode}:\n{self.log.read_text()[-4_000:]}"
            assert time.monotonic() - began < READY_S_MAX, f"Synapse is not ready:\n{self.log.read_text()[-4_000:]}"
            time.sleep(LOOK_S)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return self._http.get("/_matrix/client/versions", timeout=1.0).status_code == httpx2.codes.OK
        return False

    def kill(self) -> None:
        """As SIGKILL does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Orderly."""
        self._end(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(READY_S_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._http.close()
        for person in self._people:
            person.close()

    def answered(self, status: int) -> int:
        """How many requests were answered with this status so far."""
        return len(re.findall(rf"Processed request: .* {status} \"", self.log.read_text()))

    def person(self, name: str, *, admin: bool = False) -> Person:
        """A new user, signed in."""
        nonce = self._http.get("/_synapse/admin/v1/register").json()["nonce"]
        mac = hmac.new(_SHARED.encode(), f"{nonce}\0{name}\0{_PASSWORD}\0{'' if admin else 'not'}admin".encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": _PASSWORD, "mac": mac, "admin": admin}
        answer = _answer(self._http.post("/_synapse/admin/v1/register", json=body))
        self._people.append(Person(self.url, answer["user_id"], _PASSWORD, answer["access_token"], answer["device_id"]))
        return self._people[-1]


_LOGGING: Final = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(name)s %(levelname)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"synapse.access.http": {"level": "INFO"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
    "disable_existing_loggers": False,
}


class Person:
    """Somebody on the server, who shares no code with what is tested."""

    def __init__(self, url: str, id_: str, password: str, token: str, device: str) -> None:
        self.id, self.password, self.token, self.device = id_, password, token, device
        self._server = url
        self._http = httpx2.Client(base_url=f"{url}/_matrix/client/v3", timeout=REPLY_S_MAX, trust_env=False)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self._http.close()

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> dict[str, Any]:
        """A request of the client-server API. Raises `Refused`."""
        return _answer(self._http.request(method, path, json=body, params=parameters, headers=self._headers))

    def login(self, device: str) -> None:
        """Sign in anew, as this device."""
        identifier = {"type": "m.id.user", "user": self.id}
        body = {"type": "m.login.password", "identifier": identifier, "password": self.password, "device_id": device}
        answer = self.ask("POST", "/login", body)
        self.token, self.device = answer["access_token"], answer["device_id"]

    def logout(self) -> None:
        """The token is of no use any more."""
        self.ask("POST", "/logout", {})

    def limits(self, other: str, **limits: int) -> None:
        """How many messages somebody may send. Only for admins."""
        _answer(
            self._http.post(f"{self._server}/_synapse/admin/v1/users/{quote(other)}/override_ratelimit", json=limits, headers=self._headers)
        )

    def named(self, name: str) -> None:
        self.ask("PUT", f"/profile/{quote(self.id)}/displayname", {"displayname": name})

    # --- rooms ----------------------------------------------------------------------------------------------------------------------

    def direct(self, other: str, *, encrypted: bool = False) -> str:
        """A new room for the two of us, as clients make it. Returns its id."""
        return self.room([other], is_direct=True, preset="trusted_private_chat", **(_ENCRYPTED if encrypted else {}))

    def room(self, invited: Sequence[str] = (), **options: Any) -> str:
        return str(self.ask("POST", "/createRoom", {"preset": "private_chat", "invite": list(invited)} | options)["room_id"])

    def invite(self, room: str, other: str) -> None:
        self.ask("POST", f"/rooms/{room}/invite", {"user_id": other})

    def join(self, room: str) -> None:
        self.ask("POST", f"/join/{room}", {})

    def leave(self, room: str) -> None:
        self.ask("POST", f"/rooms/{room}/leave", {})

    def upgrade(self, room: str) -> str:
        """Returns the id of the room that replaces it."""
        version = "11" if self.state(room, "m.room.create").get("room_version") != "11" else "10"
        return str(self.ask("POST", f"/rooms/{room}/upgrade", {"new_version": version})["replacement_room"])

    def state(self, room: str, kind: str, key: str = "") -> dict[str, Any]:
        return self.ask("GET", f"/rooms/{room}/state/{kind}/{quote(key)}")

    def members(self, room: str) -> set[str]:
        """Who has joined."""
        return set(self.ask("GET", f"/rooms/{room}/joined_members")["joined"])

    # --- messages -------------------------------------------------------------------------------------------------------------------

    def write(self, room: str, text: str, **content: Any) -> str:
        """Returns the id of the event, as all of these do."""
        return self.send(room, {"msgtype": "m.text", "body": text} | content)

    def send(self, room: str, content: Mapping[str, Any], kind: str = "m.room.message") -> str:
        number = f"{next(self._numbers)}{secrets.token_hex(4)}"
        return str(self.ask("PUT", f"/rooms/{room}/send/{kind}/{number}", content)["event_id"])

    def reply(self, room: str, to: str, text: str, **content: Any) -> str:
        return self.write(room, text, **{"m.relates_to": {"m.in_reply_to": {"event_id": to}}, **content})

    def in_thread(self, room: str, root: str, text: str, **content: Any) -> str:
        relation = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True, "m.in_reply_to": {"event_id": root}}
        return self.write(room, text, **{"m.relates_to": relation, **content})

    def edit(self, room: str, message: str, text: str) -> str:
        new = {"msgtype": "m.text", "body": text}
        return self.write(room, f"* {text}", **{"m.new_content": new, "m.relates_to": {"rel_type": "m.replace", "event_id": message}})

    def redact(self, room: str, message: str) -> str:
        return str(self.ask("PUT", f"/rooms/{room}/redact/{message}/{next(self._numbers)}", {})["event_id"])

    def upload(self, data: bytes, media_type: str) -> str:
        """Returns the content's address."""
        headers = self._headers | {"content-type": media_type}
        return str(_answer(self._http.post(f"{self._server}/_matrix/media/v3/upload", content=data, headers=headers))["content_uri"])

    def download(self, address: str) -> bytes:
        url = f"{self._server}/_matrix/client/v1/media/download/{address.removeprefix('mxc://')}"
        return self._http.get(url, headers=self._headers).raise_for_status().content

    def events(self, room: str, kind: str = "m.room.message") -> list[dict[str, Any]]:
        """All of this kind in the room, the oldest first."""
        found: list[dict[str, Any]] = []
        start = ""
        while True:
            more = {"from": start} if start else {}
            page = self.ask("GET", f"/rooms/{room}/messages", dir="b", limit=500, **more)
            found += [event for event in page["chunk"] if event["type"] == kind]
            if not (start := page.get("end", "")):
                return found[::-1]

    def event(self, room: str, event: str) -> dict[str, Any]:
        return self.ask("GET", f"/rooms/{room}/event/{event}")

    def texts(self, room: str, author: str) -> list[str]:
        """What this person said there, each as it reads after its last edit; without edits and what was deleted."""
        said: dict[str, str] = {}
        for event in self.events(room):
            content = event["content"]
            relation = content.get("m.relates_to", {})
            if event["sender"] == author and relation.get("rel_type") == "m.replace":
                said[relation["event_id"]] = content["m.new_content"]["body"]
            elif event["sender"] == author and "body" in content:
                said[event["event_id"]] = content["body"]
        return list(said.values())


_ENCRYPTED: Final[Mapping[str, Any]] = {
    "initial_state": [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
}


def _answer(response: httpx2.Response) -> dict[str, Any]:
    body = response.json()
    if response.is_error:
        raise Refused(response.status_code, body.get("errcode", ""), body.get("error", ""))
    return dict(body)
