"""Applications of WeCom. `account` is the adapter; what it shares with Official Accounts is in `tencent`."""

from __future__ import annotations

from pathlib import Path

from holdfast.accounts import Account, Wecom
from holdfast.platforms.wecom.account import TRAITS as TRAITS
from holdfast.platforms.wecom.account import WecomPlatform
from holdfast.ports import Clock, Files


def open_account(name: str, settings: Account, files: Files, clock: Clock, _folder: Path) -> WecomPlatform:
    """The account `wecom:NAME`, not yet connected."""
    assert isinstance(settings, Wecom), settings
    return WecomPlatform(name, settings, files, clock)
