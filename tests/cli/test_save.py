"""`holdfast show --save`: the files of an entry, written where one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.cli.client import Client
from holdfast.cli.save import files_of, free, save
from holdfast.core.entries import AnyBody, Attachment, Entry, Fetched, Notice, Produced, ToolResult, UserMessage
from holdfast.errors import Request
from holdfast.store.files import FolderFiles


def entries(*bodies: AnyBody) -> list[Entry]:
    return [Entry(seq, 0.0, 1, body) for seq, body in enumerate(bodies, 1)]


async def _kept(folder: Path, data: bytes) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return await FolderFiles(folder).put(chunks())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder one is in."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def stopped(tmp_path: Path) -> Client:
    """Of a gateway that does not run."""
    return Client(tmp_path / "door.sock")


def test_the_files_of_a_call_and_those_of_a_message_that_came_are_known() -> None:
    attached = (Attachment(id="f1", name="cat.png"), Attachment(id="f2", name="dog.png"))
    log = entries(
        UserMessage(author="ann", id="1", text="", attachments=attached),
        Fetched(attachment="f1", sha256="aa"),
        Fetched(attachment="f2", why="gone"),
        ToolResult(
            call="c", outcome="ok", files=(Produced(sha256="bb", name="tide.png"), Produced(sha256="cc", name="result.txt", whole=True))
        ),
        Notice(text="Stopped."),
    )
    assert files_of(log, 1) == [("cat.png", "aa")]
    assert files_of(log, 4) == [("tide.png", "bb"), ("result.txt", "cc")]
    assert files_of(log, 5) == files_of(log, 9) == []


def test_nothing_is_written_over_and_no_name_leads_elsewhere(tmp_path: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sha256 = asyncio.run(_kept(tmp_path / "files", b"wave"))
    made = tuple(Produced(sha256=sha256, name=name) for name in ("tide.png", "tide.png", "../../etc/tide.png", "..", "\x1b[2Ja\u202eb"))
    (here / "tide.png").write_bytes(b"mine")
    save(entries(ToolResult(call="c", outcome="ok", files=made)), 1, stopped(tmp_path), tmp_path / "files")
    assert (here / "tide.png").read_bytes() == b"mine"
    assert {path.name for path in here.iterdir()} == {"tide.png", "tide (2).png", "tide (3).png", "tide (4).png", "file", "[2Ja b"}
    assert capsys.readouterr().out.splitlines()[0] == "tide (2).png (4 bytes)"
    assert free(here / "new.png").name == "new.png"


def test_what_can_not_be_had_or_written_is_a_sentence(tmp_path: Path, here: Path) -> None:
    log = entries(ToolResult(call="c", outcome="ok", files=(Produced(sha256="0" * 64, name="tide.png"),)))
    with pytest.raises(Request, match=r"no entry \[2\] with files"):
        save(log, 2, stopped(tmp_path), tmp_path / "files")
    with pytest.raises(Request, match="is not here any more"):
        save(log, 1, stopped(tmp_path), tmp_path / "files")
    sha256 = asyncio.run(_kept(tmp_path / "files", b"wave"))
    here.rmdir()
    with pytest.raises(Request, match="can't be written here"):
        save(
            entries(ToolResult(call="c", outcome="ok", files=(Produced(sha256=sha256, name="a"),))),
            1,
            stopped(tmp_path),
            tmp_path / "files",
        )
