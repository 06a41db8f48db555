"""XMPP: one user on one server, with slixmpp for the stream alone (TLS, signing in, stanzas).

`wire` builds and reads stanzas, `stream` is one connection, `archive` the history that the server and rooms keep, `reading` knows what messages say, `receiving`
tells the inbox, `rooms` joins, `sending` says what became of a send, `render` makes plain text of Markdown, `files` are links, and `account` is the platform.

What people write is read from the archives alone: a message that comes live only rings the bell. So nothing needs to be acknowledged, and nothing can be missed
between a catch-up and what comes after it. (Stream management, XEP-0198, would add nothing to that.)
"""

from __future__ import annotations

from pathlib import Path

from holdfast import accounts
from holdfast.platforms.xmpp.account import TRAITS as TRAITS
from holdfast.platforms.xmpp.account import XmppPlatform
from holdfast.ports import Clock, Files, Platform


def open_account(name: str, settings: accounts.Xmpp, files: Files, clock: Clock, folder: Path) -> Platform:  # noqa: ARG001 it keeps nothing
    """The account of this name, not yet connected."""
    return XmppPlatform(name, settings, files, clock)
