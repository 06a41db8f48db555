"""Chat systems: one file or folder each, imported when an account of that kind is configured, independent of each other.
What several need is beside them: `asking` (one HTTP request, one outcome), `tencent` (what WeCom and Official Accounts have in common).

Each has `open_account(name, settings, files, clock, folder)`, which gives a `ports.Platform`: see there what an adapter does, and what it must not own.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from holdfast.accounts import Account
from holdfast.errors import Config
from holdfast.ports import Clock, Files, Platform


def open_account(account: str, settings: Account, files: Files, clock: Clock, folder: Path) -> Platform:
    """The account `telegram:mybot`, not yet connected. In `folder` each has one of its own, if it needs one. Raises `Config` if what its platform needs is not installed."""
    kind, _, name = account.partition(":")
    try:
        module: Any = importlib.import_module(f"{__name__}.{kind}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith(__name__):
            raise
        raise Config(f"{account} needs {missing.name}, which is not installed. Install it: pip install 'holdfast[{kind}]'.") from missing
    platform: Platform = module.open_account(name, settings, files, clock, folder / kind / name)
    return platform
