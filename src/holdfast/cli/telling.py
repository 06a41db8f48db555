"""What of a conversation a terminal shows above its prompt, and when. Pure.

What stands above the prompt stands there for good, so every word has to go there once. An answer that is being written goes there block by
block, as soon as a block can't change any more; its rest is shown live until it can. A message that was sent meanwhile waits until the answer
is whole, so that neither is torn apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from holdfast.cli.screen import BEGUN_ANEW, BROKEN_OFF, plain
from holdfast.cli.watch import Activity, asked, made
from holdfast.core.entries import (
    AssistantMessage,
    Attachment,
    Choice,
    Command,
    Entry,
    Note,
    Notice,
    Question,
    SetAside,
    UserMessage,
    answer_name,
)
from holdfast.core.transcript import STOPS, Transcript
from holdfast.web.wire import Progress, Writing

LOOKED_BACK: Final = 2
"""So many of the last messages, and what followed them, are shown at the start."""


@dataclass(frozen=True, slots=True)
class Said:
    """Something to show: the user's words, an answer (or some whole blocks of it), something done beside it, or the gateway's own words."""

    who: Literal["you", "answer", "beside", "gateway"]
    text: str


@dataclass(frozen=True, slots=True)
class _Sent:
    """An answer that is being written, as the gateway tells it."""

    name: str = ""
    text: str = ""
    plain: str = ""

    def with_more(self, writing: Writing) -> _Sent:
        if writing.name == self.name and writing.at == len(self.text):
            return _Sent(self.name, self.text + writing.text, self.plain + plain(writing.text))
        text = (self.text if writing.name == self.name else "")[: writing.at] + writing.text
        return _Sent(writing.name, text, plain(text))


class Telling:
    """Told of everything that comes from the gateway, says what goes above the prompt.

    `finished` says up to which offset a Markdown text can't change any more, whatever follows.
    """

    def __init__(self, finished: Callable[[str], int], name: str) -> None:
        self._finished = finished
        self._conversation = name
        self._transcript = Transcript()
        self._activity = Activity()
        self._sent = _Sent()
        self._name = ""  # the answer that is shown growing,
        self._text = ""  # its longest text,
        self._told = 0  # and how much of that stands above the prompt
        self._held: list[Said] = []
        self._progress: dict[str, str] = {}  # of the calls that are under way

    @property
    def last(self) -> int:
        """The newest entry's seq."""
        return self._transcript.last_seq

    @property
    def tail(self) -> str:
        """What of the growing answer is not yet above the prompt."""
        return self._text[self._told :]

    @property
    def held(self) -> Sequence[str]:
        """Messages that wait until the answer is whole."""
        return [said.text for said in self._held]

    @property
    def owes(self) -> bool:
        """Is an answer still to come?"""
        return bool(self._transcript.inputs) or self._transcript.turn_is_open

    def open_questions(self) -> Iterator[tuple[int, Question]]:
        """Their seqs, and themselves; the newest first."""
        return ((one.seq, one.question) for one in reversed(list(self._transcript.open_questions())))

    @property
    def asks(self) -> bool:
        """Does a call wait in its middle for an answer?"""
        return any(one.question.question == "elicitation" for one in self._transcript.open_questions())

    @property
    def under_way(self) -> Sequence[str]:
        """How far the calls have come that say so, each on a line."""
        return [f"{call.call.tool}: {self._progress[id_]}" for id_, call in self._transcript.calls.items() if id_ in self._progress]

    def begin(self, entries: Sequence[Entry]) -> list[Said]:
        """The end of what was said before, as it would have been seen: a message after the answer that was being written when it came."""
        self._transcript.extend(entries)
        answers = [(entry.body.seen, entry.seq) for entry in entries if isinstance(entry.body, AssistantMessage)]
        places = {
            entry.seq: max((answer for seen, answer in answers if seen < entry.seq < answer), default=entry.seq)
            for entry in entries
            if isinstance(entry.body, UserMessage)
        }
        ordered = sorted(entries, key=lambda entry: (places.get(entry.seq, entry.seq), entry.seq in places, entry.seq))
        begins = [at for at, entry in enumerate(ordered) if entry.seq in places][-LOOKED_BACK:]
        told = [list(self._see(entry)) for entry in ordered]
        return list(chain.from_iterable(told[begins[0] if begins else 0 :]))

    def see(self, entry: Entry) -> list[Said]:
        """What to show now that this is committed."""
        self._transcript.extend([entry])
        return list(self._see(entry))

    def write(self, writing: Writing) -> list[Said]:
        """What to show now that more of an answer is written."""
        if self._is_stale(writing.name):
            return []
        self._sent = self._sent.with_more(writing)
        return list(self._grow())

    def progress(self, progress: Progress) -> None:
        """A call says how far it has come."""
        self._progress = {id_: text for id_, text in self._progress.items() if id_ in self._transcript.calls} | {
            progress.call: progress.text
        }

    def lost(self) -> None:
        """The gateway is away: what is under way, and how far, is not known any more."""
        self._progress.clear()

    def leave(self) -> list[Said]:
        """What is left to show when nobody looks any more."""
        return [*self._rest(self._text), *self._held]

    def _see(self, entry: Entry) -> Iterator[Said]:
        match entry.body:
            case UserMessage() as body:
                said = Said("you", _with_files(body.text, body.attachments))
                if self._name:
                    self._held.append(said)
                else:
                    yield said
            case Choice() as body:
                yield Said("you", f"/choose {body.question} {body.option}")
            case Command() as body:
                if body.name in STOPS:
                    yield from self._drop()
                yield Said("you", f"/{body.name} {body.args}".rstrip())
            case SetAside():
                yield from self._drop()
            case AssistantMessage() as body:
                yield from self._settle(body)
            case Question() as body:
                closed = self._transcript.questions[entry.seq].closed
                yield Said("gateway", body.text if closed else asked(entry.seq, body, lambda choice: choice))
            case Note() | Notice(edits=0) as body:  # one that edits takes the place of what said that a turn waits; here the answer says so
                yield Said("gateway", body.text)
            case _ as body:
                yield from (Said("beside", line) for line in (*self._activity.told(body), *made(entry, self._conversation)))

    def _is_stale(self, name: str) -> bool:
        """Can no answer have this name any more? (What was written before a cut may be told after it.)"""
        n, expected = int(name[1:].partition(".")[0]), self._transcript.n + 1
        return n < expected or (n == expected and name != answer_name(expected, self._transcript.after_cut))

    def _grow(self) -> Iterator[Said]:
        name, text = self._sent.name, self._sent.plain
        if not text or (self._name and name != self._name):
            return  # nothing of it yet; or the one before is not yet settled
        self._name = name
        if self._text.startswith(text):
            return  # begun anew, and so far the same
        yield from self._agree(text)
        self._text = text
        yield from self._rest(text[: self._told + self._finished(text[self._told :])])

    def _agree(self, text: str) -> Iterator[Said]:
        """If this is not what stands above the prompt already, say that the whole of it follows."""
        if not text.startswith(self._text[: self._told]):
            yield Said("beside", BEGUN_ANEW)
            self._told = 0

    def _rest(self, text: str) -> Iterator[Said]:
        """What this text has beyond what stands above the prompt already."""
        rest, self._told = text[self._told :], len(text)
        if rest.strip():
            yield Said("answer", rest)

    def _settle(self, body: AssistantMessage) -> Iterator[Said]:
        text = plain(body.text)
        if self._told and self._name != body.name:
            yield Said("beside", BEGUN_ANEW)
            self._told = 0
        yield from self._agree(text)
        yield from self._rest(text)
        yield from (Said("beside", line) for line in self._activity.told(body))
        yield from self._over()
        if self._sent.name and not self._is_stale(self._sent.name):
            yield from self._grow()  # the next one is being written already

    def _drop(self) -> Iterator[Said]:
        """What was being written will never be an answer."""
        if self._name:
            yield from self._rest(self._text)
            yield Said("beside", BROKEN_OFF)
        yield from self._over()
        self._sent = _Sent()

    def _over(self) -> Iterator[Said]:
        """Nothing is shown growing any more: what waited for that is said."""
        held, self._held = self._held, []
        self._name, self._text, self._told = "", "", 0
        yield from held


def _with_files(text: str, attachments: Sequence[Attachment]) -> str:
    return "\n".join([text, *(f"[{attachment.name}]" for attachment in attachments)]).strip()
