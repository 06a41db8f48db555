"""What somebody did in a chat, as an adapter reads it off its platform's wire, and what it becomes: an entry from outside, with its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, Self, assert_never

from holdfast.core.commands import parse
from holdfast.core.entries import Attachment, Choice, Correction, Outside, UserMessage
from holdfast.core.text import well_formed

QUOTE_CHARS_MAX: Final = 2_000
"""Of a message that another one replies to, so much is kept."""

NAME_CHARS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation is, in its platform's own ids: a chat, and perhaps a thread of it. `person`: of a group in which each has a conversation of
    their own. Ids have no spaces."""

    chat: str
    thread: str = ""
    person: str = ""

    @property
    def address(self) -> str:
        """As it stands in the journal."""
        return f"{self.chat} {self.thread} {self.person}".rstrip()

    @classmethod
    def of(cls, address: str) -> Self:
        """The place that has this address."""
        chat, thread, person, *_ = (*address.split(" "), "", "")
        return cls(chat, thread, person)

    def conversation(self, account: str) -> str:
        """The key of the conversation that begins here. A person is never taken for a thread."""
        return f"{account}:{self.chat}:{self.thread}:{self.person}".rstrip(":")


@dataclass(frozen=True, slots=True)
class Wrote:
    """A message. `quote` is the text of the one that it replies to, with its author's name before it."""

    text: str
    attachments: tuple[Attachment, ...] = ()
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Edited:
    """The message has another text now. `version` tells this edit from others of the same message."""

    text: str
    version: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """The message is gone."""


@dataclass(frozen=True, slots=True)
class Chose:
    """A button of a question was pressed. The id of what happened is that of the press."""

    question: int
    option: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """Something that somebody did in a chat.

    `id` is the platform's id of the message, unique in its chat; an adapter may put into it whatever it needs to reply to it. `author` is the platform's id
    of the person, `name` what people call them, `handles` what else an owner may write into a list (`@ada`). `group`: others may be there. `to_us`: it
    mentions us, or replies to us; of what does not, in a group, nothing is kept.
    """

    place: Place
    id: str
    author: str
    did: Wrote | Edited | Deleted | Chose
    name: str = ""
    handles: tuple[str, ...] = ()
    group: bool = False
    to_us: bool = True


@dataclass(frozen=True, slots=True)
class Moved:
    """A chat has another id from now on."""

    chat: str
    to: str


@dataclass(frozen=True, slots=True)
class Unread:
    """An update that could not be read, as it came, and why. It is kept, and the owner is told."""

    raw: str
    why: str


Grouping = Literal["shared", "per_person", "per_thread"]
"""Who shares a conversation in a group: everybody, each with themselves alone, or those in a thread."""


def place_of(incoming: Incoming, grouping: Grouping) -> Place:
    """Where the conversation is in which this was done. In a direct chat threads are conversations of their own."""
    place = replace(incoming.place, person="")
    if not incoming.group:
        return place
    match grouping:
        case "shared":
            return replace(place, thread="")
        case "per_thread":
            return place
        case "per_person":
            return replace(place, thread="", person=incoming.author)
        case _:
            assert_never(grouping)


def dedupe(account: str, incoming: Incoming) -> str:
    """The name of the platform's event: of an edit with its version, and never one of a mere update."""
    match incoming.did:
        case Wrote():
            kind = "message"
        case Edited(version=version):
            kind = f"edit {version}"
        case Deleted():
            kind = "delete"
        case Chose():
            kind = "choice"
        case _:
            assert_never(incoming.did)
    return f"{account} {incoming.place.chat} {incoming.id} {kind}"


def body_of(incoming: Incoming) -> Outside:
    """The entry that it becomes."""
    author, id_ = incoming.author, incoming.id
    match incoming.did:
        case Wrote(text, attachments, quote):
            body = parse(well_formed(text), author, id_)
            if isinstance(body, UserMessage) or attachments:  # a command takes no files: then it is a message
                name = shown_name(incoming) if incoming.group else ""
                cut = well_formed(quote if len(quote) <= QUOTE_CHARS_MAX else quote[: QUOTE_CHARS_MAX - 1] + "…")
                said = body.text if isinstance(body, UserMessage) else well_formed(text)
                return UserMessage(author=author, id=id_, text=said, attachments=attachments, name=name, quote=cut)
            return body
        case Edited(text, version):
            return Correction(author=author, id=f"{id_}.{version}", of=id_, text=well_formed(text))
        case Deleted():
            return Correction(author=author, id=f"{id_}.deleted", of=id_)
        case Chose(question, option):
            return Choice(author=author, id=id_, question=question, option=option)
        case _:
            assert_never(incoming.did)


def shown_name(incoming: Incoming) -> str:
    """What a person is called, on one line and not too long; by their id if by nothing."""
    line = "".join(char for char in " ".join(incoming.name.split()) if char.isprintable())
    return well_formed(line[:NAME_CHARS_MAX]) or incoming.author
