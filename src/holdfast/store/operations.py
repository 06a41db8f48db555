"""What the journal does, as plain functions of a connection, inside a transaction that somebody else begins and commits.

Nothing here grows with the number of conversations or entries: each query walks an index from one end of what it returns to the other
(a test reads the query plans).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import apsw

from holdfast.core.entries import OUTSIDE, Entry, Fact, Intention, Outside, Question, decode, ends_an_attempt
from holdfast.core.lives import Life
from holdfast.core.text import well_formed
from holdfast.core.words import title
from holdfast.errors import Config, LeaseLost
from holdfast.ports import (
    LIVES_MAX,
    UNREAD_CHARS_MAX,
    UNREAD_MAX,
    Accepted,
    Appended,
    Arrival,
    ConversationRow,
    Cursor,
    GateRow,
    Held,
    Lease,
    Move,
    Person,
    Release,
    Snapshot,
    Timer,
    ToolList,
    Used,
)
from holdfast.store.forgetting import event
from holdfast.store.queries import SQL


def _rows(db: apsw.Connection, query: str, *bindings: apsw.SQLiteValue) -> Any:
    """A cursor over what a named query finds: rows are what the query says, which no type can know."""
    return db.execute(SQL[query], bindings)


def _row(db: apsw.Connection, query: str, *bindings: apsw.SQLiteValue) -> Any:
    """The one row that a named query finds, or None."""
    return db.execute(SQL[query], bindings).fetchone()


# --- from outside -------------------------------------------------------------------------------------------------------------------


def ingest(
    db: apsw.Connection, arrivals: Sequence[tuple[Arrival, str]], cursor: Cursor | None, moves: Sequence[Move], unread: Sequence[str]
) -> tuple[Accepted, ...]:
    """Append what is new and wake its conversations. Each arrival comes with its encoded body."""
    if cursor:
        _move_cursor(db, cursor)
        _keep_unread(db, cursor.account, unread)
    assert cursor or not unread, "what could not be read is an account's"
    for move in moves:
        db.execute(SQL["move_chat"], (move.account, move.chat, move.to))
    return tuple(_accept(db, arrival, body) for arrival, body in arrivals)


def _move_cursor(db: apsw.Connection, cursor: Cursor) -> None:
    known = get_cursor(db, cursor.account)
    if known and known.identity != cursor.identity:
        raise Config(
            f"The account {cursor.account!r} is now {cursor.identity!r} on its platform, but its conversations here are those of "
            f"{known.identity!r}. Give it the credential of {known.identity!r} again, or set up {cursor.identity!r} under another account name."
        )
    db.execute(SQL["put_cursor"], (cursor.account, cursor.identity, cursor.value))


def _keep_unread(db: apsw.Connection, account: str, unread: Sequence[str]) -> None:
    for raw in unread:
        db.execute(SQL["keep_unread"], (account, well_formed(raw[:UNREAD_CHARS_MAX])))
    if unread:
        db.execute(SQL["forget_unread"], (UNREAD_MAX,))


def _accept(db: apsw.Connection, arrival: Arrival, body: str) -> Accepted:
    """Whoever has the address gets it (after a move that is another key than the one that would begin there); what corrects something goes where that is."""
    known = _row(db, "find_arrival", arrival.dedupe) or _row(db, "find_forgotten", event(arrival.dedupe))
    if known:
        return Accepted(known[0], known[1], new=False)
    if arrival.only_after:
        before = _row(db, "find_arrival", arrival.only_after)
        if not before or before[1] < _row(db, "begins", before[0])[0]:
            return Accepted(arrival.conversation, 0, new=False)
        key = before[0]
    else:
        (key,) = _row(db, "conversation_at", arrival.account, arrival.address) or (arrival.conversation,)
    (seq,) = _row(db, "wake_conversation", key, arrival.account, arrival.address, arrival.at)
    db.execute(SQL["add_entry"], (key, seq, 0, arrival.at, arrival.dedupe, body))
    return Accepted(key, seq, new=True)


# --- claims -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """The arguments of `Journal.claim`."""

    owner: str
    now: float
    accounts: Sequence[str]
    admits: Mapping[str, int]
    most: int


def claim(db: apsw.Connection, asked: Claim) -> tuple[Lease, ...]:
    """Due ones first, then those at gates; of suspects (two or more attempts) one, if none is running."""
    places = dict(asked.admits)
    taken: dict[str, str] = {}
    suspect_taken = False
    for candidate in _candidates(db, asked):
        through = next((gate for gate in candidate.gates if places.get(gate, 0) > 0), "")
        if candidate.key in taken or (candidate.suspect and suspect_taken) or (candidate.gates and not through):
            continue
        if through:
            places[through] -= 1
        taken[candidate.key] = through
        suspect_taken = suspect_taken or candidate.suspect
        if len(taken) == asked.most:
            break
    return tuple(_take(db, asked.owner, key, through) for key, through in taken.items())


@dataclass(frozen=True, slots=True, order=True)
class _Candidate:
    """A conversation that could be claimed, because it is due or through one of these gates."""

    since: float
    key: str
    suspect: bool
    gates: tuple[str, ...] = ()


def _candidates(db: apsw.Connection, asked: Claim) -> Iterator[_Candidate]:
    """In the order in which they are to be taken. `most` of each kind is enough, since one is passed over only for others that are taken."""
    suspects = _suspects(db)
    yield from sorted(_due_ones(db, asked, suspects))
    yield from sorted(_those_at_gates(db, asked, suspects))


def _due_ones(db: apsw.Connection, asked: Claim, suspects: Sequence[bool]) -> Iterator[_Candidate]:
    for account in asked.accounts:
        for suspect in suspects:
            for due, key in _rows(db, "due", account, suspect, asked.now, asked.most):
                yield _Candidate(due, key, suspect)


def _those_at_gates(db: apsw.Connection, asked: Claim, suspects: Sequence[bool]) -> Iterator[_Candidate]:
    for lane in ("turn", "speech"):
        for account, waited_at in _gates_waited_at(db, lane):
            gates = tuple(waited_at.split(" "))
            if account in asked.accounts and any(asked.admits.get(gate, 0) > 0 for gate in gates):
                for suspect in suspects:
                    for since, key in _rows(db, f"at_{lane}_gate", account, waited_at, suspect, asked.most):
                        yield _Candidate(since, key, suspect, gates)


def _suspects(db: apsw.Connection) -> Sequence[bool]:
    """Which conversations may be claimed: those that are no suspects, and suspects only while none runs."""
    return (False,) if _row(db, "suspects_running")[0] else (False, True)


def _gates_waited_at(db: apsw.Connection, lane: str) -> Iterator[tuple[str, str]]:
    """Account and gate, each pair once: one short search for each, however many conversations wait there."""
    place = ("", "")
    while place := _row(db, f"next_{lane}_gate", *place):
        yield place


def _take(db: apsw.Connection, owner: str, key: str, through: str) -> Lease:
    account, address, epoch, attempts, floor = _rows(db, "claim", key, owner).fetchone()
    return Lease(key, account, address, owner, epoch, attempts, floor, through)


def next_due(db: apsw.Connection, accounts: Sequence[str]) -> float | None:
    """What `claim` would not take while a suspect runs is not due either: who sleeps until this instant would wake in vain."""
    found = [_row(db, "earliest_due", account, suspect) for suspect in _suspects(db) for account in accounts]
    found.append(_row(db, "earliest_timer"))
    return min((row[0] for row in found if row), default=None)


def waiting_gates(db: apsw.Connection) -> tuple[str, ...]:
    return tuple(sorted({gate for lane in ("turn", "speech") for _, gate in _gates_waited_at(db, lane)}))


def disown(db: apsw.Connection, ours: frozenset[str], now: float, most: int) -> int:
    """Conversations of owners that are not `ours` become due."""
    done = 0
    place = ("",)
    while done < most and (place := _row(db, "next_owner", *place)):
        if place[0] not in ours:
            db.execute(SQL["disown"], (place[0], now, most - done))
            done += db.changes()
    return done


def hasten(db: apsw.Connection, now: float, most: int) -> int:
    """Some of those that wait for an instant become due. How many: none, when all are."""
    db.execute(SQL["hasten"], (now, most))
    return db.changes()


def forgive(db: apsw.Connection, owner: str) -> None:
    db.execute(SQL["forgive"], (owner,))


# --- what a worker does -------------------------------------------------------------------------------------------------------------

Encoded = Sequence[tuple[Fact | Intention | Question, str]]
"""Bodies with their JSON, encoded where a body that can't be encoded harms its author alone."""


