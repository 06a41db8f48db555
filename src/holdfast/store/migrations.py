"""The schema, as numbered steps forward, each applied once and never changed after its release."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from holdfast.errors import Config
from holdfast.failpoints import failpoint
from holdfast.store.folder import make_private, sync_folder
from holdfast.store.queries import text_of


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def _load(name: str) -> Migration:
    return Migration(int(name.partition("_")[0]), name, text_of(f"migrations/{name}"))


MIGRATIONS: Final = tuple(
    _load(name)
    for name in (
        "0001_journal.sql",
        "0002_front.sql",
        "0003_weather.sql",
        "0004_tools.sql",
        "0005_platforms.sql",
        "0006_lives.sql",
        "0007_forgotten.sql",
        "0008_owing.sql",
        "0009_erasing.sql",
    )
)

NEWEST: Final = MIGRATIONS[-1].version

log = logging.getLogger(__name__)

_TABLE: Final = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, checksum TEXT NOT NULL, at REAL NOT NULL) STRICT"


def migrate(db: apsw.Connection, file: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the schema up to date, after a copy of what is there. Raises `Config` if the journal is not one that this program knows."""
    applied = _applied(db, file)
    _check(applied, file, migrations)
    missing = [migration for migration in migrations if migration.version not in applied]
    if missing and applied:
        copy = file.with_name(f"{file.stem}-before-{missing[0].version:04}{file.suffix}")
        _copy(db, copy)
        log.info("the journal is brought up to date; as it was, it is kept in %s", copy)
    for migration in missing:
        db.execute("BEGIN IMMEDIATE")
        db.execute(_TABLE)
        db.execute(migration.sql)
        db.execute("INSERT INTO schema_version VALUES (?, ?, ?)", (migration.version, migration.checksum, time.time()))
        failpoint("migrate")
        db.execute("COMMIT")
    if missing and applied:
        _prune(copy)


def version_of(db: apsw.Connection, file: Path) -> int:
    """The version of the schema (0: nothing is there yet). Raises `Config` if the journal is not one that this program knows. Changes nothing."""
    applied = _applied(db, file)
    _check(applied, file, MIGRATIONS)
    return max(applied, default=0)


def _applied(db: apsw.Connection, file: Path) -> dict[int, str]:
    """The versions that were applied, with their checksums."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "schema_version" in tables:
        rows: Any = db.execute("SELECT version, checksum FROM schema_version")
        return dict(rows)
    if tables:
        raise Config(f"{file} is the database of another program. Move it away, or set data_dir to another folder.")
    return {}


def _check(applied: dict[int, str], file: Path, migrations: Sequence[Migration]) -> None:
    known = {migration.version: migration for migration in migrations}
    if newer := applied.keys() - known.keys():
        copy = file.with_name(f"{file.stem}-before-{min(newer):04}{file.suffix}")
        back = f", or go back: `holdfast restore {shlex.quote(str(copy))}`; what came after it would be missing" if copy.exists() else ""
        raise Config(
            f"The journal {file} was written by a newer Holdfast (schema {max(newer)}; this one knows {max(known)}). Start that version again{back}."
        )
    for version, checksum in applied.items():
        if known[version].checksum != checksum:
            raise Config(
                f"The schema of the journal {file} is not the one that this Holdfast was made with ({known[version].name} differs). "
                "Install the version that was running before, or report this."
            )


def _prune(newest: Path) -> None:
    """Of the copies that were made before upgrades, the newest is enough."""
    for path in newest.parent.glob(newest.name.replace(newest.stem[-4:], "[0-9]" * 4)):
        if path != newest:
            path.unlink()
            log.info("%s, of an earlier upgrade, was deleted", path)


def _copy(db: apsw.Connection, target: Path) -> None:
    """A copy under `target`, whole and durable, or none. What an attempt that was interrupted left is written anew."""
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    os.close(make_private(partial))
    db.execute("VACUUM INTO ?", (str(partial),))
    with partial.open("rb") as copy:
        os.fsync(copy.fileno())
    partial.replace(target)
    sync_folder(target.parent)
