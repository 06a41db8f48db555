"""What `holdfast check` says of a journal with which no gateway starts; and that nobody else touches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

PRACTICE = '[routes.main]\ndialect = "practice"\n[web]\nport = 0\n'


def newer(journal: Path) -> str:
    db = apsw.Connection(str(journal))
    db.execute("INSERT INTO schema_version VALUES (1000, 'x', 0)")
    db.close()
    return "was written by a newer Holdfast (schema 1000"


def other(journal: Path) -> str:
    journal.write_bytes(b"no journal" * 1000)
    return "is not a journal of Holdfast"


@pytest.mark.parametrize("spoil", [newer, other])
def test_a_journal_that_no_gateway_can_use_is_an_error_of_the_check_and_stays_as_it_is(home: Any, spoil: Any) -> None:
    gateway = home.start_real()
    home.kill(gateway, 15)
    journal = home.data_dir / "journal.db"
    says = spoil(journal)
    before = journal.read_bytes()
    checked = home.holdfast("check")
    assert says in checked.stdout.decode() and checked.returncode == 78
    for words in (["run"], ["vacuum"], ["show"]):
        done = home.holdfast(*words)
        assert says in done.stderr.decode() and done.returncode == 78, (words, done)
    assert journal.read_bytes() == before
