"""Steps: single acts that a transcript may owe, and the decision that names them.

A step is what it names: fields with `compare=False` say how it is to be done, and do not make it another step. Two steps with one `subject` touch
the same thing and never run side by side. `first` is the intention, committed before the step starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.core.entries import Attachment, Call, DeliveryStarted, Intention, Produced, ToolStarted, answer_name


class _Act:
    """A step that has nothing to commit before it starts, unless it says otherwise."""

    __slots__ = ()

    @property
    def first(self) -> tuple[Intention, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class CallModel(_Act):
    """Ask the model for the answer after the `n`-th."""

    n: int
    overtaken: int
    seen: int = field(compare=False)
    after_cut: int = field(compare=False, default=0)
    route: str = field(compare=False, default="")
    chain: str = field(compare=False, default="")
    tools: bool = field(compare=False, default=True)

    @property
    def subject(self) -> tuple[str, ...]:
        return ("model",)

    @property
    def name(self) -> str:
        return answer_name(self.n + 1, self.after_cut)


@dataclass(frozen=True, slots=True)
class CallTool(_Act):
    """Make a call. Its intention freezes whether it may be made again; `also` is what its start makes true."""

    id: str
    call: Call = field(compare=False)
    repeatable: bool = field(compare=False)
    also: tuple[Intention, ...] = field(compare=False, default=())

    @property
    def subject(self) -> tuple[str, ...]:
        return ("call", self.id)

    @property
    def first(self) -> tuple[Intention, ...]:
        return (*self.also, ToolStarted(call=self.id, repeatable=self.repeatable))


@dataclass(frozen=True, slots=True)
class Deliver(_Act):
    """Send a part, or put its text into the message `edit`. With `id_only` its key may have carried a preview: the receipt is only its id. `question`,
    `options` and `replies_to`: see `ports.Message`."""

    of: str
    part: int
    text: str = field(compare=False)
    key: str = field(compare=False)
    cuts: tuple[int, ...] = field(compare=False, default=())
    edit: str = field(compare=False, default="")
    id_only: bool = field(compare=False, default=False)
    files: tuple[Produced, ...] = field(compare=False, default=())
    question: int = field(compare=False, default=0)
    options: tuple[str, ...] = field(compare=False, default=())
    replies_to: str = field(compare=False, default="")

    @property
    def subject(self) -> tuple[str, ...]:
        return ("part", self.of, str(self.part))

    @property
    def first(self) -> tuple[Intention, ...]:
        return (DeliveryStarted(of=self.of, part=self.part, key=self.key, cuts=self.cuts),)


@dataclass(frozen=True, slots=True)
class LookUp(_Act):
    """Look in the chat's history whether a part in doubt, first sent at `since`, arrived. With `id_only` what is found may be a preview. `replies_to`: what
    it was sent as a reply to, which may say where."""

    of: str
    part: int
    text: str = field(compare=False)
    key: str = field(compare=False)
    since: float = field(compare=False)
    id_only: bool = field(compare=False, default=False)
    replies_to: str = field(compare=False, default="")

    @property
    def subject(self) -> tuple[str, ...]:
        return ("part", self.of, str(self.part))


@dataclass(frozen=True, slots=True)
class Finish(_Act):
    """Put "stopped" into a preview that no text will follow."""

    of: str
    edit: str = field(compare=False)
    key: str = field(compare=False)

    @property
    def subject(self) -> tuple[str, ...]:
        return ("part", self.of, "0")


@dataclass(frozen=True, slots=True)
class Fetch(_Act):
    """Get an attachment's bytes."""

    id: str
    attachment: Attachment = field(compare=False)

    @property
    def subject(self) -> tuple[str, ...]:
        return ("attachment", self.id)


@dataclass(frozen=True, slots=True)
class Summarise(_Act):
    """Write the summary after the one at `after`, of everything up to the answer at `upto`."""

    after: int
    upto: int = field(compare=False)
    route: str = field(compare=False, default="")

    @property
    def subject(self) -> tuple[str, ...]:
        return ("summary",)


@dataclass(frozen=True, slots=True)
class Write:
    """Nothing but entries to append: a reply, a closed call, a question, a turn set aside."""

    row: str
    about: str
    first: tuple[Intention, ...] = field(compare=False)

    @property
    def subject(self) -> tuple[str, ...]:
        return ("call", self.about) if self.row.startswith("K") else ("write", self.row, self.about)


Step = CallModel | CallTool | Deliver | LookUp | Finish | Fetch | Summarise | Write


@dataclass(slots=True)
class Decision:
    """What should be in flight, what may stay in flight, and what is waited for."""

    wanted: list[Step] = field(default_factory=list)
    held: list[Step] = field(default_factory=list)
    due: float | None = None
    turn_gate: str = ""
    speech_gate: str = ""

    def wait_at(self, gates: str) -> None:
        """A turn, or its housekeeping, goes on when any of these admits."""
        self.turn_gate = " ".join(sorted({*self.turn_gate.split(), *gates.split()}))

    def wait_until(self, instant: float) -> None:
        self.due = instant if self.due is None else min(self.due, instant)
