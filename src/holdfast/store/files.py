"""Files that came with messages: bytes in `data_dir/files`, under their sha256. The transcript says what they are called and where they belong.

A file is whole and durable before its name is known to anybody, and never changes. The same bytes are one file.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final

from holdfast.core.files import FILE_BYTES_MAX, HEAD_BYTES
from holdfast.errors import Request, Temporary
from holdfast.failpoints import failpoint
from holdfast.store.folder import sync_folder

PARTIAL: Final = "partial-"
DROPPED: Final = ".dropped"
"""Behind the name of a file whose bytes were dropped: that much of it stays."""

FILE_NAME: Final = re.compile(r"[0-9a-f]{64}")


GONE: Final = "The bytes of this file were dropped, to save space: it is older than `attachments_days` under [retention] in the configuration. What was said stays."


class TooLarge(Request):
    """The file is over the limit."""


class FolderFiles:
    """`ports.Files` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, chunks: AsyncIterator[bytes]) -> str:
        partial = await asyncio.to_thread(self._begin)
        try:
            digest, size = hashlib.sha256(), 0
            async for chunk in chunks:
                size += len(chunk)
                if size > FILE_BYTES_MAX:
                    raise TooLarge(f"The file is larger than {FILE_BYTES_MAX // 1024 // 1024} MB. Send a smaller one.")
                await asyncio.to_thread(_write, partial, chunk, digest.update)
            name = digest.hexdigest()
            await asyncio.to_thread(self._end, partial, name)
        finally:
            os.close(partial[0])
            with contextlib.suppress(FileNotFoundError):
                partial[1].unlink()
        return name

    async def read(self, sha256: str) -> bytes:
        return await asyncio.to_thread(self._read, sha256, FILE_BYTES_MAX)

    async def head(self, sha256: str) -> bytes:
        return await asyncio.to_thread(self._read, sha256, HEAD_BYTES)

    def _read(self, sha256: str, most: int) -> bytes:
        if not FILE_NAME.fullmatch(sha256):
            raise _unknown(sha256)
        try:
            with (self._folder / sha256).open("rb") as file:
                return file.read(most)
        except FileNotFoundError:
            if (self._folder / f"{sha256}{DROPPED}").exists():
                raise Request(GONE) from None
            raise _unknown(sha256) from None

    def _begin(self) -> tuple[int, Path]:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=PARTIAL, dir=self._folder)
        except OSError as error:
            raise _failed(self._folder, error) from error
        return descriptor, Path(name)

    def _end(self, partial: tuple[int, Path], name: str) -> None:
        try:
            os.fsync(partial[0])
            failpoint("file.before_rename")
            partial[1].rename(self._folder / name)
            (self._folder / f"{name}{DROPPED}").unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as error:
            raise _failed(self._folder, error) from error

    def delete(self, names: Iterable[str], before: float) -> int:
        """Delete these, but for those that were put there since. Says how many."""
        deleted = 0
        for name in names:
            path = self._folder / name
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime <= before:
                    path.unlink()
                    deleted += 1
            path.with_name(f"{name}{DROPPED}").unlink(missing_ok=True)
        if deleted:
            sync_folder(self._folder)
        return deleted

    def older(self, before: float) -> list[str]:
        """Those that were last put there before then."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as found:
            return [one.name for one in found if FILE_NAME.fullmatch(one.name) and one.stat().st_mtime < before]
        return []

    def drop(self, names: Iterable[str], before: float) -> int:
        """Drop the bytes of these, but for those that were put there since, and remember that they were there. Says how many."""
        dropped = 0
        for name in names:
            path = self._folder / name
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.with_name(f"{name}{DROPPED}").touch(mode=0o600)
                    path.unlink()
                    dropped += 1
        return dropped

    def sweep(self) -> None:
        """Delete what uploads that were cut off left behind. To be called before anybody puts one."""
        for partial in self._folder.glob(f"{PARTIAL}*"):
            partial.unlink(missing_ok=True)


def _write(partial: tuple[int, Path], chunk: bytes, digest: Callable[[bytes], None]) -> None:
    digest(chunk)
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[os.write(partial[0], rest) :]
    except OSError as error:
        raise _failed(partial[1].parent, error) from error


def _unknown(sha256: str) -> Request:
    return Request(f"There is no file {sha256[:64]!r} here. Send it again.")


def _failed(folder: Path, error: OSError) -> Temporary:
    """The disk takes no file: nothing was acknowledged, and the journal says for itself how it stands."""
    return Temporary(f"The file could not be kept ({error.strerror} in {folder}). Free some space there, then send it again.")
