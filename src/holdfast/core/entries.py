"""Entries: the immutable facts a transcript is made of.

An entry is a header (`seq`, `at`, `epoch`) and a body. Bodies come from three hands:

- *from outside*: people, through ingress, without a lease;
- *facts*: what happened, appended by the worker whenever its lease holds;
- *intentions*: what is about to happen, appended only if nothing arrived since the transcript was read.

On disk a body is JSON whose `kind` ends in a format version (`user/1`). A changed body gets a new class with the next version; the old class
stays readable for ever.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

import msgspec


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What all bodies share: immutable, named fields, JSON that leaves defaults out."""


# --- from outside -------------------------------------------------------------------------------------------------------------------


class Attachment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that came with a message. `id` is ours and unique in the conversation; `source` is what the platform fetches it by."""

    id: str
    name: str
    media_type: str = ""
    source: str = ""


class UserMessage(Body, frozen=True, tag="user/1"):
    """Somebody wrote. `id` is the platform's own id of the message, `author` the platform's id of the person.

    `scheduled`: the time for it had come; nobody sits there and waits. `name`: what the author is called, where others may write in the same
    conversation. `quote`: the message that this one replies to.
    """

    author: str
    id: str
    text: str
    attachments: tuple[Attachment, ...] = ()
    scheduled: bool = False
    name: str = ""
    quote: str = ""


class Correction(Body, frozen=True, tag="correction/1"):
    """A message was edited (`text`) or deleted (`text is None`). `of` is the platform's id of that message."""

    author: str
    id: str
    of: str
    text: str | None = None


class Command(Body, frozen=True, tag="command/1"):
    """Somebody gave an order, such as `/stop`. `name` is without the slash."""

    author: str
    id: str
    name: str
    args: str = ""


class Choice(Body, frozen=True, tag="choice/1"):
    """Somebody answered a question. `question` is the question's seq."""

    author: str
    id: str
    question: int
    option: str


class Note(Body, frozen=True, tag="note/1"):
    """The gateway tells its owner something that only an owner can mend. Nobody wrote it and nothing is owed for it but its delivery."""

    text: str