@dataclass(frozen=True, slots=True)
class Append:
    """The arguments of `Journal.append`."""

    lease: Lease
    now: float
    wakes: int
    facts: Encoded
    intentions: Encoded
    release: Release | None


def append(db: apsw.Connection, asked: Append) -> Appended:
    """The facts; and, if nothing has arrived since `wakes`, the intentions and the release."""
    key, now, release = asked.lease.conversation, asked.now, asked.release
    owner, epoch, wakes, seq, attempts = _row(db, "lease", key) or (None, 0, 0, 0, 0)
    if (owner, epoch) != (asked.lease.owner, asked.lease.epoch):
        raise LeaseLost(
            f"The worker of epoch {asked.lease.epoch} has lost the conversation {key!r} (now at {epoch}). It stops, and appended nothing."
        )
    fresh = wakes == asked.wakes
    bodies = [*asked.facts, *asked.intentions] if fresh else asked.facts
    for offset, (_, text) in enumerate(bodies):
        db.execute(SQL["add_entry"], (key, seq + offset, epoch, now, None, text))
    if bodies:
        ended = any(ends_an_attempt(body) for body, _ in bodies)
        db.execute(SQL["advance"], (key, seq + len(bodies), now, 1 if ended else attempts))
    if fresh and release:
        counted = 0 if release.failed else attempts if release.rests else 1
        db.execute(SQL["release"], (key, release.due, release.turn_gate, release.speech_gate, now, release.floor, counted, release.asks))
    entries = tuple(Entry(seq + offset, now, epoch, body) for offset, (body, _) in enumerate(bodies))
    return Appended(entries, wakes, intended=fresh, released=fresh and release is not None)


