"""Feishu, and Lark: one app, over its REST API and its long connection or its calls.

`account` is the platform; `api` makes requests, `wire` names the fields, `connection` (with `frames`) and `called` are the two ways in which events get to us,
`reading` knows what people did, `looking` asks for what an event does not say, `sending` and `render` say what we say, `receipts` reads what became of it.
"""

from __future__ import annotations

from pathlib import Path

from holdfast.accounts import Account, Feishu
from holdfast.platforms.feishu.account import TRAITS as TRAITS
from holdfast.platforms.feishu.account import FeishuPlatform
from holdfast.platforms.feishu.api import Api
from holdfast.ports import Clock, Files


def open_account(name: str, settings: Account, files: Files, clock: Clock, _folder: Path) -> FeishuPlatform:
    """The account `feishu:NAME`, not yet connected. Of the two ways only the one that is used is imported: each has a library of its own."""
    assert isinstance(settings, Feishu), settings
    assert settings.app_secret is not None, "what was loaded was checked"
    api = Api(settings.base_url, settings.app_id, settings.app_secret.value, clock)
    if settings.encrypt_key is None:
        from holdfast.platforms.feishu.connection import LongConnection  # noqa: PLC0415 - see above

        return FeishuPlatform(name, settings.app_id, api, LongConnection(f"feishu:{name}", api, clock), files, clock)
    from holdfast.platforms.feishu.called import Called  # noqa: PLC0415 - see above

    called = Called(settings.encrypt_key.value, api, clock)
    return FeishuPlatform(name, settings.app_id, api, called, files, clock, called)
