"""Slack: one app in one workspace, with `slack_sdk` as the codec of its Web API.

`account` is the platform; `api` makes requests, `socket` and `calls` are the two ways in which events come (Socket Mode, Events API), `history` reads what was
written while nobody listened, `wire` names the fields, `reading` says what people did, `context` asks what has to be known for that, `sending` and `render`
say what we say, `receipts` reads what became of it.
"""

from __future__ import annotations

from pathlib import Path

from holdfast.accounts import Account, Slack
from holdfast.platforms.slack.account import TRAITS as TRAITS
from holdfast.platforms.slack.account import SlackPlatform
from holdfast.ports import Clock, Files


def open_account(name: str, settings: Account, files: Files, clock: Clock, _folder: Path) -> SlackPlatform:
    """The account `slack:NAME`, not yet connected."""
    assert isinstance(settings, Slack), settings
    return SlackPlatform(name, settings, files, clock)
