from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from holdfast.errors import Config, JournalFailed, Temporary
from holdfast.runtime.supervisor import BACK_OFF_S_MAX, BUGS_MAX, Supervisor
from holdfast.testing.clock import LoopClock
from holdfast.testing.sim import simulated

Ready = Callable[[], None]


class _Child:
    """Ends each of its lives as told; then serves for ever."""

    def __init__(self, ends: Iterable[Exception | None], serves_s: float = 0.0) -> None:
        self.ends, self.serves_s = list(ends), serves_s
        self.began: list[float] = []

    async def run(self, ready: Ready) -> None:
        self.began.append(asyncio.get_running_loop().time())
        ready()
        await asyncio.sleep(self.serves_s)
        if not self.ends:
            await asyncio.Event().wait()
        end = self.ends.pop(0)
        if end is not None:
            raise end

    @property
    def waits(self) -> list[float]:
        return [round(later - earlier - self.serves_s, 3) for earlier, later in zip(self.began, self.began[1:], strict=False)]


async def _supervise(children: dict[str, _Child], for_s: float = 10_000.0, draw: float = 1.0) -> Supervisor:
    supervisor = Supervisor(LoopClock(), lambda: draw)
    runs: dict[str, Callable[[Ready], Awaitable[None]]] = {name: child.run for name, child in children.items()}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(for_s):
            await supervisor.run(runs)
    return supervisor


@simulated
async def test_what_fails_for_a_while_is_tried_again_with_growing_waits_for_ever() -> None:
    child = _Child([Temporary("down") for _ in range(12)])
    supervisor = await _supervise({"a": child})
    assert child.waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    state = supervisor.states()["a"]
    assert (state.state, state.restarts) == ("ready", 12)


@simulated
async def test_one_that_waits_says_until_when() -> None:
    child = _Child([Temporary("down", retry_after_s=42.0)])
    waiting = await _supervise({"a": child}, for_s=10.0)
    assert waiting.states()["a"].next_try - waiting.states()["a"].since == 42.0
    ready = await _supervise({"a": _Child([Temporary("down")])})
    assert ready.states()["a"].next_try == 0.0


@simulated
async def test_one_that_fails_again_and_again_is_away_since_it_went_away() -> None:
    tries = 0

    async def serves_once(ready: Ready) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            ready()
            await asyncio.sleep(1_000)
        raise Temporary("no connection")

    supervisor, began = Supervisor(LoopClock(), lambda: 1.0), LoopClock().now()
    task = asyncio.create_task(supervisor.run({"a": serves_once}))
    await asyncio.sleep(500)
    assert (supervisor.states()["a"].state, supervisor.states()["a"].since) == ("ready", began)
    await asyncio.sleep(5_500)
    assert (supervisor.states()["a"].state, supervisor.states()["a"].since) == ("waiting", began + 1_000)
    task.cancel()
    await asyncio.wait([task])
    assert tries > 5


