"""The seams: what the runtime asks of the world, and what page and command line ask of the runtime.

Every implementation of a port passes the same contract suite (`holdfast.testing.contracts`). Times are Unix seconds unless a name says `_s`
(a duration in seconds). The file is over 400 lines because the seams are one thing: half of it is docstrings.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Final, Literal, Protocol, runtime_checkable

from holdfast.core.entries import Attachment, Call, Entry, Fact, Intention, Outside, Produced, Question, Usage
from holdfast.core.incoming import Incoming, Moved, Place, Unread
from holdfast.core.lives import Life
from holdfast.core.request import Request, Tool
from holdfast.core.text import Limit
from holdfast.core.weather import GateRow as GateRow  # noqa: PLC0414 - a type of this port
from holdfast.errors import JournalFailed, Temporary

# --- the clock ----------------------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time, as a parameter."""

    def now(self) -> float:
        """Wall clock, Unix seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    async def sleep(self, delay_s: float) -> None: ...


# --- the journal --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry from outside.

    `address` is where the platform sends to, of one conversation alone within its account; `conversation` is the key of the one that begins there, if
    none has that address yet; `dedupe` names the platform's event: account, chat, message id, kind and version; `at` is when it was received, by our clock.
    `only_after`: kept only if the event of this name is here, and in the conversation where that is (what corrects a message that was never kept is of no use).
    """

    conversation: str
    account: str
    address: str
    dedupe: str
    body: Outside
    at: float
    only_after: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an account has been received. `identity` is the platform's own name of the account: another one is a configuration error."""

    account: str
    identity: str
    value: str


@dataclass(frozen=True, slots=True)
class Move:
    """A chat of an account has another id from now on: its conversations stay what they are, at another address."""

    account: str
    chat: str
    to: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An arrival is durable: as entry `seq` of that conversation; `new` is false if it had been before. `seq` 0: there was nothing to keep."""

    conversation: str
    seq: int
    new: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to append facts and intentions to one conversation, until another claim raises the epoch. `attempts` counts this claim too."""

    conversation: str
    account: str
    address: str
    owner: str
    epoch: int
    attempts: int
    floor: int
    through: str = ""
    """The gate that admitted this claim; "" if it was due."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Entries and `wakes`, of one moment."""

    entries: tuple[Entry, ...]
    wakes: int


@dataclass(frozen=True, slots=True)
class Release:
    """What a conversation waits for when its worker lets go: an instant, gates (names of alternatives, sorted, joined by a space), or nothing."""

    due: float | None = None
    turn_gate: str = ""
    speech_gate: str = ""
    floor: int = 0
    failed: bool = False
    """The worker had a bug: the attempt counts, as it does when the process dies."""
    asks: bool = False
    """A question is open."""
    rests: bool = False
    """Nothing is owed: what died over this conversation before died over something that is done, or over nothing. No attempt counts any more."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What one commit did. `entries` are those appended; `intended` and `released` say whether the intentions and the release were taken."""

    entries: tuple[Entry, ...]
    wakes: int
    intended: bool
    released: bool


@dataclass(frozen=True, slots=True)
class Timer:
    """At `at` this arrival is ingested, once; or again every `every_s` (0: not again), counted from `since`, the first time (0: from `at`). `key` names the
    timer; with `at` it names the occurrence, whatever the arrival's own `at` and `dedupe`."""

    key: str
    at: float
    arrival: Arrival
    every_s: float = 0.0
    since: float = 0.0

    @property
    def occurrence(self) -> Arrival:
        """The arrival as it is ingested."""
        return replace(self.arrival, at=self.at, dedupe=f"timer {self.key} {self.at!r}")


