"""Questions to a person at a terminal."""

from __future__ import annotations

import getpass
import sys

from holdfast.cli.screen import plain
from holdfast.errors import Request
from holdfast.invoked import command


def stopped() -> Request:
    """The end of it, at a person's wish."""
    return Request(f"Nothing was written. `{command('init')}` begins again.")


def say(text: str = "") -> None:
    """A line or more; what models and servers said in it can't take over the terminal."""
    print(plain(text), flush=True)


def ask(question: str, default: str = "") -> str:
    """The answer; `default` if it is only Enter. Raises `Request` at the end of the input."""
    try:
        return input(f"{question} [{plain(default)}] " if default else f"{question} ").strip() or default
    except EOFError:
        print()
        raise stopped() from None


def ask_secret(question: str) -> str:
    """The same, without showing what is typed."""
    try:
        return getpass.getpass(f"{question} ").strip()
    except EOFError:
        print()
        raise stopped() from None


def somebody_is_there() -> bool:
    """Is there a person who can be asked?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def agree(question: str, nothing: str, *, yes: bool, default: str = "no") -> None:
    """A person says yes, or has said it (`--yes`). Raises `Request` if not, with what was done then: `nothing`."""
    if yes:
        return
    if not somebody_is_there():
        raise Request(f"{nothing} Without a terminal to ask on, say --yes.")
    try:
        typed = input(f"{question} [{default}] ").strip().lower() or default
    except EOFError:
        typed = ""
        print()
    if typed not in {"y", "yes"}:
        raise Request(nothing)
