from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.platforms.feishu.frames import CONTROL, DATA, Broken, Frame, decode, encode, ping

NUMBERS = st.integers(0, 2**64 - 1)
SMALL = st.integers(0, 2**31 - 1)


@given(SMALL, SMALL, st.dictionaries(st.text(max_size=20), st.text(max_size=20)), st.binary(max_size=300), NUMBERS, NUMBERS)
def test_what_is_written_is_read(method: int, service: int, headers: dict[str, str], payload: bytes, seq: int, log: int) -> None:
    frame = Frame(method, service, headers, payload, seq, log)
    assert decode(encode(frame)) == frame


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_broken(data: bytes) -> None:
    with contextlib.suppress(Broken):
        decode(data)


def test_a_ping_is_as_the_official_client_writes_it() -> None:
    assert encode(ping(33)) == bytes.fromhex("080010001821 2000 2a0c 0a0474797065 120470696e67".replace(" ", ""))
    assert decode(encode(ping(33))) == Frame(CONTROL, 33, {"type": "ping"})


def test_fields_that_are_not_known_are_given_back() -> None:
    known = encode(Frame(DATA, 1, {"type": "event"}))
    strange = b"\x32\x04gzip" + b"\x3d\x01\x02\x03\x04" + b"\x4a\x03new"
    assert encode(decode(known + strange)) == known + strange


@pytest.mark.parametrize("data", [b"\xff" * 11, b"\x2a\x7f\x01", b"\x08", b"\x0b", b"\x2a\x04\x0a\x02\xff\xff"])
def test_what_is_no_frame_says_so(data: bytes) -> None:
    with pytest.raises(Broken, match=r"."):
        decode(data)