@dataclass(frozen=True, slots=True)
class ToolList:
    """The tools of one server as last seen, in the host's own JSON."""

    server: str
    fingerprint: str
    body: str


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """One conversation at a glance. `running`: a worker has it now. `asks`: a question is open.

    `title` is what its newest `/title` says, else the beginning of its first message.
    """

    key: str
    account: str
    last_seq: int
    last_at: float
    running: bool
    due: float | None
    turn_gate: str
    speech_gate: str
    attempts: int
    asks: bool = False
    title: str = ""
    address: str = ""
    owes_since: float = 0.0
    """Since when something is owed there that is not done (0: nothing is)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation in which something was found: the newest entry that says it (0: its title does), and the words around it."""

    row: ConversationRow
    seq: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom an owner let in to an account, or who waits for that.

    `code`: what an owner writes to let them in, until `expires`. `since`: when they were let in (0: not yet). `address`: where they wrote from. `handle`:
    they were let in for as long as a list names them so ("": an owner approved their code).
    """

    account: str
    id: str
    name: str
    address: str
    code: str = ""
    expires: float = 0.0
    since: float = 0.0
    handle: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """What came from one route in some time, for one person of an account: answers, and the tokens read and written for them as far as they were counted."""

    route: str
    account: str = ""
    author: str = ""
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How many conversations are being worked on, are about to be, wait for something, and ask somebody. Of more than `COUNTED_MAX` not all are counted."""

    running: int = 0
    due: int = 0
    waiting: int = 0
    asking: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """What the journal takes on its disk, what is free there (both in bytes), and when it was written last."""

    size: int
    free: int
    written: float


