"""Files in memory, for simulations."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from holdfast.errors import Request


class MemoryFiles:
    """`ports.Files`."""

    def __init__(self, bytes_max: int = 25 * 1024 * 1024) -> None:
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

    async def has(self, sha256: str) -> bool:
        return sha256 in self.kept
