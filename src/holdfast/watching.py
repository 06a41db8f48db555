"""What whoever watches over the gateway gets: lines of the log, numbers, traces, and answers to "do you live?" and "do you receive?"."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from holdfast.config import Config
from holdfast.core.request import Tool
from holdfast.errors import JournalFailed, Temporary
from holdfast.ports import Clock, Model, RawFailure
from holdfast.runtime.gauges import Gauges
from holdfast.runtime.lifetime import Lifetime
from holdfast.runtime.numbers import Numbers
from holdfast.runtime.observed import Observed, ObservedModel
from holdfast.runtime.supervisor import Run
from holdfast.runtime.traces import Traces
from holdfast.runtime.worker import Hands
from holdfast.web.metrics import metrics
from holdfast.web.server import serve_metrics

COMMIT_S_MAX: Final = 5.0
"""A journal that takes longer than that for a commit does not receive."""

log = logging.getLogger("holdfast")


class Watching:
    """The parts of it, wired."""

    def __init__(self, settings: Config, clock: Clock, version: Callable[[], str]) -> None:
        self._settings, self._clock = settings, clock
        self.numbers = Numbers()
        to = settings.traces
        headers = {name: secret.value for name, secret in to.headers.items()}
        self._traces = Traces(to.endpoint, headers, version) if to.endpoint else None

    def hands(self, hands: Hands, tools: Callable[[], tuple[Tool, ...]]) -> Observed:
        """The same hands, watched."""
        return Observed(hands, self.numbers, self._clock, tools, self._traces)

    def model(self, name: str, model: Model, classed: Callable[[RawFailure], str]) -> ObservedModel:
        """The same route, watched."""
        route = self._settings.routes[name]
        price = (route.price.input, route.price.output)
        return ObservedModel(
            model, name, route.model or route.dialect, route.dialect, price, classed, self.numbers, self._clock, self._traces
        )

    def children(self, gauges: Gauges, lifetime: Lifetime, door: Path) -> Mapping[str, Run]:
        """For the supervisor."""
        children: dict[str, Run] = {}
        if self._traces is not None:
            children["traces"] = self._traces.run
        if (port := self._settings.metrics.port) is not None:
            children["metrics"] = self._serving(gauges, lifetime, door, port)
        return children

    def _serving(self, gauges: Gauges, lifetime: Lifetime, door: Path, port: int) -> Run:
        host = self._settings.metrics.host

        async def receives() -> str:
            if not door.is_socket():  # noqa: ASYNC240 - one system call
                raise Temporary("The door is being opened.")
            try:
                async with asyncio.timeout(COMMIT_S_MAX):
                    await lifetime.confirm()
            except (TimeoutError, JournalFailed) as failure:
                raise Temporary(f"The journal does not commit. {failure}".rstrip()) from failure
            return lifetime.status

        async def serve(ready: Callable[[], None]) -> None:
            def opened(at: int) -> None:
                log.info("the numbers are at http://%s:%d/metrics", host, at)
                ready()

            await serve_metrics(metrics(gauges.exposition, receives), host, port, opened)

        return serve
