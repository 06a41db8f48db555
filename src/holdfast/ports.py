"""The seams: what the runtime asks of the world, and what page and command line ask of the runtime.

Every implementation of a port passes the same contract suite (`holdfast.testing.contracts`). Times are Unix seconds unless a name says `_s`
(a duration in seconds). The file is over 400 lines because the seams are one thing: half of it is docstrings.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

from holdfast.core.entries import Attachment, Call, Entry, Fact, Intention, Outside, Produced, Question, Usage
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

    `conversation` is its key for ever; `address` is where the platform sends to, of one conversation alone within its account; `dedupe` names the
    platform's event: account, chat, message id, kind and version; `at` is when it was received, by our clock.
    """

    conversation: str
    account: str
    address: str
    dedupe: str
    body: Outside
    at: float


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an account has been received. `identity` is the platform's own name of the account: another one is a configuration error."""

    account: str
    identity: str
    value: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An arrival is durable: as entry `seq`; `new` is false if it had been before."""

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


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation in which something was found: the newest entry that says it (0: its title does), and the words around it."""

    row: ConversationRow
    seq: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class Used:
    """What came from one route in some time: answers, and the tokens read and written for them as far as they were counted."""

    route: str
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


ALL: Final = 2**62
"""More entries than there are; a seq after every other."""


class Journal(Protocol):
    """The store of transcripts. Every method that changes something returns only after it is durable.

    Raises `JournalFailed` (or `JournalFull`) if it can't commit; after that every call does, and the process has to end.
    """

    async def ingest(self, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:
        """One transaction: append what is new, wake those conversations, move the cursor.

        Raises `Config` if the cursor's identity is another, `Request` if an address is another conversation's; then nothing is kept.
        """

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

    async def used(self, since: float) -> tuple[Used, ...]:
        """What was asked of each route since then. A scan; nobody else waits for it."""

    async def disown(self, now: float, most: int) -> int:
        """At start, in batches: conversations of owners that claimed nothing through this journal become due. Returns how many this batch did."""

    async def hasten(self, now: float) -> None:
        """At start, and when the clock was set: every conversation that waits for an instant becomes due now."""

    async def forgive(self, owner: str) -> None:
        """At an orderly stop: no attempt is counted against the conversations that `owner` still has."""

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


# --- platforms ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a platform said to a send or an edit."""

    refusal: Literal["", "retry", "unknown", "refused", "blocked"] = ""
    id: str = ""
    why: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """What a platform can promise, as data. `key_holds_s`: how long it recognises our key (0: takes none; infinity: for ever)."""

    limit: Limit = field(default_factory=Limit)
    key_holds_s: float = 0.0
    history: bool = False
    edits: bool = False
    asks: bool = True
    """There is somebody at the other end who can be asked."""


class Platform(Protocol):
    """One account of one chat system. It holds no retry, no queue and no state that must survive."""

    account: str
    traits: Traits

    async def run(self, ready: Callable[[], None]) -> None:
        """Receive until cancelled, calling `ready` when connected. Raises `Temporary` or `Config`."""

    async def send(self, address: str, text: str, key: str, edit: str = "", files: Sequence[Produced] = ()) -> Receipt:
        """Send a part (under `key`, where the platform takes one) with these files, or put its text into the message with id `edit`."""

    async def find(self, address: str, text: str, key: str) -> str | None:
        """Look in the chat's history for a part that may have been sent: its id, or None if it is not there. Raises `Temporary`."""

    async def fetch(self, attachment: Attachment) -> str:
        """Get an attachment's bytes into a file and return its sha256. Raises `Temporary`, or `Request` if it can't be had."""

    def show(self, conversation: str, name: str, text: str) -> None:
        """The answer `name` reads `text` so far. Decoration: never blocks, may be lost."""

    def progress(self, conversation: str, call: str, text: str) -> None:
        """So far has the call come that has this id: a few words on one line. Decoration, as above."""


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
class Standing:
    """How a conversation stands: its row, and the weather at the gates that it waits at."""

    row: ConversationRow
    gates: tuple[GateRow, ...] = ()


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


class Gateway(Protocol):
    """The running gateway, as its doors see it."""

    files: Files

    async def accept(self, arrivals: Sequence[Arrival], cursor: Cursor | None = None) -> tuple[Accepted, ...]:
        """Make these durable and wake their conversations. Only when it returns may anything be acknowledged."""

    async def read(self, conversation: str, after: int = 0, most: int = ALL) -> Snapshot: ...

    async def page(self, conversation: str, before: int, most: int) -> tuple[Entry, ...]:
        """The last `most` entries with `seq < before`, in order."""

    def follow(self, conversation: str, after: int) -> AsyncIterator[Entry | Standing]:
        """The conversation's entries after `after`, in order and without a gap, until the reader leaves; and how it stands, whenever that has changed."""

    def changes(self) -> AsyncIterator[None]:
        """Something about some conversation has changed."""

    async def conversations(self, most: int) -> tuple[Standing, ...]:
        """The most recently changed first."""

    async def search(self, text: str, most: int) -> tuple[Found, ...]: ...

    async def status(self) -> Mapping[str, Any]: ...

    async def routes(self) -> tuple[RouteState, ...]: ...

    async def why(self, conversation: str) -> str:
        """What this conversation does, waits for or asks, in a sentence or two. Raises `Request` if there is none of that key."""

    async def retry(self, gate: str) -> bool:
        """Open a route's or an account's gate now. False if there is none of that name."""

    async def tool_servers(self) -> tuple[Offer, ...]: ...

    async def retry_tools(self, server: str) -> bool:
        """Start a tool server that is down or misconfigured now. False if there is none of that name."""