# --- facts --------------------------------------------------------------------------------------------------------------------------


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One tool call of an answer. `id` is ours (providers' ids repeat or are missing); `arguments` is the text of a JSON object."""

    id: str
    tool: str
    arguments: str


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class AssistantMessage(Body, frozen=True, tag="answer/1"):
    """The model answered: the `n`-th answer of the conversation, having been shown everything from outside up to `seen`.

    `after_cut` is the cut that lay between the previous answer and this call (0: none); with `n` it makes the answer's name.
    `author` is the person for whom it was made. `chain` and `ways` are what had been chosen by then ("": nothing); `took_s` is how long the call took. `provider_data` is opaque: only the model adapter that wrote it reads it.
    """

    n: int
    seen: int
    text: str = ""
    calls: tuple[Call, ...] = ()
    after_cut: int = 0
    route: str = ""
    author: str = ""
    chain: str = ""
    ways: tuple[str, ...] = ()
    usage: Usage = Usage()
    took_s: float = 0.0
    provider_data: str = ""

    @property
    def name(self) -> str:
        return answer_name(self.n, self.after_cut)


Outcome = Literal["ok", "error", "declined", "unknown"]


class Produced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of `size` bytes that a tool made, kept under its sha256. `whole`: it is the whole text of a result that was too long to be shown, and is not
    sent."""

    sha256: str
    name: str
    media_type: str = ""
    size: int = 0
    whole: bool = False


class Sampled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tool asked the model in the middle of its call: which route answered, and what that took."""

    route: str
    usage: Usage = Usage()


class ToolResult(Body, frozen=True, tag="result/1"):
    """How a call ended, after `took_s`. `error` is the tool's own error; `declined`: it never ran; `unknown`: it may or may not have happened."""

    call: str
    outcome: Outcome
    text: str = ""
    took_s: float = 0.0
    files: tuple[Produced, ...] = ()
    sampled: tuple[Sampled, ...] = ()


class Delivered(Body, frozen=True, tag="delivered/1"):
    """The platform has part `part` of the outgoing thing `of`, under its own `id`. `preview`: it may still hold a preview's text."""

    of: str
    part: int
    id: str = ""
    preview: bool = False


Refusal = Literal["retry", "unknown", "absent", "refused", "gone", "blocked", "dropped"]


class DeliveryFailed(Body, frozen=True, tag="delivery_failed/1"):
    """A send that did not succeed.

    `retry`: certainly not sent, to be tried again at `until`. `unknown`: it may have been sent. `absent`: it was looked for, and never
    arrived. `refused`: this part, for its own sake. `gone`: the message that was to be edited is not there any more: the text is to be sent anew. `blocked`: the chat takes nothing from us. `dropped`: given up under the account's policy or by choice.
    """

    of: str
    part: int
    refusal: Refusal
    why: str = ""
    until: float = 0.0


class Fetched(Body, frozen=True, tag="fetched/1"):
    """An attachment's bytes are in the file named by `sha256`; or, with `why`, they could not be had: for good, or until `until`."""

    attachment: str
    sha256: str = ""
    why: str = ""
    until: float = 0.0


class Failed(Body, frozen=True, tag="failed/1"):
    """A model call that failed because of *this* conversation (weather writes no entry). Tried again at `until`."""

    failure: str
    route: str
    why: str = ""
    until: float = 0.0


class Summary(Body, frozen=True, tag="summary/1"):
    """`text` stands for the answer with seq `upto`, its results, what it had seen and everything older. `allowed`: see `Notice`."""

    upto: int
    text: str
    allowed: tuple[str, ...] = ()


# --- intentions ---------------------------------------------------------------------------------------------------------------------


class ToolStarted(Body, frozen=True, tag="tool_started/1"):
    """The call is about to be made. `repeatable` is frozen here: if the process dies now, may it be made again?"""

    call: str
    repeatable: bool = False


class DeliveryStarted(Body, frozen=True, tag="delivery_started/1"):
    """Part `part` of `of` is about to be sent under `key` ("" where the platform takes none).

    `cuts` are the offsets at which the text is split into parts, frozen by the first final send. A `preview` is not yet the text.
    """

    of: str
    part: int
    key: str = ""
    cuts: tuple[int, ...] = ()
    preview: bool = False


QuestionKind = Literal["approval", "budget", "unknown", "poison", "send", "elicitation"]


class Question(Body, frozen=True, tag="question/1"):
    """The one way to ask a person.

    `about` names the call, the outgoing part or the turn; `to` is the person asked ("" is anyone). `overtakable`: that person's next message
    closes it. `expires` is an instant; passing it means the safe answer. `free`: any words are an answer, not the options alone.
    """

    question: QuestionKind
    about: str
    text: str
    options: tuple[str, ...]
    to: str = ""
    expires: float = 0.0
    overtakable: bool = False
    free: bool = False

    def takes(self, option: str) -> bool:
        return option in self.options or (self.free and bool(option))


class Notice(Body, frozen=True, tag="notice/1"):
    """The gateway's own words. `replies_to` a command, a choice, or a message that answers no question; or `about` an entry: a question that expired, an
    input that waits, a notice that says so.

    `stands`: another one takes its place when it is true no more (where the chat can edit); `since`: when began what it says. `edits`: this one takes the
    place of that.
    `chain`: from now on the conversation uses this one (`DEFAULT_CHAIN`: the one it would use by itself). `ways`: from now on these hold in it (`QUIET`,
    `busy=queue`), and no others. `offers`: /stop was offered to the message `offers`. `allowed`: the approvals that stand, as
    `approval_key` makes them: carried on in what hides the choices that gave them (a reply to `/new`, a summary), so that these need not be read for ever.
    """

    text: str
    replies_to: int = 0
    about: int = 0
    stands: bool = False
    since: float = 0.0
    edits: int = 0
    chain: str = ""
    ways: tuple[str, ...] | None = None
    offers: int = 0
    allowed: tuple[str, ...] = ()


class SetAside(Body, frozen=True, tag="set_aside/1"):
    """What is owed for entries up to `upto` is owed no more, and the model is not shown the turn that began at `since`.

    `crashed`: it killed the process again and again; then nothing of it is sent either. `refused`: the model would not answer it. `gone`: who asked for
    it may not talk here any more.
    """

    since: int
    upto: int
    why: Literal["crashed", "refused", "gone"]


# --- orders about the journal -------------------------------------------------------------------------------------------------------


class Forgotten(Body, frozen=True, tag="forgotten/1"):
    """Whoever runs this had everything that stood before erased, when this was written. It is the first entry, then. `n` answers had been given: names of
    answers and calls go on from there, so that none is used twice."""

    n: int


DEFAULT_CHAIN: Final = "default"
QUIET: Final = "quiet"
BUSY: Final = "busy="

Outside = UserMessage | Correction | Command | Choice | Note
Fact = AssistantMessage | ToolResult | Delivered | DeliveryFailed | Fetched | Failed | Summary
Intention = ToolStarted | DeliveryStarted | ToolResult | DeliveryFailed | Question | Notice | SetAside
AnyBody = Outside | Fact | Intention | Forgotten
Outgoing = AssistantMessage | Notice | Question | Note | ToolResult

OUTSIDE: Final = (UserMessage, Correction, Command, Choice)
"""What people did."""


class Entry(msgspec.Struct, frozen=True):
    """One immutable fact. `seq` orders (never `at`); `at` is Unix seconds; `epoch` is the lease that wrote it, 0 from outside."""

    seq: int
    at: float
    epoch: int
    body: AnyBody


_decoder: Final[msgspec.json.Decoder[AnyBody]] = msgspec.json.Decoder(AnyBody)
_encoder: Final = msgspec.json.Encoder()


def encode(body: AnyBody) -> str:
    """The body as JSON, as it stands on disk."""
    return _encoder.encode(body).decode()


def decode(text: str | bytes) -> AnyBody:
    """The body that `encode` wrote. Raises `msgspec.ValidationError` (a `ValueError`) for anything else."""
    return _decoder.decode(text)


def kind(body: AnyBody) -> str:
    """The body's kind with its format version, such as `user/1`."""
    return str(body.__struct_config__.tag)


def answer_name(n: int, after_cut: int) -> str:
    """The name under which the `n`-th answer is delivered: `a7`, or `a7.41` after a cut at 41 that no answer followed."""
    return f"a{n}.{after_cut}" if after_cut else f"a{n}"


def call_id(n: int, index: int) -> str:
    """Our id of the `index`-th call of the `n`-th answer: unique in the conversation, valid in every dialect."""
    return f"call_{n}_{index}"


def approval_key(author: str, call: Call) -> str:
    """What an approval is bound to: the person who gave it, the tool, and what it is called with, however that is spelled."""
    try:
        arguments = msgspec.json.encode(msgspec.json.decode(call.arguments), order="sorted")
    except (msgspec.DecodeError, RecursionError):
        arguments = call.arguments.encode(errors="surrogatepass")
    return sha256(b"\0".join((author.encode(), call.tool.encode(), arguments))).hexdigest()[:32]


_NOTICE: Final = "n"
_ENDS_AN_ATTEMPT: Final = (AssistantMessage, ToolResult, Fetched, Failed, Summary, SetAside)


def ends_an_attempt(body: AnyBody) -> bool:
    """A fact or a `SetAside`: after one of these a conversation's count of attempts starts anew (DESIGN.md section 6). That a notice was delivered is none: it
    says nothing of what the turn does to us."""
    if isinstance(body, Delivered | DeliveryFailed):
        return not body.of.startswith(_NOTICE)
    return isinstance(body, _ENDS_AN_ATTEMPT)


def outgoing_name(seq: int, body: Outgoing) -> str:
    """The name under which an outgoing entry is delivered; with the conversation and the part it makes the key."""
    match body:
        case AssistantMessage():
            return body.name
        case Question():
            return f"q{seq}"
        case Notice() | Note():
            return f"{_NOTICE}{seq}"
        case ToolResult():
            return f"r{seq}"
