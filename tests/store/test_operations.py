"""Nothing may grow with the number of conversations or entries: the query plans say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import apsw.ext
import pytest

from holdfast.store.migrations import migrate
from holdfast.store.queries import SQL

SMALL_TABLES = {
    "gates": "gate",
    "tool_lists": "tool_list",
    "people": "person",
    "unread": "unread",
    "unread_of": "unread",
    "lives": "life",
    "forget_lives": "life",
    "erase_unread": "unread",
    "doomed": "doomed",
}
"""These have a row for each route or server in the configuration, or person, or are kept short; and are read as a whole."""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    db = apsw.Connection(str(tmp_path / "journal.db"))
    migrate(db, tmp_path / "journal.db")
    yield db
    db.close()


def plan(db: apsw.Connection, query: str) -> list[str]:
    bindings = apsw.ext.query_info(db, query).bindings_count
    return [detail for *_, detail in db.execute("EXPLAIN QUERY PLAN " + query, (1,) * bindings)]


@pytest.mark.parametrize("name", SQL)
def test_no_query_walks_a_table_or_sorts(db: apsw.Connection, name: str) -> None:
    steps = plan(db, SQL[name])
    assert not any("TEMP B-TREE" in step for step in steps) or name in {
        "used",
        "unread_of",
        "addresses",
    }  # they count, or sort, by hand: of few, or aside
    walks = [step for step in steps if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"]
    match name:
        case name if name in SMALL_TABLES:
            assert walks == [f"SCAN {SMALL_TABLES[name]}"]
        case "earliest_timer":
            assert walks == ["SCAN timer USING COVERING INDEX timer_at"]  # its first row
        case "next_to_erase":
            assert walks == ["SCAN conversation USING INDEX conversation_erasing"]  # its first row
        case "hasten":
            assert walks == ["SCAN conversation USING INDEX conversation_due"]  # of those it is about
        case "unsaid":
            assert walks == ["SCAN conversation USING INDEX conversation_speech_gate"]  # those that wait
        case "counts":
            assert walks == [
                "SCAN json_each VIRTUAL TABLE INDEX 1:",
                "SCAN (subquery-2)",
            ]  # the accounts, and those in which something is owed
        case "used":
            assert walks == ["SCAN one VIRTUAL TABLE INDEX 1:"]  # the answers in one entry
        case "naming_files":
            assert walks == ["SCAN c"]  # aside: once a day, or by a person's order
        case _:
            assert not walks


def test_a_walk_is_found(db: apsw.Connection) -> None:
    assert plan(db, "SELECT * FROM conversation WHERE floor > 3") == ["SCAN conversation"]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("due", "conversation_due (account=? AND suspect=? AND due<?)"),
        ("earliest_due", "conversation_due (account=? AND suspect=? AND due>?)"),
        ("at_turn_gate", "conversation_turn_gate (account=? AND turn_gate=? AND suspect=?)"),
        ("at_speech_gate", "conversation_speech_gate (account=? AND speech_gate=? AND suspect=?)"),
        ("next_turn_gate", "conversation_turn_gate ((account,turn_gate)>(?,?))"),
        ("suspects_running", "conversation_alone (attempts>?)"),
        ("conversations", "conversation_last_at"),
        ("owing", "conversation_owes (owes_since>?)"),
        ("counts", "conversation_owes (owes_since>?)"),
        ("find_arrival", "entry_dedupe (dedupe=?)"),
        ("conversation_at", "(account=? AND address=?)"),
        ("move_chat", "(account=? AND address>? AND address<?)"),
    ],
)
def test_what_is_asked_often_has_its_own_index(db: apsw.Connection, name: str, index: str) -> None:
    assert any(index in step for step in plan(db, SQL[name])), plan(db, SQL[name])
