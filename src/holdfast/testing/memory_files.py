"""Files in memory, for simulations."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from holdfast.core.files import FILE_BYTES_MAX, HEAD_BYTES
from holdfast.errors import Request


class MemoryFiles:
    """`ports.Files`."""

    def __init__(self, bytes_max: int = FILE_BYTES_MAX) -> None:
        self.kept: dict[str, bytes] = {}
        self._bytes_max = bytes_max

    async def put(self, chunks: AsyncIterator[bytes]) -> str:
        data = b"".join([chunk async for chunk in chunks])
        if len(data) > self._bytes_max:
            raise Request("The file is too large.")
        name = hashlib.sha256(data).hexdigest()
        self.kept[name] = data
        return name

    async def read(self, sha256: str) -> bytes:
        if sha256 not in self.kept:
            raise Request(f"There is no file {sha256!r} here.")
        return self.kept[sha256]

    async def head(self, sha256: str) -> bytes:
        return (await self.read(sha256))[:HEAD_BYTES]
