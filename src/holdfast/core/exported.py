"""A conversation as `holdfast export` writes it: a line that names it, then a line for each entry, each in JSON. The door takes the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeVar

import msgspec

from holdfast.core import request
from holdfast.core.entries import Entry, Forgotten, UserMessage
from holdfast.core.history import LATEST
from holdfast.core.transcript import Transcript

ENTRIES_MAX: Final = 200_000
BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one conversation."""
LINE_BYTES_MAX: Final = 32 * 1024 * 1024
NAME_CHARS_MAX: Final = 512
EPOCH_MAX: Final = 2**53


T = TypeVar("T")


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line: whose entries follow, and how many. `holdfast` is the version of the format; `title` is told, and follows from the entries."""

    holdfast: Literal[1]
    conversation: str
    account: str
    address: str
    entries: int
    title: str = ""


class Unusable(ValueError):
    """What was read is no conversation that can be taken. The message says why."""


def lines(head: Head, entries: Iterable[Entry]) -> Iterator[bytes]:
    """The conversation, line by line."""
    yield msgspec.json.encode(head) + b"\n"
    for entry in entries:
        yield msgspec.json.encode(entry) + b"\n"


def parsed(body: bytes) -> tuple[Head, tuple[Entry, ...]]:
    """What `lines` wrote. Raises `Unusable`."""
    first, *others = body.split(b"\n")
    head = decoded(first, Head)
    return head, tuple(decoded(line, Entry) for line in others if line.strip())


def decoded(line: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"it can't be read: {error}") from error


def check(head: Head, entries: Sequence[Entry], *, at_rest: bool = True) -> None:
    """Raises `Unusable` if this is not a whole transcript as one of ours would have written it; with nothing owed, if it is to be `at_rest`."""
    names = (head.conversation, head.account, head.address)
    if not all(0 < len(name) <= NAME_CHARS_MAX and name.isprintable() for name in names) or ":" not in head.account:
        raise Unusable("its conversation, account and address have to be names of up to 512 printable characters")
    if not head.conversation.startswith(f"{head.account}:"):
        raise Unusable(f"the key {head.conversation!r} is none of the account {head.account!r}")
    if not entries or len(entries) != head.entries or not 0 < entries[0].seq < EPOCH_MAX:
        raise Unusable(f"{len(entries):,} of its {head.entries:,} entries are here; was the file cut off?")
    if len(entries) > ENTRIES_MAX:
        raise Unusable(f"it has {len(entries):,} entries, and at most {ENTRIES_MAX:,} are taken")
    first = entries[0].seq if isinstance(entries[0].body, Forgotten) else 1
    for seq, entry in enumerate(entries, first):
        if entry.seq != seq or not 0 <= entry.epoch < EPOCH_MAX or not 0 <= entry.at <= LATEST:
            raise Unusable(f"its entries are not numbered from {first} on without a gap, or entry {seq} has no possible time or epoch")
    last = entries[-1]
    try:
        t = Transcript(entries)
        gone_on_with = t.extended([Entry(last.seq + 1, last.at, 0, UserMessage(author="", id="", text="?"))])
        fits = not at_rest or _is_valid(request.build(gone_on_with, last.seq + 1, "").messages)
    except (
        AssertionError,
        LookupError,
        RuntimeError,
        StopIteration,
        TypeError,
        ValueError,
    ) as error:  # written by other hands, it may trip anything
        raise Unusable("its entries do not fit together") from error
    if not fits:
        raise Unusable("its entries do not fit together: no model could be asked to go on with it")
    if at_rest and (t.owes or any(t.open_questions()) or any(not part.settled for part in t.parts.values())):
        raise Unusable("something in it is still owed")


def _is_valid(messages: Sequence[request.Message]) -> bool:
    """Would the strictest provider take it? It begins with the user, takes turns, and after each answer come the results of its calls."""
    open_calls: list[str] = []
    before: request.Message | None = None
    for message in messages:
        match message:
            case request.User() if open_calls or isinstance(before, request.User):
                return False
            case request.Assistant() if open_calls or before is None or isinstance(before, request.Assistant):
                return False
            case request.Assistant():
                open_calls = [call.id for call in message.calls]
            case request.Result() if message.call not in open_calls[:1]:
                return False
            case request.Result():
                open_calls = open_calls[1:]
            case request.User():
                pass
        before = message
    return not open_calls and isinstance(before, request.User)