@dataclass(frozen=True, slots=True)
class Held:
    """What the journal holds back for an account: so many conversations wait to say something there, so many updates could not be read."""

    account: str
    unsaid: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: so many entries; `files`: the names of the files that they spoke of."""

    entries: int
    files: tuple[str, ...] = ()


COUNTED_MAX: Final = 10_000
UNREAD_MAX: Final = 1_000
LIVES_MAX: Final = 100
UNREAD_CHARS_MAX: Final = 64_000
"""Of one update that could not be read, so much is kept."""

ALL: Final = 2**62
"""More entries than there are; a seq after every other."""


class Journal(Protocol):
    """The store of transcripts. Every method that changes something returns only after it is durable.

    Raises `JournalFailed` (or `JournalFull`) if it can't commit; after that every call does, and the process has to end.
    """

    async def ingest(
        self, arrivals: Sequence[Arrival], cursor: Cursor | None = None, moves: Sequence[Move] = (), unread: Sequence[str] = ()
    ) -> tuple[Accepted, ...]:
        """One transaction: give chats that moved their new address, append what is new, wake those conversations, keep of the cursor's account what could
        not be read, move the cursor.

        Raises `Config` if the cursor's identity is another; then nothing is kept.
        """

    async def adopt(self, conversation: str, account: str, address: str, entries: Sequence[Entry]) -> bool:
        """One transaction: begin a conversation with these entries, as they are; numbered without a gap, and at rest: nothing is due in it.

        False if there is one of that key or at that address; then nothing is changed.
        """

    async def forget(self, conversation: str, now: float) -> Erased | None:
        """Erase everything of it, and leave an entry `Forgotten`; from one instant on nobody sees anything else. Whoever had a lease has lost it, nothing is due,
        and what the platform tells again of what was erased is not new. None if there is no such conversation."""

    async def addresses(self, account: str, most: int) -> tuple[str, ...]:
        """Of this account's conversations, the most recently changed first."""

    async def claim(self, owner: str, now: float, accounts: Sequence[str], admits: Mapping[str, int], most: int) -> tuple[Lease, ...]:
        """Take up to `most` conversations that nobody has, of these accounts: due ones first, oldest first, then those that wait at a gate that admits.

        `owner` names this life of this process and is never used by another one (see `disown`).
        `admits` gives for each gate how many more it takes; a row that waits at several takes the first that admits. Of conversations with
        two or more attempts at most one is running at a time.
        """

    async def read(self, conversation: str, after: int, most: int = ALL) -> Snapshot:
        """The entries with `seq > after`, in order, the first `most` of them."""

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        """The last `most` entries with `seq < before`, in order."""

    async def append(
        self,
        lease: Lease,
        now: float,
        wakes: int,
        facts: Sequence[Fact | Question] = (),
        intentions: Sequence[Intention] = (),
        release: Release | None = None,
    ) -> Appended:
        """One transaction: the facts, always; the intentions and the release only if `wakes` is still what it was when the transcript was read.

        Raises `LeaseLost` if the lease's epoch is not the conversation's, or it has been released; then nothing is appended.
        """

    async def next_due(self, accounts: Sequence[str]) -> float | None:
        """The earliest instant at which a conversation that could be claimed, or a timer, is due."""

    async def waiting_gates(self) -> tuple[str, ...]:
        """The gates (each as it stands in `Release`) that conversations wait at."""

    async def gates(self) -> tuple[GateRow, ...]: ...

    async def put_gate(self, row: GateRow) -> None: ...

    async def put_timer(self, timer: Timer) -> None: ...

    async def due_timers(self, now: float, most: int) -> tuple[Timer, ...]: ...

    async def timers(self, conversation: str) -> tuple[Timer, ...]:
        """Those of one conversation, earliest first."""

    async def drop_timer(self, key: str) -> bool:
        """False if there is none."""

    async def fire(self, timer: Timer, next_at: float | None) -> Accepted | None:
        """One transaction: ingest the occurrence, advance the timer or delete it. None if it had fired or moved meanwhile."""

    async def tool_lists(self) -> tuple[ToolList, ...]: ...

    async def put_tool_list(self, tool_list: ToolList) -> None: ...

    async def cursor(self, account: str) -> Cursor | None: ...

    async def conversations(self, most: int, before: ConversationRow | None = None) -> tuple[ConversationRow, ...]:
        """The most recently changed first; `before` is the last one of the page before."""

    async def conversation(self, key: str) -> ConversationRow | None: ...

    async def search(self, text: str, most: int) -> tuple[Found, ...]:
        """The conversations whose title, messages or answers contain `text`, upper or lower case, the most recently changed first.

        It takes a bounded time, and then gives what it has found so far; nobody else waits for it.
        """

    async def used(self, since: float, before: float = inf) -> tuple[Used, ...]:
        """What was asked of each route since then, and before that, by whom. A scan; nobody else waits for it."""

    async def owing(self, most: int) -> tuple[ConversationRow, ...]:
        """The conversations in which something is owed that is not done, the longest first."""

    async def counts(self, now: float, accounts: Sequence[str] | None = None) -> Counts:
        """How those stand in which something is owed. Of others than these accounts (None: all that there are) nobody works on any: all of theirs wait."""

    async def room(self) -> Room: ...

    async def people(self) -> tuple[Person, ...]: ...

    async def put_person(self, person: Person) -> None: ...

    async def drop_person(self, account: str, id: str) -> bool:  # noqa: A002 the platform's word
        """False if there is none."""

    async def unread(self, most: int) -> tuple[tuple[str, float, str], ...]:
        """What could not be read: account, when, and what came, the newest first. The newest `UNREAD_MAX` are kept."""

    async def held(self) -> tuple[Held, ...]:
        """For each account for which something is held back, by name."""

    async def disown(self, now: float, most: int) -> int:
        """At start, in batches: conversations of owners that claimed nothing through this journal become due. Returns how many this batch did."""

    async def hasten(self, now: float) -> None:
        """At start, and when the clock was set: every conversation that waits for an instant becomes due now."""

    async def forgive(self, owner: str) -> None:
        """At an orderly stop: no attempt is counted against the conversations that `owner` still has."""

    async def lives(self, most: int) -> tuple[Life, ...]:
        """This gateway's lives, the newest first."""

    async def put_life(self, life: Life) -> None:
        """Keep it, by when it began. The newest `LIVES_MAX` are kept."""

    async def wait_failed(self) -> JournalFailed:
        """Return when the journal can commit no more, with the reason to raise: the process has to end."""

    async def close(self) -> None:
        """Commit what was asked for, and give the data folder back."""


# --- files --------------------------------------------------------------------------------------------------------------------------


class Files(Protocol):
    """What came with messages: bytes under their sha256."""

    async def put(self, chunks: AsyncIterator[bytes]) -> str:
        """Keep the bytes; durable when it returns their sha256. Raises `Request` if they are too many."""

    async def read(self, sha256: str) -> bytes:
        """The bytes. Raises `Request` if they are not here."""

    async def head(self, sha256: str) -> bytes:
        """The first `core.files.HEAD_BYTES` of them. Raises `Request` if they are not here."""


# --- copies, and space ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made: of the instant `at`, with so much in it. `damaged`: names of files whose bytes are not what was put there."""

    file: str
    at: float
    conversations: int
    files: int
    size: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgot:
    """What was erased: entries, and files that nobody else has. `copies`: what was made before, and has it still. `rewritten`: not even scraps are left in
    unused corners of the journal."""

    entries: int
    files: int
    copies: tuple[str, ...]
    rewritten: bool


