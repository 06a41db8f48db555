"""The fold: what a conversation's entries, read in order, amount to.

`Transcript` is kept up to date entry by entry, so that nothing here grows with the length of a conversation except the three lists that the
request is made of. It may be built from any entry at or before `floor()`; the table (`turn.py`) then wants the same steps as from the first.

The words are those of DESIGN.md section 4. The file is over 400 lines because the fold is one thing: each kind of entry has one place here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from holdfast.core import chat_words
from holdfast.core.commands import sounds_like_stop
from holdfast.core.entries import (
    DEFAULT_CHAIN,
    OUTSIDE,
    AssistantMessage,
    Attachment,
    Choice,
    Command,
    Correction,
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Entry,
    Failed,
    Fetched,
    Forgotten,
    Note,
    Notice,
    Produced,
    Question,
    SetAside,
    Summary,
    ToolResult,
    ToolStarted,
    UserMessage,
    answer_name,
    approval_key,
    outgoing_name,
)
from holdfast.core.records import Aside, Asked, Closed, Kept, OpenCall, Part, Speech, Spoken

STOPS = ("stop", "new")
"""The commands that cut."""

ALWAYS = "always"
"""The choice that lets a tool be called with these arguments from now on."""

ALLOWED_MAX = 100
"""So many approvals stand at once in a conversation."""

CHARS_PER_TOKEN = 4
"""Of plain English; other texts have fewer."""


class Transcript:
    """The fold of a conversation's entries. See the module's docstring."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:  # noqa: PLR0915 - all that the fold keeps
        self.last_seq = 0
        self.last_at = 0.0
        self.last_outside = 0
        self.moved_at = 0.0  # when the turn last came nearer to its end
        # The three lists of the request: what was said, what was answered, how calls ended.
        self.spoken: list[Spoken] = []
        self.bringing: list[Spoken] = []  # those of them that bring messages back
        self.answers: list[Entry] = []
        self.results: dict[str, ToolResult] = {}
        self.corrections: dict[int, tuple[Entry, ...]] = {}  # of a message
        self.first_seen: dict[int, int] = {}  # the `seen` of the first answer that was shown a corrected message
        self.touched: set[int] = set()  # answers (by n) of which something was started or sent
        self.asides: list[Aside] = []
        self.summary: Entry | None = None
        # The turn.
        self.n = 0
        self.seen = 0
        self.cut = 0
        self.new = 0
        self.stopped: set[int] = set()  # inputs that a cut left unanswered
        self.inputs: list[int] = []  # owed: not seen, not before a cut
        self.authors: dict[int, str] = {}  # of the inputs, and of the turn's first
        self.turn_from = 0
        self.turn_began = 0  # when that became the turn: its budget counts from here
        self.brought = 0  # the first message of the last turn that began with one
        self.granted = 0
        self.corrected = 0  # the newest correction that overturns a call
        self.last_message = 0
        self.failures: list[Entry] = []
        self.unknowns: list[int] = []
        self.closed_calls: list[Closed] = []  # of the turn
        self.allowed: dict[str, None] = {}  # the approvals that stand, oldest first
        self.scheduled = False  # the turn began because its time had come
        self.chain = ""  # what the person chose; "" is the default
        self.chosen = 0  # the notice that says so
        self.ways: tuple[str, ...] = ()  # what else was chosen: `QUIET`, `busy=queue`
        self.ways_chosen = 0
        self.says_stop = 0  # a message that says nothing but "stop", while something was done
        self.group = False  # others may write here, too
        self.read_before = 0  # tokens of the view up to the last answer, as its provider counted them (0: unknown)
        self.said_since = 0  # characters since then
        self.said_waiting = 0
        self.waiting: Entry | None = None  # the notice that says so, as long as it is true
        self.waiting_id = ""  # the platform's, once it has it
        self.said_unread = 0  # the newest word on a file of which the user was told that nobody reads it
        # The lanes.
        self.calls: dict[str, OpenCall] = {}
        self.speech: dict[str, Speech] = {}
        self.parts: dict[tuple[str, int], Part] = {}
        self.burnt = 0  # when a preview was finished whose name the next answer would have taken
        self.blocked = 0
        self.unreplied: dict[int, Entry] = {}
        self.left_behind: dict[int, int] = {}  # messages that a /stop or /new left unanswered
        self.questions: dict[int, Asked] = {}
        self.fetching: dict[str, tuple[int, Attachment, float]] = {}  # seq of its message, itself, not before
        self.files: dict[str, Kept] = {}  # by the attachment's id
        self._messages: dict[str, int] = {}  # the platform's id -> seq
        self.extend(entries)

    def extend(self, entries: Iterable[Entry]) -> None:
        """Fold in what came after."""
        for entry in entries:
            self._apply(entry)

    def extended(self, entries: Iterable[Entry]) -> Transcript:
        """A transcript that has these as well; this one stays as it is. All records are immutable, so the containers alone are copied."""
        other = Transcript.__new__(Transcript)
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, list | dict | set) else value)
        other.extend(entries)
        return other

    # --- what the table asks ---------------------------------------------------------------------------------------------------------

    @property
    def last_answer(self) -> AssistantMessage | None:
        """The newest answer."""
        body = self.answers[-1].body if self.answers else None
        return body if isinstance(body, AssistantMessage) else None

    def is_cut(self, seen: int) -> bool:
        """Does an answer with this `seen` lie before the cut?"""
        return seen < self.cut

    @property
    def turn_is_open(self) -> bool:
        """The last answer has calls (open, or unread), and is not cut."""
        last = self.last_answer
        return last is not None and bool(last.calls) and not self.is_cut(last.seen)

    @property
    def owes(self) -> bool:
        """Is anything left to do, whether or not it can be done now?"""
        return bool(self.inputs or self.turn_is_open or self.calls or self.speech or self.unreplied or self.fetching)

    @property
    def overtaken(self) -> int:
        """The newest cut or correction since the last answer (0: none): a model call begun before it is overturned."""
        return self._since_last_answer(max(self.cut, self.corrected))

    @property
    def after_cut(self) -> int:
        """The cut since the last answer (0: none), or the end of a preview that no answer followed: part of the next answer's name."""
        return self._since_last_answer(max(self.cut, self.burnt))

    def _since_last_answer(self, seq: int) -> int:
        return seq if not self.answers or seq > self.answers[-1].seq else 0

    @property
    def grant(self) -> int:
        """Since when the budget counts: the turn's begin, "go on", or the message that overtook that question."""
        return max(self.turn_began, self.granted)

    def failed_with(self, kind: str) -> int:
        """How often a call of this turn failed so on the chain it uses now, for this conversation's own sake."""
        return sum(isinstance(entry.body, Failed) and entry.body.failure == kind and entry.seq > self.chosen for entry in self.failures)

    @property
    def tokens(self) -> int:
        """About how much a model has to read for the next answer; rather too little than too much."""
        return self.read_before + self.said_since // CHARS_PER_TOKEN

    @property
    def without_tools(self) -> bool:
        """The turn began with the choice to try again without tools."""
        first = next((s.entry.body for s in reversed(self.spoken) if s.entry.seq == self.turn_from), None)
        return isinstance(first, Choice) and first.option == "without tools"

    def files_of(self, seq: int, body: UserMessage) -> Iterable[Kept]:
        """What became of the files of the message `seq`, as far as that is known."""
        kept = (self.files.get(attachment.id) for attachment in body.attachments)
        return (file for file in kept if file is not None and file.message == seq)

    def turn_files(self, upto: int) -> Iterable[Kept]:
        """The files that a turn up to `upto` is about: in its messages, in those that it brings back, and in older ones that no answer shown has seen."""
        back = {seq for said in self.bringing if self.turn_from <= said.entry.seq <= upto for seq in said.brings}
        shown = next((a.body.seen for a in reversed(self.answers) if isinstance(a.body, AssistantMessage) and not self.hides(a.body)), 0)
        since = max(min(self.turn_from, shown + 1), self.new)
        return (file for file in self.files.values() if since <= file.message <= upto or file.message in back)

    def hides(self, answer: AssistantMessage) -> bool:
        """Is the model not shown it: a cut answer of which nothing was started or sent, or one of a turn that was set aside?"""
        return (self.is_cut(answer.seen) and answer.n not in self.touched) or self.is_aside(answer.seen)

    def is_aside(self, seq: int) -> bool:
        return any(aside.since <= seq <= aside.upto for aside in self.asides)

    def part(self, name: str, index: int) -> Part:
        return self.parts.get((name, index), Part())

    def is_owed(self, speech: Speech, index: int) -> bool:
        """Part `index` is still to be sent: not settled, and not cut unsent (a preview of it that went out is finished with its text)."""
        part = self.part(speech.name, index)
        if part.settled:
            return False
        return speech.seen is None or not self.is_cut(speech.seen) or part.sent or part.previewed

    def parts_of(self, speech: Speech) -> range:
        """The parts that exist. Until the cuts are frozen there is the first."""
        return range(len(speech.cuts or ()) + 1)

    def open_questions(self) -> Iterable[Asked]:
        return (asked for asked in self.questions.values() if not asked.closed)

    def floor(self) -> int:
        """The smallest seq still needed; reading from it gives the same steps as reading from the first."""
        needed = [self.last_seq + 1, *self.inputs[:1], *self.unreplied, *(asked.seq for asked in self.open_questions())]
        view = self._view_start()
        needed += [view, self.turn_from, self.brought, self.granted]
        needed += [said.brings[0] for said in self.bringing if said.entry.seq >= view]
        needed += [self.answers[-1].seq] if self.answers else []
        needed += [seq for seq, _, _ in self.fetching.values()]
        needed += [self.waiting.seq] if self.waiting is not None else []
        needed += [self.chosen] if self.chosen and self._of_last_answer("chain", "") != self.chain else []
        needed += [self.ways_chosen] if self.ways_chosen and self._of_last_answer("ways", ()) != self.ways else []
        needed += [self.blocked] if self.blocked > self.last_outside else []
        needed += [speech.seq for speech in self.speech.values()]
        if self.allowed and any(isinstance(entry.body, Command) and entry.body.name == "new" for entry in self.unreplied.values()):
            return 1  # its reply will say which approvals stand: nothing behind it does so far
        if self.calls or any(p.previewed and not p.settled for p in self.parts.values()):
            return 1  # an open call or a dangling preview: rare, short-lived, and not worth an index
        return min(seq for seq in needed if seq > 0)

    def _of_last_answer(self, field: str, without: object) -> object:
        """What the newest answer says of a choice; `without` one."""
        return without if self.last_answer is None else getattr(self.last_answer, field)

    def people(self) -> set[str]:
        """Those for whom something is done now: who has a word in the turn, and whose commands have no reply yet."""
        waiting = {entry.body.author for entry in self.unreplied.values() if isinstance(entry.body, Command | Choice)}
        return waiting | set(self.authors.values())

    def turn_people(self, upto: int) -> tuple[str, ...]:
        """Those whose words the turn has seen by then; whose turn it is, first."""
        return tuple(dict.fromkeys(self.authors[seq] for seq in sorted(self.authors) if self.turn_from <= seq <= upto)) or ("",)

    def replies_to(self, upto: int, command: str = "") -> str:
        """In a group: the platform's id of this command, else of the newest message up to the entry `upto`; "" elsewhere."""
        if command and self.group:
            return command
        bodies = (said.entry.body for said in reversed(self.spoken) if said.entry.seq <= upto)
        return next((body.id for body in bodies if isinstance(body, UserMessage)), "") if self.group else ""

    def _view_start(self) -> int:
        if self.summary is None or not isinstance(self.summary.body, Summary):
            return max(self.new, 1)
        upto = self.summary.body.upto
        hidden = [a.body.seen for a in self.answers if a.seq == upto and isinstance(a.body, AssistantMessage)]
        return max(self.new, hidden[0] + 1 if hidden else 1)

    # --- the fold --------------------------------------------------------------------------------------------------------------------

    def _apply(self, entry: Entry) -> None:  # noqa: C901, PLR0912 - one arm for each kind of entry
        self.last_seq, self.last_at = entry.seq, entry.at
        body = entry.body
        if isinstance(body, OUTSIDE):
            self.last_outside = entry.seq
        match body:
            case UserMessage():
                self._message(entry, body)
            case Correction():
                self._correction(entry, body)
            case Command():
                self._command(entry, body)
            case Choice():
                self._choice(entry, body)
            case AssistantMessage():
                self._answer(entry, body)
            case ToolStarted():
                self._tool_started(entry, body)
            case ToolResult():
                self._result(entry, body)
            case DeliveryStarted():
                self._delivery_started(entry, body)
            case Delivered() | DeliveryFailed():
                self._delivery_ended(entry, body)
            case Question():
                self._question(entry, body)
            case Notice():
                self._notice(entry, body)
            case SetAside():
                self.asides.append(Aside(body.since, body.upto))
                if body.why == "crashed":
                    self.speech.clear()
                    self.parts.clear()
                for asked in list(self.open_questions()):
                    if asked.question.question == "budget":  # that of this turn
                        self.questions[asked.seq] = replace(asked, closed="expiry", by=entry.seq)
                self._cut(body.upto + 1)
            case Fetched():
                self._fetched(entry.seq, body)
            case Failed():
                self.failures.append(entry)
            case Summary():
                self.summary = entry
                self.read_before = self.said_since = 0
                self._allow(body.allowed)
            case Note():
                self._say(entry, body, body.text)
            case Forgotten():
                self.n, self.new = body.n, entry.seq
            case _:
                assert_never(body)

    def _message(self, entry: Entry, body: UserMessage) -> None:
        self._messages[body.id] = entry.seq
        self.said_since += len(body.text)
        for attachment in body.attachments:
            self.fetching[attachment.id] = (entry.seq, attachment, 0.0)
        for asked in list(self.open_questions()):
            if body.scheduled or asked.question.to not in {"", body.author}:
                continue  # nobody wrote instead of answering, or somebody else did
            if asked.question.overtakable:
                self.questions[asked.seq] = replace(asked, closed="message", by=entry.seq)
                if asked.question.question == "budget":
                    self.granted = entry.seq
            elif not asked.beside:
                self.questions[asked.seq] = replace(asked, beside=entry.seq)
        if not self.inputs and not self.turn_is_open:
            self.brought = entry.seq
        elif sounds_like_stop(body.text):
            self.says_stop = entry.seq
        if not body.scheduled:  # a reminder has nobody's name
            self.group = bool(body.name)
        self.last_message = entry.seq
        self._input(Spoken(entry), body.author)

    def _fetched(self, seq: int, body: Fetched) -> None:
        if body.attachment not in self.fetching:
            return
        message, attachment, _ = self.fetching.pop(body.attachment)
        if body.until:
            self.fetching[body.attachment] = (message, attachment, body.until)
        else:
            self.files[body.attachment] = Kept(message, seq, attachment.name, attachment.media_type, body.sha256, body.why)

    def _input(self, spoken: Spoken, author: str) -> None:
        seq = spoken.entry.seq
        self.spoken.append(spoken)
        if spoken.brings:
            self.bringing.append(spoken)
        self.authors[seq] = author
        if not self.inputs and not self.turn_is_open:
            self._turn_begins(seq)
        self.inputs.append(seq)

    def _turn_begins(self, seq: int) -> None:
        self.turn_from, self.turn_began = seq, self.last_seq
        first = next(said.entry.body for said in reversed(self.spoken) if said.entry.seq == seq)
        self.scheduled = isinstance(first, UserMessage) and first.scheduled
        self.moved_at = self.last_at
        self.authors = {s: author for s, author in self.authors.items() if s >= seq}
        self.failures.clear()
        self.unknowns.clear()
        self.closed_calls.clear()

    def _turn_ends(self) -> None:
        """The turn is closed: what came meanwhile begins the next one."""
        if self.inputs:
            self._turn_begins(self.inputs[0])
            body = next(s.entry.body for s in reversed(self.spoken) if s.entry.seq == self.inputs[0])
            if isinstance(body, UserMessage):
                self.brought = self.inputs[0]

    def _correction(self, entry: Entry, body: Correction) -> None:
        seq = self._messages.get(body.of, 0)
        if seq < self._view_start():
            return
        self.corrections[seq] = (*self.corrections.get(seq, ()), entry)
        self.spoken.append(Spoken(entry, (seq,)))
        if seq <= self.seen:
            self.first_seen.setdefault(seq, self.seen)
        elif body.text is None and seq in self.inputs:
            self.inputs.remove(seq)
            if seq == self.turn_from and self.inputs:
                self._turn_begins(self.inputs[0])
        if seq > self.seen or self.turn_is_open:
            self.corrected = entry.seq

    def _command(self, entry: Entry, body: Command) -> None:
        self.unreplied[entry.seq] = entry
        if body.name in STOPS:
            before = len(self.inputs)
            if body.name == "new":
                self.new = entry.seq
                self.read_before = self.said_since = 0
            self._cut(entry.seq)
            self.left_behind[entry.seq] = before
        elif body.name == "retry":
            brings = self._brought_back()
            if brings:
                self._input(Spoken(entry, brings), body.author)

    def _brought_back(self) -> tuple[int, ...]:
        """The messages of the last turn that began with one, since `/new`, but for those deleted before they were seen."""
        return tuple(
            s.entry.seq
            for s in self.spoken
            if s.entry.seq >= max(self.brought, self.new + 1)
            and isinstance(s.entry.body, UserMessage)
            and self.text_of(s.entry) is not None
        )

    def text_of(self, entry: Entry) -> str | None:
        """A message as it was when an answer first saw it (or as it is now, if none has); None if it was deleted before that."""
        assert isinstance(entry.body, UserMessage)
        text: str | None = entry.body.text
        for correction in self.corrections.get(entry.seq, ()):
            if not self.was_shown_before(entry.seq, correction.seq):
                assert isinstance(correction.body, Correction)
                text = correction.body.text
        return text

    def was_shown_before(self, message: int, correction: int) -> bool:
        """Has an answer seen the message as it was before that correction?"""
        return self.first_seen.get(message, correction) < correction

    def _choice(self, entry: Entry, body: Choice) -> None:
        self.unreplied[entry.seq] = entry
        asked = self.questions.get(body.question)
        if asked is None or asked.closed or not asked.question.takes(body.option) or asked.question.to not in {"", body.author}:
            return
        self.questions[asked.seq] = replace(asked, closed="choice", by=entry.seq, option=body.option)
        match asked.question.question:
            case "unknown":
                self._input(Spoken(entry), body.author)
            case "poison" if body.option != "discard":
                brings = self._set_aside_before(asked.seq)
                if brings:
                    self._input(Spoken(entry, brings), body.author)
            case "approval" if body.option == ALWAYS and asked.question.about in self.calls:
                self._allow([approval_key(body.author, self.calls[asked.question.about].call)])
            case "budget" if body.option == "stop":
                self._cut(asked.seq)  # what came after the question is no part of the turn that it was about
            case "budget":
                self.granted = entry.seq
            case _:
                pass

    def _allow(self, keys: Iterable[str]) -> None:
        """These approvals stand. Of too many the oldest is forgotten: it is asked for again."""
        for key in keys:
            self.allowed[key] = None
        while len(self.allowed) > ALLOWED_MAX:
            del self.allowed[next(iter(self.allowed))]

    def _set_aside_before(self, seq: int) -> tuple[int, ...]:
        """The messages of the turn that was set aside with the question `seq`, unless they lie before `/new`."""
        aside = next((a for a in reversed(self.asides) if a.upto < seq), None)
        if aside is None:
            return ()
        low = max(aside.since, self.new + 1)
        return tuple(
            number
            for s in self.spoken
            if low <= s.entry.seq <= aside.upto
            if not isinstance(s.entry.body, Correction)
            for number in (s.brings or (s.entry.seq,))
        )

    def _cut(self, at: int) -> None:
        self.cut = max(self.cut, at)
        self.says_stop = 0
        self.stopped.update(seq for seq in self.inputs if seq < self.cut)
        self.inputs = [seq for seq in self.inputs if seq >= self.cut]
        self._turn_ends()
        for asked in list(self.open_questions()):
            if asked.question.question == "budget":  # nothing is left that could go on
                self.questions[asked.seq] = replace(asked, closed="message", by=at)
        for name in list(self.speech):
            self._settle(name)

    def _answer(self, entry: Entry, body: AssistantMessage) -> None:
        self.answers.append(entry)
        if not self.chosen:
            self.chain = body.chain
        if not self.ways_chosen:
            self.ways = body.ways
        self._count(body)
        self.n = body.n
        self.moved_at = entry.at
        self.seen = max(self.seen, body.seen)
        self.inputs = [seq for seq in self.inputs if seq > self.seen]
        for message in self.corrections:
            if message <= body.seen:
                self.first_seen.setdefault(message, body.seen)
        for call in body.calls:
            self.calls[call.id] = OpenCall(call, body.n, body.seen)
        if (body.name, 0) in self.parts:
            self.touched.add(body.n)
        if body.text:
            self.speech[body.name] = Speech(entry.seq, body.name, body.text, body.seen, body.n)
            self._settle(body.name)
        if not body.calls:
            self._turn_ends()

    def _count(self, body: AssistantMessage) -> None:
        """What the model will have read when it has read this answer too."""
        if body.usage.input_tokens and not self.is_cut(body.seen):
            self.read_before, self.said_since = body.usage.input_tokens + body.usage.output_tokens, 0
        else:
            self.said_since += len(body.text) + sum(len(call.arguments) for call in body.calls)

    def _tool_started(self, entry: Entry, body: ToolStarted) -> None:
        if body.call in self.calls:
            call = self.calls[body.call]
            self.calls[body.call] = replace(call, started=entry.epoch, begun=entry.seq, repeatable=body.repeatable)
            self.touched.add(call.n)

    def _result(self, entry: Entry, body: ToolResult) -> None:
        if body.call not in self.calls:
            return
        call = self.calls.pop(body.call)
        self.results[body.call] = body
        self.said_since += len(body.text)
        self.moved_at = entry.at
        self.closed_calls.append(Closed(entry.seq, call.call.tool, call.call.arguments, body.outcome, body.text, body.took_s, body.sampled))
        files = tuple(file for file in body.files if not file.whole)
        if files:
            self._say(entry, body, ", ".join(file.name for file in files), files)
        if body.outcome == "unknown":
            self.unknowns.append(entry.seq)

    def _delivery_started(self, entry: Entry, body: DeliveryStarted) -> None:
        name, part = body.of, self.part(body.of, body.part)
        part = replace(part, key=body.key, first_at=part.first_at or entry.at, begun=entry.seq)
        speech = self.speech.get(name)
        if body.preview:
            self.parts[name, body.part] = replace(part, previewed=True)
        elif speech is not None:
            doubted = part.doubted or part.in_doubt(entry.epoch)
            self.parts[name, body.part] = replace(part, sent=True, started=entry.epoch, doubted=doubted, unknown=False, retry_at=0.0)
            self.touched.add(speech.n)
            if speech.cuts is None:
                self.speech[name] = replace(speech, cuts=body.cuts)

    def _delivery_ended(self, entry: Entry, body: Delivered | DeliveryFailed) -> None:
        key = (body.of, body.part)
        if isinstance(body, DeliveryFailed) and body.refusal == "blocked":
            self.blocked = self.part(*key).begun or entry.seq  # who wrote since it began may have opened the chat again
        if isinstance(body, Delivered) and self.waiting is not None and body.of == f"n{self.waiting.seq}":
            self.waiting_id = body.id
        part = self.parts.get(key)
        if part is None or part.settled:
            return
        if isinstance(body, Delivered):
            self.parts[key] = replace(part, id=body.id, started=0, unknown=False, settled=not body.preview)
        else:
            match body.refusal:
                case "refused" | "dropped":
                    part = replace(part, settled=True)
                case "gone":
                    part = Part(settled=body.of not in self.speech, anew=part.anew + 1)
                case "absent":
                    part = Part(sent=part.sent, settled=body.of not in self.speech, anew=part.anew)
                case "unknown":
                    part = replace(part, unknown=not part.id, doubted=not part.id)
                case "retry" | "blocked":
                    pass
                case _:
                    assert_never(body.refusal)
            self.parts[key] = replace(part, started=0, retry_at=body.until)
        self._settle(body.of)

    def _settle(self, name: str) -> None:
        """Forget an outgoing entry once none of its parts is owed."""
        speech = self.speech.get(name)
        if speech is None:
            if self.part(name, 0).settled:
                self.parts.pop((name, 0))
                if name == answer_name(self.n + 1, self.after_cut):
                    self.burnt = self.last_seq
        elif not any(self.is_owed(speech, index) for index in self.parts_of(speech)):
            del self.speech[name]
            for index in self.parts_of(speech):
                self.parts.pop((name, index), None)

    def _say(self, entry: Entry, body: Question | Notice | Note | ToolResult, text: str, files: tuple[Produced, ...] = ()) -> str:
        """One more thing to be delivered. Returns its name."""
        name = outgoing_name(entry.seq, body)
        self.speech[name] = Speech(entry.seq, name, text, None, files=files)
        return name

    def _question(self, entry: Entry, body: Question) -> None:
        self.questions[entry.seq] = Asked(entry.seq, body)
        name = self._say(entry, body, chat_words.asked(entry.seq, body))
        self.speech[name] = replace(self.speech[name], question=entry.seq)
        if body.question == "approval" and body.about in self.calls:
            self.calls[body.about] = replace(self.calls[body.about], asked=entry.seq)

    def _notice(self, entry: Entry, body: Notice) -> None:
        name = self._say(entry, body, body.text)
        self._allow(body.allowed)
        if body.chain:
            self.chain, self.chosen = "" if body.chain == DEFAULT_CHAIN else body.chain, entry.seq
        if body.ways is not None:
            self.ways, self.ways_chosen = body.ways, entry.seq
        if body.offers >= self.says_stop:
            self.says_stop = 0
        given = self.unreplied.pop(body.replies_to, None)
        if given is not None and isinstance(given.body, Command):
            self.speech[name] = replace(self.speech[name], replies_to=given.body.id)
        self.left_behind.pop(body.replies_to, None)
        for one in list(self.open_questions()):
            if body.replies_to and one.beside == body.replies_to:
                self.questions[one.seq] = replace(one, told=True)
        self._said_about(entry, body, name)

    def _said_about(self, entry: Entry, body: Notice, name: str) -> None:
        """What a notice says of a question, of files, or of a wait."""
        asked = self.questions.get(body.about)
        if asked is None and any(file.seq == body.about for file in self.files.values()):
            self.said_unread = max(self.said_unread, body.about)
        elif self.waiting is not None and body.edits == self.waiting.seq:
            if self.waiting_id:
                self.parts[name, 0] = Part(id=self.waiting_id)
            self.waiting, self.waiting_id, self.said_waiting = None, "", 0
        elif asked is None and body.about:
            self.said_waiting = max(self.said_waiting, body.about)
            self.waiting, self.waiting_id = entry if body.stands else None, ""
        elif asked is not None and not asked.closed:
            self.questions[asked.seq] = replace(asked, closed="expiry", by=entry.seq)
            if asked.question.question == "budget":
                self._cut(asked.seq)
