"""Each tool server started for real, asked for its tools, and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from holdfast.checks.findings import Finding
from holdfast.errors import Config, Temporary
from holdfast.invoked import command
from holdfast.ports import Clock, ToolList
from holdfast.tools.mcp import TOOLS_MAX, McpHost, Owner
from holdfast.tools.settings import ServerSettings

NAMED_MAX: Final = 12
START_S_MAX: Final = 30.0
"""More than a server has by its own settings: this one ends the check, whatever happens."""


async def check_tools(servers: Sequence[ServerSettings], clock: Clock) -> list[Finding]:
    """What came of each, side by side."""
    host = McpHost(servers, _forget, {}, clock)
    found = await asyncio.gather(*(_check(host, name, own) for name, own in host.children().items()))
    offered = {offer.server.name: [tool.own_name for tool in offer.tools] for offer in host.offers()}
    misnamed = [one for server in servers if offered[server.name] for one in _misnamed(server, offered[server.name])]
    return [*found, *misnamed, *(too_many(server.name, server.left_out) for server in host.servers() if server.left_out)]


def _misnamed(server: ServerSettings, offered: Sequence[str]) -> list[Finding]:
    """What is said of tools that there are not: somebody thinks that it is denied, and it is not."""
    found = []
    for setting, names in {"tool_policy": server.tool_policy, "replay": server.replay}.items():
        for name in sorted(names.keys() - set(offered)):
            near = get_close_matches(name, offered, 1)
            what = f"{setting} names a tool {name!r}, which it does not offer: that has no effect."
            mend = f"{near[0]}    (instead of {name}, in {setting} of [tools.{server.name}])" if near else f"Remove it from {setting}"
            found.append(Finding("warning", "tools.misnamed", f"tools.{server.name}", what, mend=mend))
    return found


def too_many(name: str, left_out: int) -> Finding:
    """So many tools of this server are of no use."""
    what = f"{left_out} of its tools {'is' if left_out == 1 else 'are'} shown to no model: all servers together have more than {TOOLS_MAX}."
    mend = f'tool_policy = {{ some_tool = "deny" }}    (in [tools.{name}] or a table above it; `{command("tools")} {name}` lists them)'
    return Finding("warning", "tools.left_out", f"tools.{name}", what, mend=mend)


async def _forget(_: ToolList) -> None:
    """The gateway keeps the lists; a check keeps nothing."""


async def _check(host: McpHost, name: str, own: Owner) -> Finding:
    about = f"tools.{name}"
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    at = loop.time()
    owner = asyncio.create_task(own(ready.set))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({owner, waiting}, timeout=START_S_MAX, return_when=asyncio.FIRST_COMPLETED)
        took_s = loop.time() - at
        if ready.is_set():
            names = [tool.name for offer in host.offers() if offer.server.name == name for tool in offer.tools]
            listed = ", ".join(names[:NAMED_MAX]) + (f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else "")
            if not names:
                return Finding(
                    "warning", "tools.offers", about, "It runs, but offers no tools.", mend=f"Remove [{about}], or give it what it needs"
                )
            return Finding("ok", "tools.offers", about, f"It offers {len(names)} tools ({took_s:.1f} s): {listed}.")
        if not owner.done():
            return Finding(
                "error",
                "tools.offers",
                about,
                f"It did not answer within {START_S_MAX:g} s.",
                mend=f"Try its command in [{about}] by hand",
                away=True,
            )
        await owner
    except Config as failure:
        return Finding("error", "tools.offers", about, str(failure), mend=f"Correct [{about}]")
    except Temporary as failure:
        return Finding(
            "error", "tools.offers", about, str(failure), mend=f"Try what [{about}] names by hand; it tells more there", away=True
        )
    finally:
        for task in (owner, waiting):
            task.cancel()
        await asyncio.wait({owner, waiting})
    return Finding("error", "tools.offers", about, "It ended at once.", mend=f"Try what [{about}] names by hand", away=True)
