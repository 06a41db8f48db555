"""`holdfast people`: who may talk on each account, and who wants to; `approve CODE` lets somebody in, `remove ACCOUNT PERSON` ends that."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from holdfast import cli
from holdfast.accounts import NO_ACCOUNTS
from holdfast.cli.client import Away, Client
from holdfast.cli.output import clock, columns, print_json, unknown
from holdfast.cli.place import client_of
from holdfast.cli.screen import in_a_line
from holdfast.core.access import EVERYBODY
from holdfast.core.chat_words import table_of
from holdfast.errors import Request
from holdfast.invoked import command

if TYPE_CHECKING:
    from holdfast.ports import Access, Person

TAKES: Final = {"": 0, "approve": 1, "remove": 2}
"""What can be done, and how much has to be named for it."""


def run(arguments: argparse.Namespace) -> int:
    if TAKES.get(arguments.act) != len(arguments.names):
        raise Request(f"Write `{command('people')}`, `{command('people')} approve CODE` or `{command('people')} remove ACCOUNT PERSON`.")
    client = client_of(arguments)
    match arguments.act:
        case "approve":
            print(in_a_line(_approve(client, *arguments.names)))
        case "remove":
            print(in_a_line(_remove(client, *arguments.names)))
        case _ if arguments.json:
            print_json(_known(client))
        case _:
            print("\n".join(told(_known(client), time.time())))
    return cli.ANSWERED


def _known(client: Client) -> tuple[Access, ...]:
    try:
        return client.people()
    except Away as away:
        raise Away(f"{away} Without it nobody is let in, and whom the configuration names stands there.") from away


# --- the list -------------------------------------------------------------------------------------------------------------------------


def told(accounts: Sequence[Access], now: float) -> Iterator[str]:
    """The accounts, one after the other: who may talk and why, and who waits."""
    if not accounts:
        yield NO_ACCOUNTS
    for number, access in enumerate(accounts):
        if number:
            yield ""
        yield access.account
        rows = [*_configured(access), *(_let_in(person, now) for person in access.people if person.since)]
        yield from (f"    {row}" for row in columns(rows or [("nobody may talk yet", "")]))
        yield from (f"    {in_a_line(_waits(person, now))}" for person in access.people if not person.since)
        if not rows:
            yield f"    {_how(access)}"


def _configured(access: Access) -> Iterator[tuple[str, str]]:
    for name in access.owners:
        yield _named(name), "owner, by the configuration"
    for name in access.allow:
        yield _named(name), "may talk, by the configuration"
    for name in access.groups:
        yield (
            ("every group" if name == EVERYBODY else f"group {name}"),
            "whoever mentions it or replies to it there is heard, by the configuration",
        )


def _named(name: str) -> str:
    return "everybody" if name == EVERYBODY else name


def _let_in(person: Person, now: float) -> tuple[str, str]:
    who = in_a_line(f"{person.id} ({person.name})" if person.name else person.id)
    if person.handle:
        return who, f"may talk, since the configuration names {person.handle}"
    return who, f"may talk, approved {clock(person.since, now)}"


def _waits(person: Person, now: float) -> str:
    who = f"{person.name} ({person.id})" if person.name else person.id
    return f"{who} wants to talk. To let them in until {clock(person.expires, now)}: {command('people')} approve {person.code}"


def _how(access: Access) -> str:
    """What to do where nobody may talk."""
    lists = f'allow = ["..."] or owners in [{table_of(access.account)}] names people'
    if not access.pairing:
        return f"Pairing is off there: {lists}."
    return f"Whoever writes to it is told a code that you can approve; {lists}."


# --- changes --------------------------------------------------------------------------------------------------------------------------


def _approve(client: Client, code: str) -> str:
    person = client.approve(code)
    return f"{person.name or person.id} may talk on {person.account} now, and was told so."


def _remove(client: Client, account: str, person: str) -> str:
    accounts = [access.account for access in client.people()]
    if account not in accounts:
        raise unknown("account", account, accounts, "The running gateway has")
    client.remove(account, person)
    return f"{person} may no longer talk on {account}, and nothing more is done for them there. What was said is kept."
