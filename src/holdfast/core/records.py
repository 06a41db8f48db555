"""The records that the fold keeps: each immutable, and replaced when something happens to it."""

from __future__ import annotations

from typing import Literal

import msgspec

from holdfast.core.entries import Call, Entry, Produced, Question, Sampled


class OpenCall(msgspec.Struct, frozen=True):
    """A call without a result. `started` is the epoch of its newest start (0: none), `begun` that entry's seq; `asked` the seq of the question about it (0: none)."""

    call: Call
    n: int
    seen: int
    started: int = 0
    begun: int = 0
    repeatable: bool = False
    asked: int = 0


class Part(msgspec.Struct, frozen=True):
    """How far the sending of one part has come.

    `started` is the epoch of a final send without outcome (0: none). `sent`: a final send was begun at least once. `unknown`: the last one may
    have arrived. `doubted`: it once was in doubt. `previewed`: its key may have carried a preview. `id`: the platform's, once known. `anew`: so
    often it was gone when it was to be edited, and had to be sent under another key. `begun` is the seq of the newest `DeliveryStarted`.
    """

    key: str = ""
    first_at: float = 0.0
    previewed: bool = False
    id: str = ""
    sent: bool = False
    started: int = 0
    unknown: bool = False
    doubted: bool = False
    retry_at: float = 0.0
    settled: bool = False
    anew: int = 0
    begun: int = 0

    def in_doubt(self, epoch: int) -> bool:
        """A final send of an older epoch has no outcome. An edit is never in doubt: it can be made again."""
        return not self.id and (self.unknown or (self.started > 0 and self.started != epoch))


class Speech(msgspec.Struct, frozen=True):
    """An outgoing entry that is not settled. `cuts` is None until the first final send froze them; `seen` is None for what no cut touches. `question` is the seq
    of the one that it is (0: it is none). `replies_to` is the platform's id of the command that it replies to ("": it is no reply to one)."""

    seq: int
    name: str
    text: str
    seen: int | None
    n: int = 0
    cuts: tuple[int, ...] | None = None
    files: tuple[Produced, ...] = ()
    question: int = 0
    replies_to: str = ""


class Asked(msgspec.Struct, frozen=True):
    """A question and what became of it: `closed` says how, `by` which entry did it.

    `beside` is the first message that its person wrote while it was open and that does not close it (0: none); `told`: they know that it is no answer.
    """

    seq: int
    question: Question
    closed: Literal["", "choice", "message", "expiry"] = ""
    by: int = 0
    option: str = ""
    beside: int = 0
    told: bool = False


class Aside(msgspec.Struct, frozen=True):
    """A turn that was set aside: the entries from `since` up to `upto`."""

    since: int
    upto: int


class Kept(msgspec.Struct, frozen=True):
    """A file that came with the message `message`, once the entry `seq` said what became of it: its bytes, or `why` there are none."""

    message: int
    seq: int
    name: str
    media_type: str
    sha256: str = ""
    why: str = ""


class Closed(msgspec.Struct, frozen=True):
    """A call of the turn that has ended: its result's seq and outcome, what was called with what, what came of it, how long it took, and what it asked the
    model."""

    seq: int
    tool: str
    arguments: str
    outcome: str
    text: str
    took_s: float = 0.0
    sampled: tuple[Sampled, ...] = ()

    @property
    def same(self) -> tuple[str, str, str, str]:
        """Two that agree in this are the same call with the same result."""
        return self.tool, self.arguments, self.outcome, self.text


class Spoken(msgspec.Struct, frozen=True):
    """Something from outside that the model is shown as the user's words. `brings` are the messages that it brings back."""

    entry: Entry
    brings: tuple[int, ...] = ()