@dataclass(frozen=True, slots=True)
class Freed:
    """The bytes that the journal took before and takes now; `unused`: of these nothing is in so many, and they could not be given back."""

    before: int
    after: int
    unused: int


class Keeper(Protocol):
    """Whoever looks after journal and files as such. One thing at a time; none of it holds a conversation up."""

    async def back_up(self, file: Path) -> Backup:
        """Make a backup there, of now. There is nothing of that name before it is whole and durable. Raises `Request` if something is, `Temporary` if it
        can't be made."""

    async def drop_files(self, before: float) -> int:
        """Drop the bytes of files that came before then, unless they were spoken of since, or a turn that is open may need them; whoever asks for them is told.
        Returns how many."""

    async def vacuum(self) -> Freed:
        """Give room back that nothing is in any more."""

    async def forget(self, conversation: str) -> Forgot:
        """End what is done in it, and erase it. Raises `Request` if there is none."""


# --- platforms ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One part of something outgoing.

    `key`: what the platform knows it by, or we do when we look for it ("" where neither can be). `edit`: the text is to be put into the message
    of ours with this id. `question` with `options`: it asks, and the choice of a button is a `Chose` of that question. `replies_to`: the platform's id of
    the message that it answers, in a group.
    """

    text: str
    key: str = ""
    edit: str = ""
    files: tuple[Produced, ...] = ()
    question: int = 0
    options: tuple[str, ...] = ()
    replies_to: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a platform said to a send or an edit.

    `retry`: certainly not sent, to be tried again; `unknown`: it may have been sent; `refused`: this part, for its own sake; `gone`: the message
    to be edited is not there; `blocked`: this chat takes nothing from us. `account`: it is no matter of this chat; the whole account is away for a while, or `stopped`: only a person can mend it. `moved`: the chat
    has this id now (and what was to be sent was sent there).
    """

    refusal: Literal["", "retry", "unknown", "refused", "gone", "blocked"] = ""
    id: str = ""
    why: str = ""
    retry_after_s: float | None = None
    account: Literal["", "away", "stopped"] = ""
    moved: str = ""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a platform can promise, as data.

    `limit`: how long a part may be. `key_holds_s`: how long it recognises our key (0: takes none; infinity: for ever). `history`: what we sent can be looked
    up. `edits`: a message of ours can get another text. `asks`: there is somebody at the other end who can be asked. `silence_s_max`: after so long without
    `Inbox.alive` the connection is deaf, and replaced. `sends_at_once_max`: so many sends of one account may be under way. `typing_s`: how long the sign that
    something is on its way stays (0: there is none). `missed_s`: what people write while we are away is received later, if we are back within so long.
    `corrections`: what people change in a message of theirs, or take back, reaches us. `buttons`: the options of a question can be pressed.
    `forgets`: what it has handed to us it may not hand over again; what a process had not yet on disk when it died, a matter of milliseconds, is lost then.
    """

    limit: Limit = field(default_factory=Limit)
    key_holds_s: float = 0.0
    history: bool = False
    edits: bool = False
    asks: bool = True
    silence_s_max: float = 90.0
    sends_at_once_max: int = 8
    typing_s: float = 0.0
    missed_s: float = inf
    forgets: bool = False
    corrections: bool = True
    buttons: bool = True

    @property
    def keyed(self) -> bool:
        """What is sent has our key: the platform knows it again, or we find it."""
        return self.key_holds_s > 0 or self.history


class Inbox(Protocol):
    """Where an account puts what it receives. It owns what adapters must not: access, the journal, the cursor, the time-outs."""

    async def begin(self, identity: str) -> str:
        """The account is connected, and this is its platform's own name of it. Returns its cursor ("": never received). Raises `Config` if the account was
        another one so far."""

    async def chats(self) -> Sequence[Place]:
        """Where this account has conversations, the most recently changed first: for platforms that don't list all chats that somebody may have written to."""

    def alive(self) -> None:
        """The platform was heard: traffic, an empty poll, the answer to a ping."""

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        """Make these durable, in this order, and move the cursor with them. Only when it returns may anything be acknowledged. What nobody may say is dropped.

        Returns those that were kept, and had not been before: an adapter may show their authors that they were seen.
        """

    async def keep(self, incoming: Incoming) -> Accepted | None:
        """As `take` of this one alone, for platforms that tell their caller where it is now. None: its author may not say it, and nothing was kept."""

    async def read(self, place: Place, after: int, most: int) -> Sequence[Entry]:
        """The first `most` entries after the seq `after` of the conversation at this place: for platforms whose people ask us what was said."""


