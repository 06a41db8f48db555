"""Programs of yours, by HTTP: they send signed requests, and are called with the answers or ask for them. `account` is the adapter; `signing` says who sent
what, `wire` names the fields, `said` reads off the journal what was said, `receipts` what became of a call."""

from __future__ import annotations

from pathlib import Path

from holdfast.accounts import Account, Webhook
from holdfast.platforms.webhook.account import TRAITS as TRAITS
from holdfast.platforms.webhook.account import WebhookPlatform
from holdfast.ports import Clock, Files


def open_account(name: str, settings: Account, files: Files, clock: Clock, _folder: Path) -> WebhookPlatform:
    """The account `webhook:NAME`."""
    assert isinstance(settings, Webhook), settings
    assert settings.secret is not None, "what was loaded was checked"
    return WebhookPlatform(name, settings.secret.value, settings.callback_url or "", files, clock)