@simulated
async def test_the_same_trouble_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A child that never becomes ready, such as a page whose port another program has."""

    async def busy(_: Ready) -> None:
        raise Temporary("the port is busy")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10_000.0):
            await Supervisor(LoopClock(), lambda: 1.0).run({"page": busy})
    assert [record.getMessage() for record in caplog.records] == ["page: the port is busy"]


@simulated
async def test_a_peer_that_says_when_is_believed() -> None:
    child = _Child([Temporary("too many", retry_after_s=42.0)])
    await _supervise({"a": child})
    assert child.waits == [42.0]


@simulated
async def test_the_waits_have_jitter() -> None:
    child = _Child([Temporary("down") for _ in range(3)])
    await _supervise({"a": child}, draw=0.0)
    assert child.waits == [0.5, 1.0, 2.0]


@simulated
async def test_what_only_a_person_can_mend_is_stopped_and_shown_and_harms_no_sibling(caplog: pytest.LogCaptureFixture) -> None:
    stopped, sibling = _Child([Config("The token is wrong. Put a new one into the file.")]), _Child([])
    supervisor = await _supervise({"stopped": stopped, "sibling": sibling})
    state = supervisor.states()["stopped"]
    assert (state.state, state.why) == ("stopped", "The token is wrong. Put a new one into the file.")
    assert [record.getMessage() for record in caplog.records] == ["stopped: The token is wrong. Put a new one into the file."]
    assert len(stopped.began) == 1
    assert supervisor.states()["sibling"].state == "ready"


async def _running(supervisor: Supervisor, child: _Child) -> asyncio.Task[None]:
    task = asyncio.create_task(supervisor.run({"a": child.run}))
    await asyncio.sleep(0.5)
    return task


@simulated
async def test_what_was_stopped_is_started_again_by_hand_as_often_as_somebody_asks() -> None:
    child = _Child([Config("The token is wrong."), Config("The token is wrong.")])
    supervisor = Supervisor(LoopClock(), lambda: 1.0)
    task = await _running(supervisor, child)
    await asyncio.sleep(10_000)
    for restarts, state in ((1, "stopped"), (2, "ready")):
        assert supervisor.retry("a")
        await asyncio.sleep(0.5)
        assert (supervisor.states()["a"].state, supervisor.states()["a"].restarts) == (state, restarts)
    task.cancel()
    await asyncio.wait([task])
    assert len(child.began) == 3


@simulated
async def test_a_wait_ends_at_once_by_hand_and_the_waits_begin_anew() -> None:
    child = _Child([Temporary("down") for _ in range(8)])
    supervisor = Supervisor(LoopClock(), lambda: 1.0)
    task = await _running(supervisor, child)
    await asyncio.sleep(40)  # within the wait of 32 s
    assert supervisor.states()["a"].state == "waiting"
    supervisor.retry("a")
    await asyncio.sleep(2)
    assert child.waits[-2:] == [pytest.approx(9.5), 1.0]
    task.cancel()
    await asyncio.wait([task])


@simulated
async def test_what_runs_is_left_alone_by_hand_also_when_it_fails_later() -> None:
    child = _Child([Temporary("down", retry_after_s=42.0)], serves_s=10.0)
    supervisor = Supervisor(LoopClock(), lambda: 1.0)
    task = await _running(supervisor, child)
    assert supervisor.retry("a")
    assert not supervisor.retry("b")
    await asyncio.sleep(100)
    assert child.waits == [42.0]
    task.cancel()
    await asyncio.wait([task])


@simulated
async def test_a_bug_is_contained_and_at_the_cap_if_it_happens_too_often() -> None:
    child = _Child([ValueError("a bug") for _ in range(BUGS_MAX + 1)])
    sibling = _Child([])
    supervisor = await _supervise({"child": child, "sibling": sibling})
    assert child.waits[: BUGS_MAX - 1] == [1, 2, 4, 8]
    assert child.waits[BUGS_MAX - 1] == BACK_OFF_S_MAX
    assert len(sibling.began) == 1
    assert supervisor.states()["child"].restarts == BUGS_MAX + 1


@simulated
async def test_a_child_that_served_for_a_while_begins_its_back_off_anew() -> None:
    child = _Child([Temporary("down") for _ in range(4)], serves_s=100.0)
    await _supervise({"a": child})
    assert child.waits == [1, 1, 1, 1]


@simulated
async def test_one_that_just_ends_is_started_again() -> None:
    child = _Child([None])
    await _supervise({"a": child})
    assert child.waits == [1]


@simulated
async def test_a_failed_journal_ends_everything() -> None:
    supervisor = Supervisor(LoopClock(), lambda: 1.0)
    with pytest.raises(ExceptionGroup) as failed:
        await supervisor.run({"a": _Child([JournalFailed("disk")]).run, "b": _Child([]).run})
    assert failed.group_contains(JournalFailed)
