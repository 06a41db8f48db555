"""An event loop for simulations: a day in a second, the same again from the same seed.

- Time is virtual: where a loop would sleep, it goes on to the next instant.
- What is ready runs in a shuffled order, drawn from the seed. The steps of one task keep their order, as do all callbacks that are not a task's:
  what is told in a row by one stream is heard in that row.
- Executors run inline. There is nothing to wait for but time: no sockets, no files, no signals (`asyncio` itself refuses them here).
- A `Process` is a set of tasks that live, freeze and die together. A killed one does nothing any more, at whatever point it stood: no `finally`
  runs, no job that it gave to an executor; what it has asked the outside for still happens.

Nothing depends on addresses or hashes: the order of every set of tasks is that of their creation.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

ROUNDS_AT_ONE_INSTANT_MAX: Final = 20_000
"""After so many rounds without time going on, somebody runs in circles."""


class Stuck(Exception):
    """Nothing will ever happen again; or everything does, and time stands still."""


class Killed(BaseException):
    """Raised where a process kills itself: at a point in the middle of a step. Whoever catches it can do nothing, for the world is gone."""


@dataclass(eq=False, slots=True)
class Process:
    """Tasks that live, freeze and die together."""

    name: str
    state: Literal["running", "frozen", "killed"] = "running"
    held: list[asyncio.Handle] = field(default_factory=list)
    """What would run if it were not frozen."""


class SimTask(asyncio.Task[Any]):
    """A task that knows its process, and whose hash is the same in every run."""

    def __init__(self, coro: Coroutine[Any, Any, Any], *, number: int, process: Process | None, loop: SimLoop, **settings: Any) -> None:
        self.number = number
        self.process = process
        super().__init__(coro, loop=loop, **settings)

    def __hash__(self) -> int:
        return self.number


@dataclass(eq=False, slots=True)
class _Job:
    """What an executor was given."""

    process: Process | None
    function: Callable[[], Any]
    result: asyncio.Future[Any]

    def run(self) -> None:
        if self.result.cancelled():
            return
        try:
            self.result.set_result(self.function())
        except Exception as failure:  # noqa: BLE001 - it belongs to whoever awaits the job
            self.result.set_exception(failure)


class SimLoop(asyncio.BaseEventLoop):
    """See the module's docstring."""

    _ready: deque[asyncio.Handle]
    _process_events: Callable[[Any], None]

    def __init__(self, seed: object = 0) -> None:
        super().__init__()
        self._selector = self  # `select` is all that the base asks of it
        self._process_events = lambda _: None
        self._random = random.Random(f"{seed}/order")  # noqa: S311 - the order of a simulation
        self._now = 0.0
        self._rounds = 0
        self._tasks_made = 0
        self._graves: list[SimTask] = []
        self._at_round: dict[int, list[Callable[[], None]]] = {}
        self.rounds = 0
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._complain)
        self.complaints: list[str] = []

    # --- processes --------------------------------------------------------------------------------------------------------------------

    def start(self, name: str, main: Coroutine[Any, Any, None]) -> Process:
        """Start a process. All tasks that its tasks make belong to it."""
        process = Process(name)
        self.join(process, main)
        return process

    def join(self, process: Process, coro: Coroutine[Any, Any, None]) -> None:
        """One more task of this process, which nobody waits for."""
        self._make_task(self, coro, process=process).add_done_callback(self._process_ended)

    def kill(self, process: Process) -> None:
        """From now on it does nothing. A process that kills itself raises `Killed` after this."""
        process.state = "killed"
        process.held.clear()
        self._graves += [task for task in asyncio.all_tasks(self) if isinstance(task, SimTask) and task.process is process]
        for handle in self._ready:
            if _process_of(handle) is process:
                handle.cancel()

    def freeze(self, process: Process) -> None:
        """It stands still, as after SIGSTOP."""
        process.state = "frozen"

    def thaw(self, process: Process) -> None:
        process.state = "running"
        self._ready.extend(process.held)
        process.held.clear()

    def after_rounds(self, rounds: int, act: Callable[[], None]) -> None:
        """Do this between two steps, so many rounds of the loop from now."""
        self._at_round.setdefault(self.rounds + max(rounds, 1), []).append(act)

    @property
    def process(self) -> Process | None:
        """The process whose step this is."""
        task = asyncio.current_task(self)
        return task.process if isinstance(task, SimTask) else None

    def _process_ended(self, task: asyncio.Task[Any]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not isinstance(failure, Killed):
            self.complaints.append(f"{task.get_name()} ended: {failure!r}")

    def _make_task(self, _: object, coro: Any, process: Process | None = None, **settings: Any) -> SimTask:
        self._tasks_made += 1
        return SimTask(coro, number=self._tasks_made, process=process or self.process, loop=self, **settings)

    def _complain(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failure = context.get("exception")
        if not isinstance(failure, Killed):
            self.complaints.append(f"{context.get('message')}: {failure!r}")

    # --- time and order ---------------------------------------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """Where a loop asks the system what happened and for how long to sleep: time goes on, and what is ready is put in order."""
        if timeout is None:
            raise Stuck("Nothing is ready, and nothing is waited for that could come.")
        self.rounds += 1
        self._rounds = 0 if timeout > 0 else self._rounds + 1
        if self._rounds > ROUNDS_AT_ONE_INSTANT_MAX:
            raise Stuck(f"Time stands still at {self._now}: somebody runs in circles.")
        self._now += timeout
        for act in self._at_round.pop(self.rounds, ()):
            act()
        self._order()
        return []

    def _order(self) -> None:
        streams: dict[int, deque[asyncio.Handle]] = {}
        for handle in self._ready:
            process = _process_of(handle)
            if process is None or process.state == "running":
                streams.setdefault(_stream(handle), deque()).append(handle)
            elif process.state == "frozen":
                process.held.append(handle)
        turns = [stream for stream in sorted(streams) for _ in streams[stream]]
        self._random.shuffle(turns)
        self._ready.clear()
        self._ready.extend(streams[stream].popleft() for stream in turns)

    # --- what there is not --------------------------------------------------------------------------------------------------------------

    def run_in_executor(self, _: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override] # no executor
        job = _Job(self.process, functools.partial(func, *args), self.create_future())
        self.call_soon(job.run)
        return job.result

    async def getaddrinfo(self, *args: Any, **settings: Any) -> Any:  # noqa: ARG002 - the base's signature
        raise OSError("There is no network in a simulation.")

    def _write_to_self(self) -> None:
        """There is no selector to wake."""

    def close(self) -> None:
        """Bury what is left. The dead say nothing any more."""
        if self.is_closed():
            return
        disabled = logging.root.manager.disable
        logging.disable()
        for task in (*self._graves, *asyncio.all_tasks(self)):
            _bury(task)
        logging.disable(disabled)
        self._graves.clear()
        self._ready.clear()
        super().close()


def _owner(handle: asyncio.Handle) -> object:
    return getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined] # noqa: SLF001 - who is called is told nowhere else


def _process_of(handle: asyncio.Handle) -> Process | None:
    owner = _owner(handle)
    return owner.process if isinstance(owner, SimTask | _Job) else None


def _stream(handle: asyncio.Handle) -> int:
    owner = _owner(handle)
    return owner.number if isinstance(owner, SimTask) else 0


def _bury(task: asyncio.Task[Any]) -> None:
    """Close a coroutine that will not go on. Where it awaits something while it is closed, it is closed again."""
    task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 - it was meant to be destroyed
    coro = task.get_coro()
    for _ in range(8):
        with contextlib.suppress(BaseException):  # whatever the dead say
            assert isinstance(coro, Coroutine | Generator)
            coro.close()
            return


def run(main: Callable[[], Coroutine[Any, Any, T]], seed: object = 0) -> T:
    """Run a coroutine to its end in a simulation."""
    loop = SimLoop(seed)
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def simulated(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that runs in a simulation, in which all the time in the world costs nothing."""

    @functools.wraps(test)
    def wrapped(*args: P.args, **settings: P.kwargs) -> None:
        run(lambda: test(*args, **settings))

    return wrapped


def this_loop() -> SimLoop:
    """The simulation that is running."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return loop
