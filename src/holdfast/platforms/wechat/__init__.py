"""WeChat: the bot of a personal account, through the iLink interface (JSON over HTTP, files through a CDN).

`account` is the platform; `api` makes requests, `wire` names the fields, `reading` says what people did and `window` how long they can be answered,
`media` gets and puts files, `render` says what we say, `signing_in` turns a scanned picture into a login.
"""

from __future__ import annotations

from pathlib import Path

from holdfast import accounts
from holdfast.platforms.wechat.account import TRAITS as TRAITS
from holdfast.platforms.wechat.account import WechatPlatform
from holdfast.ports import Clock, Files


def open_account(name: str, settings: accounts.Account, files: Files, clock: Clock, folder: Path) -> WechatPlatform:
    """The account `wechat:NAME`, not yet connected; its login is in `folder`."""
    assert isinstance(settings, accounts.Wechat), settings
    return WechatPlatform(name, settings.base_url, files, clock, folder)
