"""Who may do what on an account: checked before anything is kept, and again whenever something is about to be done for somebody.

Nobody may talk unless a list says so, or an owner let them in. In a group whose id is on the list, those who mention us or reply to us may, too: as
guests, for whom nothing is done that would have to be asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal

from holdfast.core.entries import Command, Outside
from holdfast.core.incoming import Grouping, Incoming, Wrote

Role = Literal["owner", "user", "guest"]
Permission = Literal["allow", "ask", "deny"]

EVERYBODY: Final = "*"
GUESTS_MAY: Final = frozenset({"help", "status", "why", "usage", "stop", "choose", "approve", "deny"})
"""The commands of guests: what is everybody's in a conversation is not theirs to change."""
OWNERS_MAY: Final = frozenset({"pair"})
NOT_PERMITTED: Final = "not permitted"
"""The name of a command that its author may not give; the command itself is its argument."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner decided for one account. Ids and handles stand in the lists as people write them."""

    allow: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    pairing: bool = True
    grouping: Grouping = "shared"
    messages_per_minute: int = 0
    cost_per_day: float = inf
    tools: Mapping[str, Mapping[str, Permission]] | None = None
    """For "*", a role or a chat: by "*", a server or "server.tool"."""


OPEN: Final = Rules(allow=frozenset({EVERYBODY}), owners=frozenset({EVERYBODY}), groups=frozenset({EVERYBODY}))
"""Whoever gets there is the owner: the page and the terminal have a door of their own."""

LetIn = Mapping[str, str]
"""Those who were let in, by their ids: with the handle that a list must still have, or "" if an owner approved their code. And groups that have another id
now: with the one that a list must still have."""


def group_key(chat: str) -> str:
    """A group among those who were let in. No person's id has a space."""
    return f"group {chat}"


def listed_group(let_in: LetIn, chat: str) -> str:
    """The id under which an owner knows this chat: that which it had before it moved."""
    return let_in.get(group_key(chat), chat)


def role_of(rules: Rules, person: str, let_in: LetIn, *, chat: str, group: bool) -> Role | None:
    """What a person is here, now. None: they may not talk."""
    if group and not is_our_group(rules, let_in, chat):
        return None
    names = [person, *([handle] if (handle := let_in.get(person)) else [])]
    if _listed(rules.owners, names):
        return "owner"
    if _listed(rules.allow, names) or let_in.get(person) == "":
        return "user"
    return "guest" if group else None


def is_our_group(rules: Rules, let_in: LetIn, chat: str) -> bool:
    """Does a list name this group, by the id that it has or had?"""
    return _listed(rules.groups, [chat, listed_group(let_in, chat)])


def _listed(names: frozenset[str], wanted: Iterable[str]) -> bool:
    return EVERYBODY in names or any(name in names or name.casefold() in names for name in wanted)


def handle_of(rules: Rules, incoming: Incoming) -> str:
    """The handle by which a list names this person; "" if there is none."""
    named = (rules.owners | rules.allow) - {EVERYBODY}
    return next((handle for handle in incoming.handles if _listed(named, [handle])), "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`take` it, as done by somebody of this role; `drop` it; or `pair`: a stranger may be told a code."""

    what: Literal["take", "drop", "pair"]
    role: Role | None = None


def verdict(rules: Rules, incoming: Incoming, let_in: LetIn) -> Verdict:
    """What becomes of something that came in."""
    chat = incoming.place.chat
    if incoming.group and not is_our_group(rules, let_in, chat):
        return Verdict("drop")
    if incoming.group and not incoming.to_us and isinstance(incoming.did, Wrote):
        return Verdict("drop")
    role = role_of(rules, incoming.author, let_in, chat=chat, group=incoming.group)
    if role is not None:
        return Verdict("take", role)
    return Verdict("pair" if rules.pairing and isinstance(incoming.did, Wrote) else "drop")


def permitted(role: Role, body: Outside) -> Outside:
    """What a person of this role did; a command that they may not give becomes one that says so."""
    if not isinstance(body, Command):
        return body
    owners_only = body.name in OWNERS_MAY and role != "owner"
    if owners_only or (role == "guest" and body.name not in GUESTS_MAY):
        return Command(author=body.author, id=body.id, name=NOT_PERMITTED, args=body.name)
    return body


def permission(rules: Rules, chat: str, role: Role, server: str, tool: str, otherwise: Permission) -> Permission:
    """May this tool (by its server's own name of it) be called here for somebody of this role? The most particular word counts: that on the chat before that
    on the role, on the tool before that on the server. What would ask is denied to guests, unless a word on them says otherwise."""
    tables = rules.tools or {}
    for scope in (chat, role, EVERYBODY):
        words = tables.get(scope, {})
        for name in (f"{server}.{tool}", server, EVERYBODY):
            if name in words:
                return "deny" if words[name] == "ask" and role == "guest" and scope != "guest" else words[name]
    return "deny" if otherwise == "ask" and role == "guest" else otherwise


# --- pairing ------------------------------------------------------------------------------------------------------------------------

CODE_SIGNS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without those that look alike."""
CODE_CHARS: Final = 8
CODE_S: Final = 3600.0
PENDING_MAX: Final = 3
"""So many strangers have a code at once, on one account. Others get no answer until one of these has expired."""
SAID_AGAIN_S: Final = 60.0
"""A stranger who writes again is told the code again, but not more often than this."""


def code(draws: Iterable[int]) -> str:
    """A code out of as many random numbers."""
    return "".join(CODE_SIGNS[draw % len(CODE_SIGNS)] for draw in draws)


def plain(rules: Rules) -> Rules:
    """The lists as they are compared: handles are the same in capitals."""
    return replace(rules, allow=_folded(rules.allow), owners=_folded(rules.owners), groups=_folded(rules.groups))


def _folded(names: frozenset[str]) -> frozenset[str]:
    return names | {name.casefold() for name in names}
