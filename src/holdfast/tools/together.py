"""Several hosts of tools as one."""

from __future__ import annotations

from holdfast.core.entries import Call
from holdfast.core.request import Tool
from holdfast.ports import NOBODY, Caller, Offer, ToolHost, ToolOutcome, ToolServerState


class Together:
    """The tools of all `hosts`, as `ports.ToolHost`. A call that no host knows goes to the last one: it may be waiting for its tools."""

    def __init__(self, *hosts: ToolHost) -> None:
        self._hosts = hosts
        self._parts: tuple[tuple[Tool, ...], ...] = ()
        self._tools: tuple[Tool, ...] = ()

    async def ready(self) -> None:
        for host in self._hosts:
            await host.ready()

    def tools(self) -> tuple[Tool, ...]:
        """The same tuple, as long as nothing has changed: whoever reckons with it need not reckon again."""
        parts = tuple(host.tools() for host in self._hosts)
        if len(parts) != len(self._parts) or any(one is not other for one, other in zip(parts, self._parts, strict=True)):
            self._parts, self._tools = parts, tuple(tool for part in parts for tool in part)
        return self._tools

    def servers(self) -> tuple[ToolServerState, ...]:
        return tuple(state for host in self._hosts for state in host.servers())

    def offers(self) -> tuple[Offer, ...]:
        return tuple(offer for host in self._hosts for offer in host.offers())

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        knows = (host for host in self._hosts if any(tool.name == call.tool for tool in host.tools()))
        return await next(knows, self._hosts[-1]).call(call, caller)
