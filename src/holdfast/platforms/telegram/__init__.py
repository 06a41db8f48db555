"""Telegram, through the Bot API. `account` is the adapter; `api` speaks HTTP, `wire` names the fields, `updates` reads what people did, `sending` and
`render` say what we say, `receipts` reads what became of it."""

from __future__ import annotations

from pathlib import Path

from holdfast.accounts import Account, Telegram
from holdfast.platforms.telegram.account import TRAITS as TRAITS
from holdfast.platforms.telegram.account import TelegramPlatform
from holdfast.ports import Clock, Files


def open_account(name: str, settings: Account, files: Files, clock: Clock, _folder: Path) -> TelegramPlatform:
    """The account `telegram:NAME`, not yet connected."""
    assert isinstance(settings, Telegram), settings
    assert settings.token is not None, "what was loaded was checked"
    return TelegramPlatform(name, settings.token.value, settings.base_url, files, clock, hook_url=settings.webhook_url or "")
