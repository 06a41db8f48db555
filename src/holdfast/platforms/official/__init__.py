"""Official Accounts of WeChat. `account` is the adapter; what it shares with WeCom is in `tencent`."""

from __future__ import annotations

from pathlib import Path

from holdfast.accounts import Account, Official
from holdfast.platforms.official.account import TRAITS as TRAITS
from holdfast.platforms.official.account import OfficialPlatform
from holdfast.ports import Clock, Files


def open_account(name: str, settings: Account, files: Files, clock: Clock, _folder: Path) -> OfficialPlatform:
    """The account `official:NAME`, not yet connected."""
    assert isinstance(settings, Official), settings
    return OfficialPlatform(name, settings, files, clock)
