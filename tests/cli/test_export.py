"""`holdfast export`: everything that was said, for programs and for people."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from holdfast import cli
from holdfast.cli.document import document
from holdfast.cli.kept import _Running
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Attachment,
    Call,
    Command,
    Delivered,
    DeliveryStarted,
    Entry,
    Fetched,
    Notice,
    Produced,
    ToolResult,
    ToolStarted,
    UserMessage,
)
from holdfast.store.sqlite import SqliteJournal
from holdfast.web.wire import Listed

Run = Callable[..., tuple[int, str, str]]
CAT, TIDE = b"cat", b"tide"
SHA_CAT, SHA_TIDE = hashlib.sha256(CAT).hexdigest(), hashlib.sha256(TIDE).hexdigest()

BODIES: tuple[AnyBody, ...] = (
    UserMessage(
        author="local",
        id="1",
        text="# What is *this*?",
        attachments=(Attachment(id="f1", name="cat [1].png"), Attachment(id="f2", name="dog")),
    ),
    Fetched(attachment="f1", sha256=SHA_CAT),
    Fetched(attachment="f2", why="gone"),
    AssistantMessage(n=1, seen=1, text="Let me look.", calls=(Call(id="call_1_0", tool="look", arguments='{"at": 1}'),), route="main"),
    DeliveryStarted(of="a1", part=0),
    Delivered(of="a1", part=0),
    ToolStarted(call="call_1_0"),
    ToolResult(call="call_1_0", outcome="ok", text="```\na fence\n```", files=(Produced(sha256=SHA_TIDE, name="tide.png", size=4),)),
    DeliveryStarted(of="r8", part=0),
    Delivered(of="r8", part=0),
    AssistantMessage(n=2, seen=1, text="A **cat**."),
    DeliveryStarted(of="a2", part=0),
    Delivered(of="a2", part=0),
    Command(author="local", id="2", name="title", args="Cats\x1b[2J <3"),
    Notice(text="It is called Cats.", replies_to=14),
    DeliveryStarted(of="n15", part=0),
    Delivered(of="n15", part=0),
)

TEA: tuple[AnyBody, ...] = (
    UserMessage(author="local", id="1", text="Tea?"),
    AssistantMessage(n=1, seen=1, text="Yes."),
    DeliveryStarted(of="a1", part=0),
    Delivered(of="a1", part=0),
)


def entries(bodies: Sequence[AnyBody] = BODIES) -> tuple[Entry, ...]:
    return tuple(Entry(seq, 1_000.0 + seq, 0 if isinstance(body, UserMessage | Command) else 3, body) for seq, body in enumerate(bodies, 1))


@pytest.fixture
def holdfast(home: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: its exit code, and what it wrote."""
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["holdfast"])

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def filled(home: Any) -> Any:
    """A journal with three conversations, and one of the two files that they name."""

    async def fill() -> None:
        journal = SqliteJournal.open(home.data_dir)
        await journal.adopt("web:local:cats", "web:local", "cats", entries())
        await journal.adopt("web:local:tea", "web:local", "tea", entries(TEA))
        await journal.adopt("chat:bot:5 7", "chat:bot", "5 7", entries(BODIES[:1]))
        await journal.close()

    asyncio.run(fill())
    (home.data_dir / "files").mkdir()
    (home.data_dir / "files" / SHA_CAT).write_bytes(CAT)
    return home


