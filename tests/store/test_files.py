from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.files import HEAD_BYTES
from holdfast.errors import Request, Temporary
from holdfast.store import files
from holdfast.store.files import FolderFiles, TooLarge


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for one in data:
        yield one


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def broken() -> AsyncIterator[bytes]:
    yield b"half"
    raise ConnectionResetError


async def test_what_was_put_is_read_under_its_sha256(tmp_path: Path) -> None:
    kept = FolderFiles(tmp_path / "files")
    name = await kept.put(chunks(b"one ", b"two"))
    assert name == hashlib.sha256(b"one two").hexdigest()
    assert await kept.read(name) == b"one two"
    assert await kept.head(name) == b"one two"
    assert await kept.put(chunks(b"one two")) == name
    assert names(tmp_path / "files") == [name]


async def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    name = await FolderFiles(tmp_path / "files").put(chunks(b"secret"))
    assert (tmp_path / "files").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "files" / name).stat().st_mode & 0o777 == 0o600


async def test_a_file_over_the_limit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 1024 * 1024)
    with pytest.raises(TooLarge, match="larger than 1 MB"):
        await FolderFiles(tmp_path).put(chunks(b"x" * 1024 * 1024, b"y"))
    assert names(tmp_path) == []


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        await FolderFiles(tmp_path).put(broken())
    assert names(tmp_path) == []


async def test_what_a_kill_left_behind_is_swept_and_files_stay(tmp_path: Path) -> None:
    kept = FolderFiles(tmp_path)
    name = await kept.put(chunks(b"stays"))
    (tmp_path / "partial-1234").write_bytes(b"half")
    kept.sweep()
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ["", "..", "../journal.db", "a" * 63, "A" * 64, "partial-1", f"{'a' * 64}/x", f"{'a' * 64}\n"])
async def test_nothing_but_a_sha256_names_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "journal.db").write_bytes(b"private")
    kept = FolderFiles(tmp_path / "files")
    with pytest.raises(Request, match="There is no file"):
        await kept.head(name)
    with pytest.raises(Request, match="There is no file"):
        await kept.read(name)


async def test_the_head_of_a_long_file_is_short(tmp_path: Path) -> None:
    kept = FolderFiles(tmp_path)
    assert await kept.head(await kept.put(chunks(b"x" * 100_000))) == b"x" * HEAD_BYTES


async def test_a_folder_that_takes_no_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"in the way")
    with pytest.raises(Temporary, match="could not be kept"):
        await FolderFiles(tmp_path / "files").put(chunks(b"x"))
