"""Frames of a long connection, in the wire format of protocol buffers: so few fields that they are read and written by hand. Pure.

Header { string key = 1; string value = 2 }
Frame  { uint64 SeqID = 1; uint64 LogID = 2; int32 service = 3; int32 method = 4; repeated Header headers = 5; bytes payload = 8; (others) }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

CONTROL: Final = 0
DATA: Final = 1

_SEQ, _LOG, _SERVICE, _METHOD, _HEADER, _PAYLOAD = 1, 2, 3, 4, 5, 8
_VARINT, _BYTES = 0, 2
_SKIPPED: Final = {1: 8, 5: 4}
"""Wire types that no field of ours has, and how long they are."""
_VARINT_BYTES_MAX: Final = 10


class Broken(Exception):
    """These bytes are no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`rest` are the fields that we do not know, as they came: a frame that answers another one has them too."""

    method: int
    service: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes = b""
    seq: int = 0
    log: int = 0
    rest: bytes = b""


def ping(service: int) -> Frame:
    return Frame(CONTROL, service, {"type": "ping"})


def encode(frame: Frame) -> bytes:
    numbers = ((_SEQ, frame.seq), (_LOG, frame.log), (_SERVICE, frame.service), (_METHOD, frame.method))
    written = b"".join(_varint(tag << 3 | _VARINT) + _varint(value) for tag, value in numbers)
    for key, value in frame.headers.items():
        written += _bytes(_HEADER, _bytes(1, key.encode()) + _bytes(2, value.encode()))
    return written + frame.rest + (_bytes(_PAYLOAD, frame.payload) if frame.payload else b"")


def decode(data: bytes) -> Frame:
    """Raises `Broken`."""
    numbers: dict[int, int] = {}
    headers: dict[str, str] = {}
    payload = rest = b""
    try:
        for tag, value, raw in _fields(data):
            match tag, value:
                case ((1 | 2 | 3 | 4), int()):
                    numbers[tag] = value
                case 5, bytes():
                    pair = {at: part.decode() for at, part, _ in _fields(value) if isinstance(part, bytes)}
                    headers[pair.get(1, "")] = pair.get(2, "")
                case 8, bytes():
                    payload = value
                case _:
                    rest += raw
    except (IndexError, UnicodeDecodeError) as error:
        raise Broken(f"{len(data)} bytes that are no frame: {error}") from None
    return Frame(
        numbers.get(_METHOD, CONTROL), numbers.get(_SERVICE, 0), headers, payload, numbers.get(_SEQ, 0), numbers.get(_LOG, 0), rest
    )


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(written) + bytes([value])


def _bytes(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | _BYTES) + _varint(len(value)) + value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes, bytes]]:
    """Each field's number, its value, and the bytes that both are. Raises `Broken`, or `IndexError` where the bytes end too early."""
    at = 0
    while at < len(data):
        begin = at
        key, at = _read_varint(data, at)
        tag, kind = key >> 3, key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _read_varint(data, at)
        else:
            size = _SKIPPED.get(kind, 0)
            if kind == _BYTES:
                size, at = _read_varint(data, at)
            elif not size:
                raise Broken(f"a field of the unknown wire type {kind}")
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise IndexError("it ends in the middle of a field")
        yield tag, value, data[begin:at]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_VARINT_BYTES_MAX):
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise Broken("a number of more than ten bytes")
