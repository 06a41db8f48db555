"""Each account of a chat system: connected for real, unless the running gateway has it; who may talk to it; and where the owner is told what is wrong."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.accounts import Account
from holdfast.checks.findings import Finding
from holdfast.core.access import EVERYBODY
from holdfast.core.chat_words import table_of
from holdfast.core.entries import Entry
from holdfast.core.incoming import Incoming, Moved, Place, Unread
from holdfast.errors import Config, Temporary
from holdfast.invoked import command
from holdfast.platforms import open_account
from holdfast.ports import Accepted, Clock, SignsIn
from holdfast.store.files import FolderFiles

CONNECT_S_MAX: Final = 30.0
PAGE: Final = "web"


async def check_accounts(
    accounts: Mapping[str, Account], data_dir: Path, clock: Clock, status: Mapping[str, Any] | None = None
) -> list[Finding]:
    """What came of connecting each that the running gateway does not have, side by side. Nothing is received."""
    there = {state["name"] for state in (status or {}).get("platforms", ())}
    accounts = {name: account for name, account in accounts.items() if name not in there}
    if accounts and status is None and _is_used(data_dir):
        what = "A gateway that does not answer has them: they are not tried, since that would be in its way."
        return [Finding("warning", "platforms.connects", table_of(name), what) for name in accounts]
    return list(await asyncio.gather(*(_check(name, account, data_dir, clock) for name, account in accounts.items())))


def _is_used(data_dir: Path) -> bool:
    """Does a gateway run on this folder?"""
    try:
        with (data_dir / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back with the file
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class _Connected(Exception):
    """That is all we wanted to know."""


class _Probe:
    """Implements `ports.Inbox`, up to the point at which something would be received."""

    async def begin(self, identity: str) -> str:
        raise _Connected(identity)

    async def chats(self) -> Sequence[Place]:
        raise AssertionError("it has not begun")

    def alive(self) -> None:
        """It is."""

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        raise AssertionError("it has not begun", events, cursor)

    async def keep(self, incoming: Incoming) -> Accepted | None:
        raise AssertionError("it has not begun", incoming)

    async def read(self, place: Place, after: int, most: int) -> Sequence[Entry]:
        raise AssertionError("it has not begun", place, after, most)


async def _check(name: str, account: Account, data_dir: Path, clock: Clock) -> Finding:
    about, check = table_of(name), "platforms.connects"
    try:
        platform = open_account(name, account, FolderFiles(data_dir / "files"), clock, data_dir / "platforms")
    except Config as missing:
        return Finding("error", check, about, str(missing), mend=f"pip install 'holdfast[{name.partition(':')[0]}]'")
    try:
        async with asyncio.timeout(CONNECT_S_MAX):
            await platform.run(_Probe())
    except _Connected as connected:
        return Finding("ok", check, about, f"It connects, as {connected}.")
    except TimeoutError:
        return Finding("error", check, about, f"No connection within {CONNECT_S_MAX:g} s.", mend=_reach(name), away=True)
    except Config as failure:
        mend = f"{_login(name)}, while the gateway runs" if isinstance(platform, SignsIn) else f"Correct [{about}]"
        return Finding("error", check, about, str(failure), mend=mend)
    except Temporary as failure:
        return Finding("error", check, about, str(failure), mend=_reach(name), away=True)
    finally:
        await platform.close()
    raise AssertionError(f"{name} ended without a reason")


def _reach(name: str) -> str:
    return f"Look at the network, and at the address in [{table_of(name)}]"


def _login(name: str) -> str:
    return f"{command('platforms')} login {name}"


# --- in the running gateway -----------------------------------------------------------------------------------------------------------


def check_there(status: Mapping[str, Any]) -> Iterator[Finding]:
    """What the running gateway says of its accounts."""
    for state in status.get("platforms", ()):
        about, check, name = table_of(state["name"]), "platforms.connects", state["name"]
        retry = f"{command('platforms')} retry {name}    (connects it now)"
        match state["state"]:
            case "connected":
                yield Finding("ok", check, about, f"The running gateway is connected, as {state['identity']}.")
            case "stopped":
                mend = _login(name) if state.get("signs_in") else retry
                yield Finding("error", check, about, "It has stopped there: only a person can mend it.", state["why"], mend)
            case _:
                yield Finding("warning", check, about, f"It is {state['state']} there, and goes on by itself.", state["why"], retry)
        if state.get("unread"):
            what = f"{state['unread']} of its updates could not be read. They are kept in the journal, for whoever mends that."
            yield Finding("warning", "platforms.unread", about, what)


# --- who may talk ---------------------------------------------------------------------------------------------------------------------


def check_access(accounts: Mapping[str, Account], status: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Can anybody talk to them, or everybody? Whom owners let in the running gateway knows alone."""
    let_in = {state["name"]: state.get("let_in", 0) for state in (status or {}).get("platforms", ())}
    for name, account in accounts.items():
        about, check = table_of(name), "platforms.access"
        if EVERYBODY in account.owners:
            what = "Everybody owns it: whoever finds it may let your tools run, and let others in."
            yield Finding("warning", check, about, what, mend=f'owners = ["YOUR_ID"]    (in [{about}])')
        elif EVERYBODY in account.allow:
            what = "Everybody may talk to it: whoever finds it uses your model, and may let your tools run."
            yield Finding("warning", check, about, what, mend=f'allow = ["THEIR_ID"]    (in [{about}])')
        elif not (account.allow or account.owners or account.groups or let_in.get(name)):
            yield _nobody(about, account, let_in.get(name))


def _nobody(about: str, account: Account, let_in: int | None) -> Finding:
    check = "platforms.access"
    if not account.pairing:
        what = "Nobody may talk to it: no list names anybody, and pairing is off."
        return Finding("error", check, about, what, mend=f'owners = ["YOUR_ID"]    (in [{about}])')
    what = "Nobody may talk to it yet." if let_in == 0 else "No list names anybody: it answers those alone whom you let in."
    how = "Whoever writes to it is told a code, which lets them in once you approve it."
    return Finding("ok" if let_in is None else "warning", check, about, f"{what} {how}", mend=f"{command('people')} approve CODE")


def check_notify(notify: Sequence[str], accounts: Mapping[str, Account]) -> Iterator[Finding]:
    """Is the owner told, whatever stops?"""
    if not accounts or PAGE in notify:
        return
    places = {place.rpartition(":")[0] for place in notify}
    if len(places) == 1:
        (only,) = places
        what = f"You are told of trouble through {only} alone: if that stops, you are told nowhere."
        yield Finding(
            "warning", "owner.notify", "owner", what, mend=f"notify = {msgspec.json.encode([PAGE, *notify]).decode()}    (in [owner])"
        )
    elif not places:
        what = "You are told nowhere what only you can mend."
        yield Finding("warning", "owner.notify", "owner", what, mend='notify = ["web"]    (in [owner])')
