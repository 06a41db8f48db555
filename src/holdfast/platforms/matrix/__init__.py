"""Matrix: one user on one homeserver, over the client-server API alone (JSON over HTTP).

`http` makes requests, `signing_in` gets a token, `reading` and `writing` know what events say, `rooms` gets from `/sync` what happened, in order and
without a gap, `encryption` has the keys of encrypted rooms, and `account` is the platform.
"""

from __future__ import annotations

from pathlib import Path

from holdfast import accounts
from holdfast.platforms.matrix.account import TRAITS as TRAITS
from holdfast.platforms.matrix.account import MatrixPlatform
from holdfast.ports import Clock, Files, Platform


def open_account(name: str, settings: accounts.Matrix, files: Files, clock: Clock, folder: Path) -> Platform:
    """The account of this name, with a folder for its keys. Nothing is asked of the homeserver yet."""
    return MatrixPlatform(name, settings, files, clock, folder)