class Platform(Protocol):
    """One account of one chat system. It holds no retry, no queue and no state that must survive: whatever fails is said, and the runtime comes again."""

    account: str
    traits: Traits

    async def run(self, inbox: Inbox) -> None:
        """Connect, say `inbox.begin`, and receive until cancelled. Raises `Temporary`, or `Config` where only a person can help (a revoked token, another
        poller): as soon as any request, be it a send, has shown it."""

    async def send(self, place: Place, message: Message) -> Receipt:
        """Send a part, or put it into the message that it edits. Never raises for what the platform does; bounded in time."""

    async def find(self, place: Place, message: Message, since: float) -> str | None:
        """Look in the chat's history for a part that may have been sent at `since` or later: its id, or None if it is not there. Raises `Temporary`."""

    async def fetch(self, attachment: Attachment) -> str:
        """Get an attachment's bytes into a file and return its sha256. Raises `Temporary`, or `Request` if it can't be had."""

    def pace_s(self, place: Place) -> float | None:
        """How often an answer that is being written may be shown there, by edits of one message; None: not at all."""

    async def typing(self, place: Place) -> None:
        """Show that an answer is on its way, for some seconds. Decoration: bounded in time, never raises."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """The answer `name` reads `text` so far. Decoration: never blocks, may be lost. (The page's; chats have `pace_s`.)"""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """So far has the call come that has this id: a few words on one line. Decoration, as above."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Hook(Protocol):
    """What platforms call that bring their events to us. It is reached under /hooks/KIND/ACCOUNT of the listener for webhooks, if it `is_called`."""

    is_called: bool

    async def hook(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> HookReply:
        """Check that the platform sent this, and take it. `headers` have lower-case names. What is answered with success is durable."""


@dataclass(frozen=True, slots=True)
class HookReply:
    """What is answered to a platform's call."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One step of signing in.

    `says`: what to tell the person. `picture`: the text that the picture holds which they scan ("": there is none to scan now). `asks`: something is wanted that they read
    off elsewhere, such as a number on their phone; `SignsIn.answer` takes it. `done`: the account is signed in, by this `person` (the platform's id).
    """

    says: str
    picture: str = ""
    asks: bool = False
    done: bool = False
    person: str = ""


@runtime_checkable
class SignsIn(Protocol):
    """A platform whose account is nobody's to configure: a person signs it in, with their phone in their hand. Until then `Platform.run` raises `Config`."""

    def sign_in(self) -> AsyncGenerator[SignIn, None]:
        """The steps, until it is done: then `run` goes on as who signed in. Ends what was begun before. Raises `Request` or `Temporary` if nothing comes of it."""

    def answer(self, said: str) -> None:
        """What the step now `asks` for. Raises `Request` if none does."""


# --- models -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: the terminal marker came, every call's arguments were parsed, and it is not empty."""

    text: str
    calls: tuple[tuple[str, str], ...] = ()
    """(tool, arguments): the arguments are the text of a JSON object."""
    usage: Usage = Usage()
    provider_data: str = ""


@dataclass(frozen=True, slots=True)
class RawFailure:
    """What went wrong, unclassified, as far as it could be kept (PROVIDERS.md section 2). `body` is at most 64 kB."""

    why: str
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    transport: Literal["", "reset", "eof-clean"] = ""
    exception: str = ""


class ModelFailed(Exception):
    """The call gave no complete answer. Partial text is to be discarded."""

    def __init__(self, failure: RawFailure) -> None:
        super().__init__(failure.why)
        self.failure = failure


class Model(Protocol):
    """One route: one configured way to a model."""

    async def call(self, request: Request, on_event: Callable[[str], None]) -> Answer:
        """Make one call. `on_event` gets the visible text so far, at the first event ("" if it carries none) and whenever it grows.

        Raises `ModelFailed`. Being cancelled closes the connection. Never retries.
        """

    async def warm(self) -> None:
        """Import what the first call needs, in a thread."""

    async def close(self) -> None: ...


# --- tools --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """A file that a tool made."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """How a call ended. `unknown`: it was written to the server, and no answer came. The text may be long: whoever shows it to a model cuts it."""

    outcome: Literal["ok", "error", "unknown"]
    text: str
    files: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolServerState:
    """One server at a glance."""

    name: str
    state: Literal["starting", "ready", "down", "misconfigured"]
    since: float
    why: str = ""
    restarts: int = 0
    pid: int | None = None
    tools: int = 0
    left_out: int = 0
    """So many of them are shown to no model, since there are too many."""
    memory_bytes: int | None = None
    """Of its processes, all together, where there are any here."""
    next_try: float = 0.0
    """When it is started again (0: it is not waited for)."""


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """One tool at a glance: `name` is how models know it, `own_name` how its server and the configuration do; `about` begins its description.

    `left_out`: no model is shown it, since there are too many.
    """

    name: str
    own_name: str
    about: str
    policy: Literal["allow", "ask", "deny"]
    repeatable: bool
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """One tool server, and its tools as they were last seen."""

    server: ToolServerState
    tools: tuple[OfferedTool, ...]


class Caller(Protocol):
    """Whoever makes a call, as the tool sees it while it runs."""

    conversation: str
    account: str
    address: str
    author: str
    """The person for whom it is made."""

    def progress(self, text: str) -> None:
        """How far it has come. Decoration: never blocks, may be lost."""

    async def ask(self, text: str, options: tuple[str, ...], *, free: bool = False) -> str | None:
        """Ask the person: one of the options, or with `free` any words; None if nobody answers. The question is durable; its asking ends with the call."""

    async def sample(self, request: Request) -> Answer:
        """Ask the model, through the same gates as everybody. Raises `Temporary` if no route answers now."""


class Nobody:
    """A `Caller` behind which there is no person and no model."""

    conversation = account = address = author = ""

    def progress(self, text: str) -> None:
        """Nobody looks."""

    async def ask(self, text: str, options: tuple[str, ...], *, free: bool = False) -> str | None:  # noqa: ARG002 nobody is asked
        return None

    async def sample(self, request: Request) -> Answer:  # noqa: ARG002 nobody is asked
        raise Temporary("There is no model here that could be asked.")


NOBODY: Final = Nobody()


class ToolHost(Protocol):
    """All tool servers of the gateway."""

    async def ready(self) -> None:
        """Return when the tools of every server are known, live or from the journal; a server never seen is waited for as long as its connect time-out."""

    def tools(self) -> tuple[Tool, ...]: ...

    def servers(self) -> tuple[ToolServerState, ...]: ...

    def offers(self) -> tuple[Offer, ...]:
        """The servers with all their tools, also with those that no model is shown."""

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        """Make the call. Never raises for what a server does; being cancelled tells the server, and returns at once."""


# --- what page and command line may ask -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nobody works on a conversation, whatever it waits for: its account is not configured, the gateway is in safe mode, tries one conversation after the
    other there, or is stopped. `until`: when that is tried, or over, by itself (0: it is not)."""

    why: Literal["no account", "safe mode", "trying", "stopped"]
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands: its row, the weather at the gates that it waits at, and what holds it whatever the weather is."""

    row: ConversationRow
    gates: tuple[GateRow, ...] = ()
    held: Hold | None = None


@dataclass(frozen=True, slots=True)
class RouteState:
    """One route at a glance. `used` and `cost` are today's, in the owner's time zone; `chains`: where it is used."""

    name: str
    model: str
    gate: GateRow
    state: Literal["never tried", "open", "closed", "to be tried"]
    under_way: int
    places: int
    chains: tuple[str, ...]
    used: Used
    cost: float


@dataclass(frozen=True, slots=True)
class PlatformState:
    """One account at a glance. `name` is `kind:account`, `identity` the platform's own name of it ("": not known yet).

    `waiting`: it is not connected now, or can't send, and goes on by itself at `next_try`; `stopped`: only a person can mend it. `why` says so. Of this life
    of the gateway: when the platform was heard last, when the cursor last moved (0: not yet), and how many messages came. `reconnects` counts the tries.
    `unsaid` conversations wait to say something there; `unread` updates could not be read; owners let `let_in` people in.
    """

    kind: str
    name: str
    state: Literal["connecting", "connected", "waiting", "stopped"]
    since: float
    identity: str = ""
    why: str = ""
    next_try: float = 0.0
    heard_at: float = 0.0
    reconnects: int = 0
    moved_at: float = 0.0
    received: int = 0
    unsaid: int = 0
    unread: int = 0
    let_in: int = 0
    signs_in: bool = False
    """A person signs it in: `Gateway.sign_in`."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may talk on one account: `owners`, `allow` and `groups` by the configuration, and of `people` those whom an owner, or a name on a list, let in.
    Those without `since` wait for it. `pairing`: strangers are told a code."""

    account: str
    owners: tuple[str, ...]
    allow: tuple[str, ...]
    groups: tuple[str, ...]
    pairing: bool
    people: tuple[Person, ...]


class Gateway(Protocol):
    """The running gateway, as its doors see it."""

    files: Files

    async def accept(self, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:
        """Make these durable and wake their conversations. Only when it returns may anything be acknowledged."""

    async def read(self, conversation: str, after: int = 0, most: int = ALL) -> Snapshot: ...

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        """The last `most` entries with `seq < before`, in order."""

    async def adopt(self, conversation: str, account: str, address: str, entries: Sequence[Entry]) -> bool:
        """See `Journal.adopt`."""

    def follow(self, conversation: str, after: int) -> AsyncIterator[Entry | Standing]:
        """The conversation's entries after `after`, in order and without a gap, until the reader leaves; and how it stands, whenever that has changed."""

    def changes(self) -> AsyncIterator[None]:
        """Something about some conversation has changed."""

    async def conversations(self, most: int, before: ConversationRow | None = None) -> tuple[Standing, ...]:
        """The most recently changed first; `before` is the last one of the page before."""

    async def search(self, text: str, most: int) -> tuple[tuple[Standing, str], ...]:
        """Those in which this is said, the most recently changed first, each with the words around it."""

    async def owing(self, most: int) -> tuple[Standing, ...]:
        """Those in which something is owed that is not done, the longest first."""

    async def used(self, since: float, before: float) -> tuple[Used, ...]:
        """See `Journal.used`."""

    async def status(self) -> Mapping[str, Any]: ...

    async def compared(self) -> tuple[str, ...]:
        """What is other in the configuration as it stands now, a line each. Raises `Config` if a gateway could not start with it. Changes nothing."""

    async def differences(self) -> tuple[str, ...]:
        """The same for whoever orders that it be taken: a bad one has been refused, and the old one goes on."""

    def start_again(self) -> None:
        """End in order and start again in place, with the configuration as it stands now."""

    def leave_safe_mode(self) -> bool:
        """See whether turns can be run now. False if it is not in safe mode."""

    async def routes(self) -> tuple[RouteState, ...]: ...

    async def why(self, conversation: str) -> str:
        """What this conversation does, waits for or asks, in a sentence or two. Raises `Request` if there is none of that key."""

    async def retry(self, gate: str) -> bool:
        """Open a route's or an account's gate now. False if there is none of that name."""

    async def tool_servers(self) -> tuple[Offer, ...]: ...

    async def retry_tools(self, server: str) -> bool:
        """Start a tool server that is down or misconfigured now. False if there is none of that name."""

    async def platforms(self) -> tuple[PlatformState, ...]: ...

    async def retry_platform(self, name: str) -> bool:
        """Connect an account that waits or is stopped now, and let what it has to say try. False if there is none of that name."""

    def sign_in(self, account: str) -> AsyncGenerator[SignIn, None]:
        """The steps of signing in to an account, and before the last one: whoever did may talk there, and it is connected. Raises as `SignsIn.sign_in`."""

    async def answer_sign_in(self, account: str, said: str) -> None:
        """See `SignsIn.answer`."""

    async def people(self) -> tuple[Access, ...]:
        """Who may talk, and who wants to, for each account."""

    async def approve(self, code: str) -> Person:
        """Let in whoever was told this code. Again is harmless. Raises `Request` if nobody was."""

    async def remove(self, account: str, person: str) -> None:
        """End somebody's access, at once. Raises `Request` if it can't be ended here."""
