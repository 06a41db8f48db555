from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

import holdfast.store
from holdfast.errors import Config
from holdfast.store import migrations
from holdfast.store.migrations import MIGRATIONS, Migration, migrate
from holdfast.store.sqlite import SqliteJournal
from holdfast.testing.contracts.journal_kit import ingest

NEXT = Migration(len(MIGRATIONS) + 1, "9999_colour.sql", "ALTER TABLE conversation ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';")
COPY = f"journal-before-{NEXT.version:04}.db"

Connect = Callable[[], apsw.Connection]


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A journal of this version with one message."""
    journal = SqliteJournal.open(tmp_path)
    await ingest(journal, "a")
    await journal.close()
    return tmp_path / "journal.db"


def open_with(file: Path, *steps: Migration) -> list[tuple[str, int]]:
    """Migrate, and return what is there: colours or names of columns are not of interest here, keys and seqs are."""
    db = apsw.Connection(str(file))
    try:
        migrate(db, file, steps)
        return [(str(key), int(str(seq))) for key, seq in db.execute("SELECT conversation, seq FROM entry")]
    finally:
        db.close()


def versions(file: Path) -> list[object]:
    db = apsw.Connection(str(file))
    try:
        return [version for (version,) in db.execute("SELECT version FROM schema_version ORDER BY version")]
    finally:
        db.close()


def test_every_file_of_the_folder_is_a_migration_and_they_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (Path(holdfast.store.__file__).parent / "migrations").glob("*.sql"))
    assert [migration.name for migration in MIGRATIONS] == names
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(names) + 1))


async def test_an_older_journal_is_brought_up_to_date_after_a_copy_of_it(file: Path) -> None:
    assert open_with(file, *MIGRATIONS, NEXT) == [("a", 1)]
    assert versions(file) == [*range(1, NEXT.version + 1)]
    copy = file.with_name(COPY)
    assert versions(copy) == [*range(1, NEXT.version)]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert open_with(copy, *MIGRATIONS) == [("a", 1)]


async def test_of_the_copies_of_all_upgrades_the_newest_is_kept(file: Path) -> None:
    older, others = (
        file.with_name("journal-before-0002.db"),
        [file.with_name(name) for name in ("journal-before-me.db", "journal-until-0002.db")],
    )
    for path in (older, *others):
        path.write_bytes(b"a copy")
    open_with(file, *MIGRATIONS)
    assert older.exists()
    open_with(file, *MIGRATIONS, NEXT)
    assert not older.exists()
    assert all(path.exists() for path in (file.with_name(COPY), *others))


async def test_a_new_journal_and_one_that_is_up_to_date_need_no_copy(file: Path) -> None:
    open_with(file, *MIGRATIONS)
    assert not list(file.parent.glob("*before*"))


async def test_a_migration_that_is_interrupted_is_made_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "failpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            open_with(file, *MIGRATIONS, NEXT)
    assert versions(file) == [*range(1, NEXT.version)]
    file.with_name(f"{COPY}.partial").write_bytes(b"half a copy")
    assert open_with(file, *MIGRATIONS, NEXT) == [("a", 1)]
    assert versions(file) == [*range(1, NEXT.version + 1)]


async def test_a_journal_of_a_newer_holdfast_is_refused_and_left_alone(file: Path) -> None:
    open_with(file, *MIGRATIONS, NEXT)
    with pytest.raises(Config, match=rf"newer Holdfast \(schema {NEXT.version}; this one knows {NEXT.version - 1}\).*{COPY}"):
        SqliteJournal.open(file.parent)
    assert versions(file) == [*range(1, NEXT.version + 1)]


async def test_a_migration_that_was_changed_after_its_release_is_refused(file: Path) -> None:
    changed = Migration(1, "0001_journal.sql", MIGRATIONS[0].sql + "-- a late thought")
    with pytest.raises(Config, match=r"0001_journal\.sql differs"):
        open_with(file, changed, *MIGRATIONS[1:])


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "journal.db"))
    db.execute("CREATE TABLE recipes (name TEXT)")
    db.close()
    with pytest.raises(Config, match="another program"):
        SqliteJournal.open(tmp_path)
