"""The tool servers of the gateway, each with one task that owns it. The MCP SDK itself is in `session`, imported when it is first needed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import msgspec

from holdfast.core.entries import Call
from holdfast.core.request import Tool
from holdfast.errors import Config, Temporary
from holdfast.ports import NOBODY, Caller, Clock, Offer, OfferedTool, ToolList, ToolOutcome, ToolServerState
from holdfast.tools.catalogue import Entry, Offered, catalogue, decode, encode
from holdfast.tools.child import log
from holdfast.tools.processes import memory_bytes
from holdfast.tools.settings import ServerSettings

if TYPE_CHECKING:
    from holdfast.tools.session import Session

CALLS_AT_ONCE_MAX: Final = 32
"""Of one server; more wait for their turn."""
TOOLS_MAX: Final = 120
"""Of all servers together, without those that are denied: some providers refuse a request with more than 128, and the gateway has some of its own."""
PROBE_S: Final = 60.0
"""How often a server is asked for its tools: to see that it answers, and whether they changed."""
PROBE_DOWN_S: Final = 2.0
"""How often one is that takes no new calls, while some are still under way at it."""
MEASURED_S: Final = 5.0
"""For so long a figure of memory is good: the state of a server is asked for at every step."""

Keep = Callable[[ToolList], Awaitable[None]]
Owner = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]


class McpHost:
    """All tool servers, as `ports.ToolHost`. Whoever supervises runs `children`."""

    def __init__(self, servers: Sequence[ServerSettings], keep: Keep, kept: Mapping[str, ToolList], clock: Clock) -> None:
        self._servers = {settings.name: _Server(settings, keep, kept.get(settings.name), clock, self._index) for settings in servers}
        self._catalogue: dict[str, Entry] = {}
        self._entries: dict[str, Entry] = {}
        """Those of the catalogue that are not too many."""
        self._left_out: Counter[str] = Counter()
        """How many of each server are."""
        self._tools: tuple[Tool, ...] = ()
        self._news = asyncio.Event()
        self._index()

    def children(self) -> Mapping[str, Owner]:
        """For each server by name: the coroutine that owns it.

        It starts or reaches the server, calls `ready` when its tools are known, and serves until it is cancelled or the server is lost. Raises
        `Temporary` (lost, slow, not MCP: run it again after a while) or `Config` (its command can't be run, its URL or key is of no use).
        """
        return {name: server.run for name, server in self._servers.items()}

    async def ready(self) -> None:
        for server in self._servers.values():
            await server.settled.wait()

    def tools(self) -> tuple[Tool, ...]:
        return self._tools

    def servers(self) -> tuple[ToolServerState, ...]:
        return tuple(server.state(self._left_out[name]) for name, server in self._servers.items())

    def offers(self) -> tuple[Offer, ...]:
        tools: dict[str, list[OfferedTool]] = {name: [] for name in self._servers}
        for name, entry in self._catalogue.items():
            tools[entry.tool.server].append(entry.at_a_glance(left_out=name not in self._entries))
        return tuple(Offer(server, tuple(tools[server.name])) for server in self.servers())

    async def call(self, call: Call, caller: Caller = NOBODY) -> ToolOutcome:
        while call.tool not in self._entries and not all(server.settled.is_set() for server in self._servers.values()):
            await self._news.wait()  # its server may be starting for the first time under this configuration
        entry = self._entries.get(call.tool)
        if entry is None:
            return ToolOutcome("error", f"there is no tool {call.tool!r}")
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError) as failure:
            return ToolOutcome("error", f"the arguments are not the text of a JSON object ({failure}); the tool was not called")
        arguments = {entry.own_names.get(name, name): value for name, value in arguments.items()}
        outcome = await self._servers[entry.tool.server].call(entry.own_name, arguments, caller)
        if outcome.outcome == "unknown":
            if entry.tool.repeatable:
                return ToolOutcome("error", f"{outcome.text}; it may safely be called again")
            return ToolOutcome("unknown", f"{outcome.text}; it may or may not have happened")
        return outcome

    def _index(self) -> None:
        self._catalogue = catalogue((server.settings, server.offered) for server in self._servers.values())
        shown = [name for name, entry in self._catalogue.items() if entry.tool.policy != "deny"]
        left_out = frozenset(shown[TOOLS_MAX:])
        if left_out:
            log.warning(
                "of %d tools only the first %d are used, in the order of [tools]; `holdfast tools` shows which", len(shown), TOOLS_MAX
            )
        self._entries = {name: entry for name, entry in self._catalogue.items() if name not in left_out}
        self._left_out = Counter(self._catalogue[name].tool.server for name in left_out)
        self._tools = tuple(entry.tool for entry in self._entries.values())
        self._news.set()
        self._news = asyncio.Event()


class _Place:
    """One of those in which a server's calls run. A call in which somebody is asked gives it up: people take their time, and others have calls too."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = False

    async def __aenter__(self) -> Self:
        await self._places.acquire()
        self._held = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.give_up()

    def give_up(self) -> None:
        if self._held:
            self._held = False
            self._places.release()


class _Server:
    """One tool server: what is known of it, and the task that owns it while it runs."""

    def __init__(self, settings: ServerSettings, keep: Keep, kept: ToolList | None, clock: Clock, on_news: Callable[[], None]) -> None:
        self.settings = settings
        self.offered: tuple[Offered, ...] = ()
        self.settled = asyncio.Event()
        """Its tools are known, from itself or from the journal; or its first start failed or took too long."""
        self._keep = keep
        self._kept = kept if kept and kept.fingerprint == settings.fingerprint else None
        self._clock = clock
        self._on_news = on_news
        self._session: Session | None = None
        self._places = asyncio.Semaphore(CALLS_AT_ONCE_MAX)
        self._starts = 0
        self._state: Literal["starting", "ready", "down", "misconfigured"] = "starting"
        self._since = clock.now()
        self._why = ""
        self._measured: tuple[float, int, int | None] = (0.0, 0, None)
        self._changed = asyncio.Event()
        if self._kept:
            try:
                self.offered = decode(self._kept.body)
                self.settled.set()
            except ValueError:  # of another version of Holdfast
                self._kept = None

    def state(self, left_out: int) -> ToolServerState:
        pid = self._session.link.pid if self._session else None
        return ToolServerState(
            name=self.settings.name,
            state=self._state,
            since=self._since,
            why=self._why,
            restarts=max(0, self._starts - 1),
            pid=pid,
            tools=len(self.offered),
            left_out=left_out,
            memory_bytes=None if pid is None else self._memory_bytes(pid),
        )

    def _memory_bytes(self, pid: int) -> int | None:
        now = self._clock.monotonic()
        at, of, size = self._measured
        if of != pid or now - at > MEASURED_S:
            size = memory_bytes(pid)
            self._measured = now, pid, size
        return size

    async def run(self, ready: Callable[[], None]) -> None:
        """Own the server: start it, learn its tools, serve, end it."""
        self._starts += 1
        self._become("starting", self._why)
        patience = asyncio.get_running_loop().call_later(self.settings.connect_timeout_s, self._settle)
        try:
            sdk = await asyncio.to_thread(importlib.import_module, "holdfast.tools.session")
            async with sdk.connect(self.settings, proven=bool(self.offered)) as session:
                await self._learn(await session.tools())
                self._session = session
                self._become("ready", "")
                ready()
                await self._attend(session)
                self._session = None
                self._become("down", session.link.last_words())  # it may take seconds until its end is certain
        except Config as failure:
            self._become("misconfigured", str(failure))
            await self._expect_nothing()
            raise
        except Temporary as failure:
            self._become("down", str(failure))
            await self._expect_nothing()
            raise
        finally:
            patience.cancel()
            self._session = None
            self._settle()
            if self._state in {"starting", "ready"}:
                self._become("down", "it was stopped")

    async def call(self, tool: str, arguments: dict[str, Any], caller: Caller) -> ToolOutcome:
        loop = asyncio.get_running_loop()
        async with _Place(self._places) as place:
            until = loop.time() + self.settings.connect_timeout_s
            while (session := await self._live()) is not None:
                try:
                    outcome = await session.call(tool, arguments, caller, place.give_up)
                except Temporary as failure:
                    self._doubt(session, str(failure))
                else:
                    if session.silent:
                        self._doubt(session, outcome.text)
                    return outcome
                if loop.time() > until:
                    break
            since = datetime.fromtimestamp(self._since, UTC).isoformat(" ", "seconds")
            return ToolOutcome(
                "error", f"unavailable: tool server {self.settings.name!r} is {self._state} since {since}. {self._why}".strip()
            )

    async def _attend(self, session: Session) -> None:
        """Until it is lost: ask for its tools when it says that they changed, and from time to time.

        One that is at work may be too busy to answer: it takes no new calls until it does, but what is under way at it is not given up for that.
        """
        while not session.link.lost:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_DOWN_S if self._state == "down" else PROBE_S):
                    await session.link.stirred.wait()
            session.link.stirred.clear()
            if session.link.lost:
                return
            try:
                await self._learn(await session.tools())
            except (Temporary, Config) as failure:
                if not session.calls:
                    raise
                self._become("down", str(failure))
            else:
                if self._state == "down":
                    self._become("ready", "")

    def _doubt(self, session: Session, why: str) -> None:
        """A call could not be sent, or had no answer: no other is sent, until the server's owner had an answer from it."""
        if session is self._session and self._state == "ready":
            self._become("down", why)
        session.link.stirred.set()

    async def _expect_nothing(self) -> None:
        """A server that never worked under this configuration is waited for once, not again at every start."""
        if self._kept is None:
            self._kept = ToolList(self.settings.name, self.settings.fingerprint, encode(()))
            await self._keep(self._kept)

    async def _learn(self, offered: tuple[Offered, ...]) -> None:
        latest = ToolList(self.settings.name, self.settings.fingerprint, encode(offered))
        if latest != self._kept:
            await self._keep(latest)
            self._kept = latest
            self.offered = offered
            self.settled.set()
            self._on_news()
        self._settle()

    def _settle(self) -> None:
        if not self.settled.is_set():
            self.settled.set()
            self._on_news()

    async def _live(self) -> Session | None:
        """The live session: if need be, after waiting for a server that is starting, or that was lost only just now."""
        patience_s = self.settings.connect_timeout_s
        if self._state == "down":
            patience_s = min(max(0.0, self._since + patience_s - self._clock.now()), patience_s)  # the clock may have been set back
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._state != "misconfigured" and not self._takes_calls():
                    await self._changed.wait()
        return self._session if self._takes_calls() else None

    def _takes_calls(self) -> bool:
        return self._state == "ready" and self._session is not None and not self._session.link.lost

    def _become(self, state: Literal["starting", "ready", "down", "misconfigured"], why: str) -> None:
        """Note the state. `since` tells how long the server has been of use, or of none: each try to start it does not count anew."""
        if {state, self._state} - {"starting", "down"}:
            self._since = self._clock.now()
        self._state, self._why = state, why
        self._changed.set()
        self._changed = asyncio.Event()