def test_what_is_exported_comes_back_without_a_loss(filled: Any, tmp_path: Path, holdfast: Run) -> None:
    """Into an empty journal, and out again: byte for byte what it was, but for what had to be brought to rest."""
    files = ("--files", tmp_path / "files")
    code, _, err = holdfast("export", "--to", tmp_path / "one.jsonl", *files)
    assert (code, err) == (0, f"3 conversations in {tmp_path}/one.jsonl. 1 file in {tmp_path}/files. 1 file is not here any more.\n")
    filled.data_dir.rename(tmp_path / "before")
    assert holdfast("import", "jsonl", tmp_path / "one.jsonl", "--yes", *files)[0] == 0
    assert (filled.data_dir / "files" / SHA_CAT).read_bytes() == CAT
    holdfast("export", "--to", tmp_path / "two.jsonl")
    before, after = ((tmp_path / name).read_bytes().splitlines() for name in ("one.jsonl", "two.jsonl"))
    rest = [line for line in after if line not in before]
    assert [line for line in before if line not in after] == [before[-2]]
    assert json.loads(before[-2])["entries"] == 1
    assert {json.loads(line).get("body", {}).get("kind") for line in rest} >= {"command/1", "notice/1", "fetched/1"}
    assert all("body" in json.loads(line) or json.loads(line)["conversation"] == "chat:bot:5 7" for line in rest)
    assert (tmp_path / "two.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_gateway_gives_what_the_journal_gives(filled: Any, holdfast: Run) -> None:
    at_rest = holdfast("export")[1]
    filled.start_real()
    running = filled.holdfast("export").stdout.decode()
    assert running == at_rest
    assert [json.loads(line)["conversation"] for line in running.splitlines() if "holdfast" in json.loads(line)] == [
        "web:local:cats",
        "web:local:tea",
        "chat:bot:5 7",
    ]


def test_those_that_are_named_and_no_others(filled: Any, holdfast: Run) -> None:
    _, out, _ = holdfast("export", "tea", "chat:bot:5 7")
    assert [json.loads(line)["conversation"] for line in out.splitlines() if "holdfast" in json.loads(line)] == [
        "web:local:tea",
        "chat:bot:5 7",
    ]
    code, out, err = holdfast("export", "tea", "coffee")
    assert (code, out) == (2, "")
    assert err == "holdfast: There is no conversation 'web:local:coffee'. `holdfast show` lists them.\n"


def test_nothing_is_written_over_and_half_a_file_is_none(filled: Any, tmp_path: Path, holdfast: Run) -> None:
    (tmp_path / "mine").write_text("mine")
    code, _, err = holdfast("export", "--to", tmp_path / "mine")
    assert code == 2
    assert "is there already" in err
    assert holdfast("export", "coffee", "--to", tmp_path / "new")[0] == 2
    assert {path.name for path in tmp_path.iterdir()} >= {"mine"}
    assert not {"new", "new.partial", "mine.partial"} & {path.name for path in tmp_path.iterdir()}
    code, _, err = holdfast("export", "--to", tmp_path / "nowhere/new")
    assert code == 2
    assert "can't be written" in err


def test_before_the_first_conversation_there_is_nothing(home: Any, holdfast: Run) -> None:
    home.data_dir.rmdir()
    code, _, err = holdfast("export")
    assert code == 2
    assert "There are no conversations yet." in err


def test_a_document_is_one_that_people_read(filled: Any, tmp_path: Path, holdfast: Run) -> None:
    _, out, _ = holdfast("export", "cats", "--format", "markdown", "--files", tmp_path / "files")
    assert out.splitlines() == [
        "# Cats\\[2J \\<3",
        "",
        "`web:local:cats`, 17 entries, 1970-01-01 00:16:41 to 1970-01-01 00:16:57",
        "",
        "**local wrote**, 1970-01-01 00:16:41",
        "",
        "> # What is *this*?",
        "",
        f"- with the file [cat \\[1\\].png](<{tmp_path}/files/{SHA_CAT}.png>)",
        "",
        "- with the file dog, which could not be fetched",
        "",
        "**the file cat \\[1\\].png was fetched**, 1970-01-01 00:16:42",
        "",
        "**the file dog could not be fetched**, 1970-01-01 00:16:43",
        "",
        "> gone",
        "",
        "**the agent answered through main**, 1970-01-01 00:16:44",
        "",
        "Let me look.",
        "",
        "- calls `look` with",
        "  ```json",
        '  {"at": 1}',
        "  ```",
        "",
        "**look is done**, 1970-01-01 00:16:48",
        "",
        "````",
        "```",
        "a fence",
        "```",
        "````",
        "",
        f"- with the file [tide.png (4 bytes)](<{SHA_TIDE}>)",
        "",
        "**the agent answered**, 1970-01-01 00:16:51",
        "",
        "A **cat**.",
        "",
        "**local gave the command /title Cats\x1b\\[2J \\<3**, 1970-01-01 00:16:54",
        "",
        "**holdfast says**, 1970-01-01 00:16:55",
        "",
        "> It is called Cats.",
    ]


def test_what_was_forgotten_is_exported_as_what_is_left_of_it(home: Any, tmp_path: Path, holdfast: Run) -> None:
    async def forget() -> None:
        journal = SqliteJournal.open(home.data_dir)
        await journal.adopt("web:local:cats", "web:local", "cats", entries())
        await journal.forget("web:local:cats", 5_000.0)
        await journal.close()

    asyncio.run(forget())
    holdfast("export", "--to", tmp_path / "left.jsonl")
    head, only = map(json.loads, (tmp_path / "left.jsonl").read_text().splitlines())
    assert (head["entries"], only["seq"], only["body"]["kind"]) == (1, 18, "forgotten/1")
    home.data_dir.rename(tmp_path / "before")
    assert "1 conversation came here." in holdfast("import", "jsonl", tmp_path / "left.jsonl", "--yes")[1]
    assert holdfast("export")[1] == (tmp_path / "left.jsonl").read_text()


def test_several_documents_are_set_apart(filled: Any, holdfast: Run) -> None:
    _, out, _ = holdfast("export", "--format", "markdown")
    assert out.count("\n---\n\n# ") == 2


def test_a_conversation_without_entries_is_a_document_too() -> None:
    assert list(document("x", "web:local:x", (), str)) == ["# x", "", "`web:local:x`, empty"]


# --- while others write ---------------------------------------------------------------------------------------------------------------------


class Busy:
    """A client of a gateway where a conversation changes whenever a page is read."""

    def __init__(self, many: int) -> None:
        self.at = {f"c{number:04}": float(number) for number in range(many)}
        self.changes = iter(["c0000", "c0001", "new"])
        self.clock = count(many)

    def conversations(self, before: Listed | None = None) -> tuple[Listed, ...]:
        rows = sorted(((at, key) for key, at in self.at.items()), reverse=True)
        page = [place for place in rows if before is None or place < (before.last_at, before.key)][:200]
        if changed := next(self.changes, ""):
            self.at[changed] = float(next(self.clock))
        return tuple(row(key, at) for at, key in page)


def row(key: str, at: float) -> Listed:
    fields: dict[str, Any] = dict.fromkeys(Listed.__struct_fields__, "")
    return Listed(**fields | {"key": key, "last_at": at})


def keys(found: Iterator[Listed]) -> list[str]:
    return [one.key for one in found]


def test_no_conversation_is_missed_because_it_changes_meanwhile_and_none_comes_twice() -> None:
    busy: Any = Busy(500)
    found = keys(_Running(busy).rows())
    assert sorted(found) == sorted(busy.at)
    assert {"c0000", "c0001", "new"} <= set(found)
