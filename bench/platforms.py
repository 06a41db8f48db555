"""What each configured platform adds to the memory of the gateway: with an account whose server is away, which is all it takes to import everything."""

from __future__ import annotations

import asyncio
from typing import Final

from bench.figures import Figure
from bench.world import Door, configure, folder, gateway

AWAY: Final = "http://127.0.0.1:9"
KEY: Final = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"  # 43 characters, as those of WeCom
TABLES: Final = {
    "telegram": f'token = "env:SECRET"\nbase_url = "{AWAY}"',
    "matrix": f'homeserver = "{AWAY}"\nuser = "@bot:here"\npassword = "env:SECRET"',
    "discord": f'token = "env:SECRET"\nbase_url = "{AWAY}"',
    "slack": f'token = "env:SECRET"\napp_token = "env:SECRET"\nbase_url = "{AWAY}/api/"',
    "feishu": f'app_id = "cli_a"\napp_secret = "env:SECRET"\nbase_url = "{AWAY}"',
    "wechat": f'base_url = "{AWAY}"',
    "wecom": f'corp_id = "ww1"\nagent_id = 1\nsecret = "env:SECRET"\ntoken = "env:SECRET"\naes_key = "env:SECRET"\nbase_url = "{AWAY}"',
    "official": f'app_id = "wx1"\napp_secret = "env:SECRET"\ntoken = "env:SECRET"\naes_key = "env:SECRET"\nbase_url = "{AWAY}"',
    "webhook": 'secret = "env:SECRET"',
    "xmpp": 'jid = "bot@here"\npassword = "env:SECRET"\nhost = "127.0.0.1"\nport = 9',
}


async def memory() -> list[Figure]:
    alone = await _resident(())
    figures = [Figure("memory without a platform", alone, "MB", "resident, ten seconds after the start", 45.0)]
    for name, table in TABLES.items():
        more = await _resident((name,)) - alone
        figures.append(Figure(f"memory, {name}, more than without", more, "MB", table.partition(" ")[0] + " ...", 30.0))
    figures.append(Figure("memory, all of them, more than without", await _resident(tuple(TABLES)) - alone, "MB", "", 90.0))
    return figures


async def _resident(names: tuple[str, ...]) -> float:
    tables = [f"[platforms.{name.partition(',')[0]}.a{number}]\n{TABLES[name]}\n" for number, name in enumerate(names)]
    with folder() as place, gateway(configure(place / "data", *tables, "[webhooks]\nport = 0\n"), environ={"SECRET": KEY}) as running:
        async with await Door.open(running):
            await asyncio.sleep(10.0)  # every account has tried, and what it needs was imported
            return running.memory_mb()
