from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.cli import client
from holdfast.cli.client import Away, Client
from holdfast.errors import Config, Request
from holdfast.web.wire import Post, Writing

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@contextmanager
def _answering(path: Path, answer: bytes, hold: bool = False) -> Iterator[Client]:
    """A gateway that says this to one request, and then closes the connection (or holds it)."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                if hold:
                    done.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Client(path)
        finally:
            done.set()
            thread.join()


def _chunk(text: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(text), text)


def test_no_door_means_that_no_gateway_runs(tmp_path: Path) -> None:
    with pytest.raises(Away, match="holdfast run"):
        Client(tmp_path / "door.sock").conversations()


def test_a_door_of_somebody_else_is_for_a_person_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(client._Connection, "connect", refused)
    with pytest.raises(Config, match="somebody else"):
        Client(tmp_path / "door.sock").conversations()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n"])
def test_an_answer_that_breaks_off_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    with _answering(tmp_path / "door.sock", answer) as away, pytest.raises(Away):
        away.send("x", Post(key="k", text="x"))


def test_the_bytes_of_a_file_are_all_of_them_or_none(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"whole").hexdigest()
    for name, sent in (("one", b"whole"), ("two", b"who")):
        with _answering(tmp_path / name, b"HTTP/1.1 200 OK\r\n\r\n" + sent) as asked:
            if sent == b"whole":
                assert asked.file(sha256) == b"whole"
            else:
                with pytest.raises(Away):
                    asked.file(sha256)


def test_a_gateway_that_keeps_silent_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REPLY_S_MAX", 0.05)
    monkeypatch.setattr(client, "SILENCE_S_MAX", 0.05)
    with _answering(tmp_path / "a.sock", b"", hold=True) as away, pytest.raises(Away, match="does not answer"):
        away.conversations()
    with _answering(tmp_path / "b.sock", HEAD + _chunk(b": open\n\n"), hold=True) as away:
        events = away.events("web:local:x", 0)
        assert next(events) is None
        with pytest.raises(Away, match="does not answer"):
            next(events)


def test_a_refusal_is_its_sentence(tmp_path: Path) -> None:
    with (
        _answering(tmp_path / "a.sock", b'HTTP/1.1 413 x\r\ncontent-length: 22\r\n\r\n{"error": "Too long."} ') as away,
        pytest.raises(Request, match=r"^Too long\.$"),
    ):
        away.conversations()
    with (
        _answering(tmp_path / "b.sock", b'HTTP/1.1 503 x\r\ncontent-length: 23\r\n\r\n{"error": "Disk full."} ') as away,
        pytest.raises(Away, match=r"^Disk full\.$"),
    ):
        away.conversations()
    with _answering(tmp_path / "c.sock", b"HTTP/1.1 404 x\r\ncontent-length: 2\r\n\r\nno") as away, pytest.raises(Request, match="404"):
        away.conversations()


def test_half_an_event_is_none(tmp_path: Path) -> None:
    whole = b'event: writing\ndata: {"name":"a1","at":0,"text":"Hel"}\n\n'
    with _answering(tmp_path / "door.sock", HEAD + _chunk(whole + whole[:-1]) + _chunk(b"")) as answering:
        assert list(answering.events("web:local:x", 0)) == [Writing("a1", 0, "Hel")]


def test_another_version_of_the_gateway_is_a_sentence(tmp_path: Path) -> None:
    event = b'event: entry\nid: 1\ndata: {"seq":1,"at":1.0,"epoch":1,"body":{"kind":"news/7"}}\n\n'
    with _answering(tmp_path / "door.sock", HEAD + _chunk(event) + _chunk(b"")) as answering, pytest.raises(Request, match="same version"):
        list(answering.events("web:local:x", 0))