def read(db: apsw.Connection, conversation: str, after: int, most: int) -> Snapshot:
    """One statement, so one moment. (A conversation without entries after `after` is one row without an entry.)"""
    rows = _rows(db, "read", conversation, after, most).fetchall()
    entries = tuple(Entry(seq, at, epoch, decode(body)) for _, seq, at, epoch, body in rows if seq is not None)
    return Snapshot(entries, rows[0][0] if rows else 0)


def page(db: apsw.Connection, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
    rows = _rows(db, "page", conversation, before, most).fetchall()
    return tuple(Entry(seq, at, epoch, decode(body)) for seq, at, epoch, body in reversed(rows))


# --- timers -------------------------------------------------------------------------------------------------------------------------


def put_timer(db: apsw.Connection, timer: Timer, body: str) -> None:
    arrival = timer.arrival
    where = arrival.conversation, arrival.account, arrival.address
    db.execute(SQL["put_timer"], (timer.key, timer.at, *where, body, timer.every_s, timer.since))


def due_timers(db: apsw.Connection, now: float, most: int) -> tuple[Timer, ...]:
    return tuple(map(_timer, _rows(db, "due_timers", now, most)))


def timers(db: apsw.Connection, conversation: str) -> tuple[Timer, ...]:
    return tuple(map(_timer, _rows(db, "timers_of", conversation)))


def _timer(row: tuple[Any, ...]) -> Timer:
    key, at, conversation, account, address, body, every_s, since = row
    return Timer(key, at, Arrival(conversation, account, address, "", _from_outside(body), at), every_s, since)


def _from_outside(text: str) -> Outside:
    body = decode(text)
    assert isinstance(body, OUTSIDE)
    return body


def drop_timer(db: apsw.Connection, key: str) -> bool:
    known = _row(db, "timer_at", key) is not None
    db.execute(SQL["drop_timer"], (key,))
    return known


def fire(db: apsw.Connection, timer: Timer, body: str, next_at: float | None) -> Accepted | None:
    if _row(db, "timer_at", timer.key) != (timer.at,):
        return None
    if next_at is None:
        db.execute(SQL["drop_timer"], (timer.key,))
    else:
        db.execute(SQL["move_timer"], (timer.key, next_at))
    return _accept(db, timer.occurrence, body)


# --- rows ---------------------------------------------------------------------------------------------------------------------------


def get_cursor(db: apsw.Connection, account: str) -> Cursor | None:
    found = _row(db, "cursor", account)
    return Cursor(account, *found) if found else None


def conversation(db: apsw.Connection, key: str) -> ConversationRow | None:
    found = _row(db, "conversation", key)
    return _conversation_row(db, found) if found else None


def conversations(db: apsw.Connection, most: int, before: ConversationRow | None) -> tuple[ConversationRow, ...]:
    place = (before.last_at, before.key) if before else (float("inf"), "")
    return tuple(_conversation_row(db, found) for found in _rows(db, "conversations", *place, most).fetchall())


def used(db: apsw.Connection, since: float, before: float) -> tuple[Used, ...]:
    rows: Any = db.execute(SQL["used"], {"since": since, "before": before})
    return tuple(Used(*found) for found in rows)


def _conversation_row(db: apsw.Connection, found: tuple[Any, ...]) -> ConversationRow:
    *columns, address, owes_since = found
    row = ConversationRow(*columns)
    given, began = _row(db, "title", row.key)
    name = title(given or began or "")
    return replace(
        row, running=bool(row.running), asks=bool(row.asks), title=name, address=address, owes_since=owes_since
    )  # no truth values in SQLite


def gates(db: apsw.Connection) -> tuple[GateRow, ...]:
    return tuple(GateRow(*found) for found in _rows(db, "gates"))


def put_gate(db: apsw.Connection, row: GateRow) -> None:
    bindings = (row.name, row.fingerprint, row.until, row.streak, row.since, row.last_ok, row.why, row.kind, row.tried)
    db.execute(SQL["put_gate"], bindings)


def tool_lists(db: apsw.Connection) -> tuple[ToolList, ...]:
    return tuple(ToolList(*found) for found in _rows(db, "tool_lists"))


def put_tool_list(db: apsw.Connection, row: ToolList) -> None:
    db.execute(SQL["put_tool_list"], (row.server, row.fingerprint, row.body))


def people(db: apsw.Connection) -> tuple[Person, ...]:
    return tuple(Person(*found) for found in _rows(db, "people"))


def put_person(db: apsw.Connection, person: Person) -> None:
    bindings = (person.account, person.id, person.name, person.address, person.code, person.expires, person.since, person.handle)
    db.execute(SQL["put_person"], bindings)


def drop_person(db: apsw.Connection, account: str, person: str) -> bool:
    db.execute(SQL["drop_person"], (account, person))
    return db.changes() > 0


def unread(db: apsw.Connection, most: int) -> tuple[tuple[str, float, str], ...]:
    return tuple(_rows(db, "unread", most))


def addresses(db: apsw.Connection, account: str, most: int) -> tuple[str, ...]:
    return tuple(address for (address,) in _rows(db, "addresses", account, most))


def lives(db: apsw.Connection, most: int) -> tuple[Life, ...]:
    return tuple(Life(began, alive, bool(ended), bool(safe)) for began, alive, ended, safe in _rows(db, "lives", most))


def put_life(db: apsw.Connection, life: Life) -> None:
    db.execute(SQL["put_life"], (life.began, life.alive, life.ended, life.safe))
    db.execute(SQL["forget_lives"], (LIVES_MAX - 1,))


def held(db: apsw.Connection) -> tuple[Held, ...]:
    unsaid, unread = dict(_rows(db, "unsaid")), dict(_rows(db, "unread_of"))
    return tuple(Held(account, unsaid.get(account, 0), unread.get(account, 0)) for account in sorted(unsaid.keys() | unread.keys()))
