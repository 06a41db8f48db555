"""Discord: one bot, over REST (`api`, `limits`) and one connection to the gateway (`gateway`).

`account` is the platform. `reception` gets what was written, in order and without a gap; `reading` says what it means, `wire` names the fields; `sending`
and `render` say what we say, `receipts` what became of it. `session` is what lets a connection go on where another one, or another life of ours, ended.
"""

from __future__ import annotations

from pathlib import Path

from holdfast import accounts
from holdfast.platforms.discord.account import TRAITS as TRAITS
from holdfast.platforms.discord.account import DiscordPlatform
from holdfast.ports import Clock, Files, Platform


def open_account(name: str, settings: accounts.Account, files: Files, clock: Clock, folder: Path) -> Platform:
    """The account `discord:NAME`, not yet connected."""
    assert isinstance(settings, accounts.Discord), settings
    return DiscordPlatform(name, settings, files, clock, folder)
