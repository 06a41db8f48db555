from __future__ import annotations

import pytest

from holdfast.tools.events import Event, Events, TooLarge

STREAM = (
    b": hello\n\nevent: other\ndata: 1\n\nid: 7\nretry: 20\ndata:\n\ndata: one\ndata:two\n\r\n"
    b"data: \xc3\xa4\r\n\r\nid\nretry: soon\nnews: x\ndata\n\ndata: never ended\n"
)
EVENTS = [
    Event("other", b"1", "", None),
    Event("message", b"", "7", 20),
    Event("message", b"one\ntwo", "7", None),
    Event("message", "ä".encode(), "7", None),
    Event("message", b"", "", None),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_read_however_they_are_cut_into_pieces(size: int) -> None:
    events = Events(1000)
    pieces = (STREAM[at : at + size] for at in range(0, len(STREAM), size))
    assert [event for piece in pieces for event in events.feed(piece)] == EVENTS


@pytest.mark.parametrize("flood", [b"data: " + b"x" * 200, b"data: x\n" * 50, b"x" * 200, b": keeps the line warm\n" * 50])
def test_an_event_without_end_is_refused(flood: bytes) -> None:
    events = Events(100)

    def drink() -> None:
        for at in range(0, len(flood), 10):
            list(events.feed(flood[at : at + 10]))

    with pytest.raises(TooLarge):
        drink()


def test_many_small_events_are_as_good_as_one() -> None:
    events = Events(100)
    assert len([event for _ in range(100) for event in events.feed(b"data: " + b"x" * 50 + b"\n\n")]) == 100
