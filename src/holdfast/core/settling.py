"""A transcript that came from elsewhere, brought to rest: nothing in it is owed, so nothing of it is run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.core import words
from holdfast.core.entries import (
    OUTSIDE,
    AnyBody,
    Command,
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Entry,
    Fetched,
    Notice,
    ToolResult,
    outgoing_name,
)
from holdfast.core.records import Speech
from holdfast.core.transcript import Transcript


def settled(entries: Sequence[Entry], author: str, *, read_here: bool) -> tuple[Entry, ...]:
    """These entries, and what has to follow them so that nothing is owed any more: mostly nothing.

    `author` is the person who brings it here, and thereby stops what was under way. `read_here`: its people read it off the journal; elsewhere nobody
    says that what was still to be sent has arrived.
    """
    return _Settling(entries, author, read_here=read_here).entries


class _Settling:
    def __init__(self, entries: Sequence[Entry], author: str, *, read_here: bool) -> None:
        self._entries = list(entries)
        self._t = Transcript(entries)
        self._epoch = max((entry.epoch for entry in entries), default=0) or 1
        self._read_here = read_here
        self._stop(author)
        self._close()
        self._say()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def _add(self, *bodies: AnyBody) -> None:
        for body in bodies:
            entry = Entry(self._t.last_seq + 1, self._t.last_at, 0 if isinstance(body, OUTSIDE) else self._epoch, body)
            self._entries.append(entry)
            self._t.extend([entry])

    def _stop(self, author: str) -> None:
        """The turn that was under way, with its calls."""
        t = self._t
        if t.inputs or t.turn_is_open or t.calls or t.says_stop:
            self._add(Command(author=author, id=f"brought {t.last_seq}", name="stop"))
            self._add(Notice(text=words.stopped_when_brought(), replies_to=t.last_seq))
        for id_, call in list(t.calls.items()):
            text = words.closed_by_cut(started=bool(call.started))
            self._add(ToolResult(call=id_, outcome="unknown" if call.started else "declined", text=text))

    def _close(self) -> None:
        """What waits for a person, for the clock, or for bytes."""
        t = self._t
        for asked in list(t.open_questions()):
            self._add(Notice(text=words.not_asked_any_more(), about=asked.seq))
        if missing := list(t.fetching):
            self._add(*(Fetched(attachment=id_, why=words.not_fetched_before()) for id_ in missing))
            self._add(Notice(text=words.unread([t.files[id_] for id_ in missing]), about=t.last_seq))
        for seq in list(t.unreplied):
            self._add(Notice(text=words.not_done_before(), replies_to=seq))
        if t.waiting is not None:
            self._add(Notice(text=words.waits_no_more(), edits=t.waiting.seq))

    def _say(self) -> None:
        """What was still to be said, and what was said just now."""
        t = self._t
        for speech in list(t.speech.values()):
            self._add(*self._delivery(speech))
        for (of, part), sent in list(t.parts.items()):
            if not sent.settled:  # a preview that no text follows
                self._add(DeliveryFailed(of=of, part=part, refusal="dropped", why=words.not_sent_before()))

    def _delivery(self, speech: Speech) -> Iterable[AnyBody]:
        for part in self._t.parts_of(speech):
            if not self._t.is_owed(speech, part):
                continue
            yield DeliveryStarted(of=speech.name, part=part, cuts=speech.cuts or ())
            if self._read_here:
                yield Delivered(of=speech.name, part=part)
            else:
                yield DeliveryFailed(of=speech.name, part=part, refusal="dropped", why=words.not_sent_before())


def delivered(seq: int, body: Notice) -> tuple[DeliveryStarted, Delivered]:
    """What follows a notice that its people read off the journal."""
    name = outgoing_name(seq, body)
    return DeliveryStarted(of=name, part=0), Delivered(of=name, part=0)
