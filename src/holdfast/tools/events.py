"""Server-sent events out of the pieces of a body. As bytes: one event may bring a file of 25 MB, which is copied as seldom as can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is "message" where none is said; `retry_ms`: after so long the stream may be opened again."""

    kind: str
    data: bytes
    id: str
    retry_ms: int | None


class TooLarge(Exception):
    """An event is larger than is taken."""


class Events:
    """Of one stream."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._line: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._kind = self._id = ""
        self._retry_ms: int | None = None

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that this piece completes. Raises `TooLarge`."""
        begin = 0
        while (end := piece.find(b"\n", begin)) >= 0:
            self._keep(piece[begin:end])
            line, self._line = b"".join(self._line), []
            begin = end + 1
            if not line.rstrip(b"\r"):
                yield from self._completed()
            else:
                self._field(line)
        self._keep(piece[begin:])

    def _keep(self, piece: bytes) -> None:
        self._line.append(piece)
        self._size += len(piece)
        if self._size > self._bytes_max:
            raise TooLarge

    def _field(self, line: bytes) -> None:
        name = line[:6].partition(b":")[0].rstrip(b"\r")
        begin = len(name) + 1
        value = line[begin + line.startswith(b" ", begin) :].rstrip(b"\r")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._kind = value.decode(errors="replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
            case b"retry" if value.isdigit():
                self._retry_ms = int(value[:9])
            case _:
                pass  # a comment, and what is to come

    def _completed(self) -> Iterator[Event]:
        """The id stands until there is another."""
        if self._data or self._retry_ms is not None or self._kind or self._id:
            yield Event(self._kind or "message", b"\n".join(self._data), self._id, self._retry_ms)
        self._size, self._data, self._kind, self._retry_ms = 0, [], "", None
