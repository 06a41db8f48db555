"""The sessions of another program's database, as its versions have written it: see docs/operations.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from holdfast.core.history import Answered, Called, CameBack, SummedUp, Wrote
from holdfast.errors import Request
from holdfast.store.hermes import Foreign

SESSIONS = "id TEXT PRIMARY KEY, source TEXT NOT NULL, user_id TEXT, model_config TEXT, parent_session_id TEXT, started_at REAL, ended_at REAL, end_reason TEXT"
MESSAGES = "id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT, role TEXT, content TEXT, tool_call_id TEXT, tool_calls TEXT, tool_name TEXT, timestamp REAL"
GROWN = {
    2: ((), ("finish_reason TEXT",)),
    11: (("title TEXT",), ("finish_reason TEXT", "reasoning TEXT")),
    16: (
        ("title TEXT", "archived INTEGER"),
        ("platform_message_id TEXT", "observed INTEGER DEFAULT 0", "active INTEGER NOT NULL DEFAULT 1"),
    ),
    22: (
        ("title TEXT", "session_key TEXT"),
        ("active INTEGER NOT NULL DEFAULT 1", "compacted INTEGER NOT NULL DEFAULT 0", "api_content TEXT"),
    ),
    30: (
        ("title TEXT", "session_key TEXT", "hidden INTEGER"),
        ("active INTEGER DEFAULT 1", "compacted INTEGER DEFAULT 0", "_compressed_summary INTEGER DEFAULT 0", "display_kind TEXT"),
    ),
}
"""What the tables have besides, by the version of the schema."""

COMPACTION = "[CONTEXT COMPACTION — REFERENCE ONLY] Earlier turns were compacted into the summary below.\n"
END = "\n\n--- END OF CONTEXT SUMMARY — respond to the message below, not the summary above ---"


class Made:
    """A database like theirs."""

    def __init__(self, folder: Path, version: int = 30) -> None:
        self.folder = folder
        self.db = apsw.Connection(str(folder / "state.db"))
        sessions, messages = GROWN[version]
        self.db.execute(f"CREATE TABLE sessions ({', '.join((SESSIONS, *sessions))})")
        self.db.execute(f"CREATE TABLE messages ({', '.join((MESSAGES, *messages))})")
        self.db.execute("CREATE INDEX idx_messages_session ON messages (session_id, timestamp)")
        self.at = 1_000.0

    def session(self, id_: str = "s1", **columns: Any) -> str:
        self.insert("sessions", {"id": id_, "source": "cli", "started_at": self.at} | columns)
        return id_

    def say(self, session: str, role: str, content: object, **columns: Any) -> None:
        self.at += 1
        self.insert("messages", {"session_id": session, "role": role, "content": content, "timestamp": self.at} | columns)

    def insert(self, table: str, columns: dict[str, Any]) -> None:
        marks = ", ".join("?" for _ in columns)
        self.db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))

    def read(self) -> Foreign:
        return Foreign(self.folder)

    def lines(self) -> list[Any]:
        """Those of the only conversation."""
        foreign = self.read()
        (chain,) = foreign.chains
        return list(foreign.history(chain).lines)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    made = Made(tmp_path)
    yield made
    made.db.close()


def calls(*ids: str, tool: str = "look", arguments: str = "{}") -> str:
    return json.dumps([{"id": id_, "type": "function", "function": {"name": tool, "arguments": arguments}} for id_ in ids])


def texts(lines: list[Any]) -> list[str]:
    return [line.text for line in lines]


@pytest.mark.parametrize("version", GROWN)
def test_what_each_version_wrote_is_read(tmp_path: Path, version: int) -> None:
    made = Made(tmp_path, version)
    made.session(**({"title": "Salt"} if version > 2 else {}))
    made.say("s1", "system", "You are kind.")
    made.say("s1", "user", "Why?")
    made.say("s1", "assistant", "Let me look.", tool_calls=calls("c1", arguments='{"for": "salt"}'))
    made.say("s1", "tool", "rivers", tool_call_id="c1", tool_name="look")
    made.say("s1", "assistant", "Rivers.")
    foreign = made.read()
    history = foreign.history(foreign.chains[0])
    assert history.lines == (
        Wrote("Why?", 1_002.0),
        Answered("Let me look.", 1_003.0, (Called("c1", "look", '{"for": "salt"}'),)),
        CameBack("rivers", 1_004.0, "c1", "look"),
        Answered("Rivers.", 1_005.0),
    )
    assert history.title == ("Salt" if version > 2 else "")
    assert history.left_out == {"instructions to the model": 1}


def test_it_is_read_while_the_other_program_writes_and_what_is_only_in_its_log_too(made: Made) -> None:
    made.db.execute("PRAGMA journal_mode = WAL")
    made.session()
    made.say("s1", "user", "Hello")
    assert (made.folder / "state.db-wal").stat().st_size
    assert texts(made.lines()) == ["Hello"]
    made.say("s1", "user", "And this?")
    assert texts(made.lines()) == ["Hello", "And this?"]


def test_runs_without_a_person_are_no_conversations(made: Made) -> None:
    made.session("talk", title="Talk")
    made.session("cron_1_2025", source="cron")
    made.session("old-child", parent_session_id="talk")
    made.session("child", source="subagent", parent_session_id="talk")
    made.session("orphan", model_config='{"_delegate_from": "gone"}')
    made.session("branch", parent_session_id="talk", model_config='{"_branched_from": "talk"}')
    made.session("reset-parent", session_key="k", end_reason="session_reset", ended_at=1.0)
    made.session("reset", session_key="k", parent_session_id="reset-parent")
    made.session("left", end_reason="branched", ended_at=5.0)
    made.session("old-branch", parent_session_id="left", started_at=6.0)
    foreign = made.read()
    assert sorted(chain.id for chain in foreign.chains) == ["branch", "left", "old-branch", "reset", "reset-parent", "talk"]
    assert foreign.left_out == {"runs of scheduled jobs": 1, "what its sub-agents said to it": 3}


def test_what_was_taken_back_or_hidden_there_is_left_out_and_counted(made: Made) -> None:
    made.session()
    made.say("s1", "user", "one")
    made.say("s1", "user", "no, not that", active=0)
    made.say("s1", "user", "[a nudge]", display_kind="hidden")
    foreign = made.read()
    history = foreign.history(foreign.chains[0])
    assert texts(list(history.lines)) == ["one"]
    assert history.left_out == {"messages taken back there": 1, "messages hidden there": 1}


def test_of_parts_that_are_no_text_a_word_stays(made: Made) -> None:
    made.session()
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "data:"}}, {"type": "input_audio"}]
    made.say("s1", "user", "\x00json:" + json.dumps(parts))
    made.say("s1", "user", "\x00json:[half")
    foreign = made.read()
    history = foreign.history(foreign.chains[0])
    assert texts(list(history.lines)) == ["Look:\n[picture]\n[audio]", "[half"]
    assert history.left_out == {"pictures and other files": 2}


def test_what_was_recalled_for_the_model_was_said_by_nobody(made: Made) -> None:
    made.session()
    made.say("s1", "user", "<memory-context>\nlikes tea\n</memory-context>\nHello")
    made.say("s1", "user", "Review the conversation above and update the skill library now.")
    made.say("s1", "assistant", "Nothing to save.")
    made.say("s1", "assistant", "Hello!")
    assert texts(made.lines()) == ["Hello", "Hello!"]


def test_a_result_is_found_by_either_id_of_its_call(made: Made) -> None:
    made.session()
    both = json.dumps([{"id": "fc_1", "call_id": "call_1", "function": {"name": "look", "arguments": "{}"}}])
    made.say("s1", "assistant", "", tool_calls=both)
    made.say("s1", "tool", "one", tool_call_id="fc_1")
    assert [line.call for line in made.lines()[1:]] == ["call_1"]
    assert made.lines()[0].calls == (Called("call_1", "look", "{}"),)


@pytest.mark.parametrize("cell", ["{half", "[[]]", '{"a": 1}', "\ud83d"])
def test_calls_that_can_not_be_read_are_counted(made: Made, cell: str) -> None:
    made.session()
    made.say("s1", "assistant", "x", tool_calls=cell.encode(errors="replace").decode())
    foreign = made.read()
    history = foreign.history(foreign.chains[0])
    assert history.left_out == {"calls of tools that can't be read": 1}


@pytest.mark.parametrize(("at", "read"), [(None, 0.0), ("yesterday", 0.0), (5, 5.0)])
def test_a_time_that_is_none_is_no_error(made: Made, at: object, read: float) -> None:
    made.session()
    made.say("s1", "user", "x", timestamp=at)
    assert made.lines()[0].at == read


# --- compressions -----------------------------------------------------------------------------------------------------------------------


def talk(made: Made, session: str, begin: int, end: int) -> None:
    for number in range(begin, end):
        made.say(session, "user", f"q{number}")
        made.say(session, "assistant", "", tool_calls=calls(f"c{number}"))
        made.say(session, "tool", f"r{number}", tool_call_id=f"c{number}")
        made.say(session, "assistant", f"a{number}")


def said(lines: list[Any]) -> list[str]:
    return [line.text if not isinstance(line, SummedUp) else f"{line.text} of {line.lines}" for line in lines if line.text]


def whole(*numbers: int) -> list[str]:
    return [f"{kind}{number}" for number in numbers for kind in "qra"]


def test_a_conversation_that_went_on_after_a_compression_is_one_with_every_message_once(made: Made) -> None:
    made.session("one", title="Long", end_reason="compression", ended_at=1.0)
    talk(made, "one", 0, 4)
    made.session("two", title="Long #2", parent_session_id="one", end_reason="compression", ended_at=1.0)
    talk(made, "two", 0, 1)
    made.say("two", "assistant", f"{COMPACTION}First{END}")
    talk(made, "two", 3, 6)
    made.session("three", parent_session_id="two")
    talk(made, "three", 0, 1)
    made.say("three", "user", f"{COMPACTION}Second{END}")
    made.say("three", "assistant", "a5")
    talk(made, "three", 6, 7)
    foreign = made.read()
    (chain,) = foreign.chains
    history = foreign.history(chain)
    assert (history.title, [session.id for session in chain.sessions]) == ("Long", ["one", "two", "three"])
    assert said(list(history.lines)) == [*whole(0, 1, 2, 3), "First of 12", *whole(4, 5), "Second of 23", *whole(6)]


def test_so_is_one_that_was_compressed_in_place(made: Made) -> None:
    made.session()
    talk(made, "s1", 0, 3)
    made.db.execute("UPDATE messages SET active = 0, compacted = 1")
    talk(made, "s1", 0, 1)
    made.say("s1", "user", "The story so far", _compressed_summary=1)
    talk(made, "s1", 2, 4)
    assert said(made.lines()) == [*whole(0, 1, 2), "The story so far of 8", *whole(3)]


@pytest.mark.parametrize(
    "merged",
    [
        f"[PRIOR CONTEXT — for reference only; not a new message]\nq3\n\n[END OF PRIOR CONTEXT — COMPACTION SUMMARY BELOW]\n\n{COMPACTION}First{END}",
        f"{COMPACTION}First{END}\n\nq3",
    ],
)
def test_a_summary_inside_of_the_first_copy_is_found(made: Made, merged: str) -> None:
    made.session("one", end_reason="compression", ended_at=1.0)
    talk(made, "one", 0, 4)
    made.session("two", parent_session_id="one")
    made.say("two", "user", merged)
    made.say("two", "assistant", "", tool_calls=calls("c3"))
    made.say("two", "tool", "[Old tool output cleared]", tool_call_id="c3")
    made.say("two", "assistant", "a3")
    talk(made, "two", 4, 5)
    assert said(made.lines()) == [*whole(0, 1, 2, 3), "First of 12", *whole(4)]


def test_a_message_that_stands_nowhere_but_beside_its_summary_is_kept(made: Made) -> None:
    made.session("one", end_reason="compression", ended_at=1.0)
    talk(made, "one", 0, 1)
    made.session("two", parent_session_id="one")
    made.say("two", "user", f"{COMPACTION}First{END}\n\nq1")
    made.say("two", "assistant", "a1")
    assert said(made.lines()) == [*whole(0), "First of 4", "q1", "a1"]


def test_what_people_say_twice_is_no_copy(made: Made) -> None:
    made.session()
    for _ in range(3):
        made.say("s1", "user", "again")
        made.say("s1", "assistant", "yes")
    assert len(made.lines()) == 6


def test_of_two_that_claim_to_go_on_both_come(made: Made) -> None:
    made.session("one", end_reason="compression", ended_at=1.0)
    made.session("stale", parent_session_id="one", ended_at=2.0)
    made.session("live", parent_session_id="one")
    assert [[session.id for session in chain.sessions] for chain in made.read().chains] == [["one", "live"], ["stale"]]


def test_sessions_that_go_on_in_a_circle_come_to_an_end(made: Made) -> None:
    made.session("one", parent_session_id="two", end_reason="compression")
    made.session("two", parent_session_id="one", end_reason="compression")
    made.session("three", parent_session_id="two", end_reason="compression")
    assert {session.id for chain in made.read().chains for session in chain.sessions} >= {"three"}


# --- what can't be read -------------------------------------------------------------------------------------------------------------------


def test_a_folder_without_a_database_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Request, match=r"There is no state\.db in .*usually ~/\.hermes"):
        Foreign(tmp_path)


def test_another_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("This is no database. " * 100)
    with pytest.raises(Request, match="no SQLite database at all"):
        Foreign(tmp_path)


def test_another_database_is_a_sentence(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "state.db"))
    db.execute("CREATE TABLE sessions (id, source)")
    db.close()
    with pytest.raises(Request, match="its table messages has no column id"):
        Foreign(tmp_path / "state.db")


def test_a_damaged_one_harms_only_the_sessions_that_are_damaged(made: Made) -> None:
    made.session("good")
    made.say("good", "user", "Hello")
    made.session("bad")
    for _ in range(40):
        made.say("bad", "user", "x" * 3_000)
    made.db.close()
    file = made.folder / "state.db"
    damaged = bytearray(file.read_bytes())
    damaged[-20 * 4096 : -10 * 4096] = b"\xff" * (10 * 4096)
    file.write_bytes(damaged)
    foreign = made.read()
    good, bad = sorted(foreign.chains, key=lambda chain: chain.id, reverse=True)
    assert texts(list(foreign.history(good).lines)) == ["Hello"]
    with pytest.raises(Request, match=r"The session bad in .* can't be read"):
        foreign.history(bad)


def test_half_a_file_is_a_sentence(made: Made) -> None:
    made.session()
    for _ in range(40):
        made.say("s1", "user", "x" * 3_000)
    made.db.close()
    file = made.folder / "state.db"
    file.write_bytes(file.read_bytes()[: 5 * 4096])
    with pytest.raises(Request, match="can't be read"):
        made.lines()


def test_nothing_there_is_written_to(made: Made) -> None:
    made.session()
    made.say("s1", "user", "Hello")
    made.db.close()
    before = (made.folder / "state.db").read_bytes()
    made.lines()
    assert (made.folder / "state.db").read_bytes() == before
