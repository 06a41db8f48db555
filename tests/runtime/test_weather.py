from __future__ import annotations

import pytest
from runtime_rig import GATE as G
from runtime_rig import fail, weather_of

from holdfast.core.failure import Failure, Kind
from holdfast.core.weather import GateRow
from holdfast.runtime.weather import GateClosed, GateSettings, Weather
from holdfast.testing.clock import ManualClock


async def test_after_an_outage_it_lets_one_through_then_two_four_eight() -> None:
    weather, clock, _ = weather_of(places=8)
    await fail(weather, "refused")
    assert weather.admits() == {G: 0}
    clock.advance(1.0)
    waves = [weather.admits()[G]]
    for _ in range(3):
        for _ in range(waves[-1]):
            weather.opened(G)
        waves.append(weather.admits()[G])
    assert waves == [1, 2, 4, 8]


async def test_the_wait_is_drawn_doubled_written_down_and_survives_a_restart() -> None:
    weather, clock, journal = weather_of(draw=0.5)
    await fail(weather, "refused")
    clock.advance(0.5)
    await fail(weather, "refused")
    row = journal.disk.gates[G]
    assert (row.until, row.streak) == (clock.now() + 1.0, 2)
    again = Weather(journal, clock, lambda: 1.0, [GateSettings(G, "f1", 8)], [row])
    assert not again.is_open(G, "a")
    assert again.next_change(clock.now()) == row.until
    clock.advance(1.0)
    assert again.admits() == {G: 1}


async def test_a_gate_that_closed_before_the_clock_was_set_back_is_tried_after_its_longest_wait() -> None:
    clock = ManualClock()
    weather, clock, _ = weather_of(row=GateRow(G, "f1", until=clock.now() + 86_400.0, streak=3, since=1.0))
    clock.advance(121.0)
    assert weather.is_open(G, "a")


async def test_where_the_clock_is_set_each_closed_gate_lets_one_through() -> None:
    weather, *_ = weather_of()
    await fail(weather, "refused", retry_after_s=86_400.0)  # as if the clock had been set back after a short wait was drawn
    assert weather.admits() == {G: 0}
    weather.hasten()
    assert weather.admits() == {G: 1}


async def test_another_configuration_forgets_the_weather_of_the_old_one() -> None:
    closed = GateRow(G, "f1", until=2e9, streak=9, since=1.0)
    weather, *_ = weather_of(row=closed, fingerprint="f2")
    assert weather.is_open(G, "a")
    assert weather.admits() == {G: 1}, "one call first: nobody knows yet whether it works"


async def test_a_route_that_worked_before_lets_as_many_through_at_once_as_it_has_places() -> None:
    weather, *_ = weather_of(row=GateRow(G, "f1", last_ok=1.0))
    assert weather.admits() == {G: 8}


async def test_a_route_that_was_never_tried_costs_one_call_if_it_is_configured_wrong() -> None:
    weather, *_ = weather_of()
    async with weather.place(G, "a"):
        assert not weather.is_open(G, "b")
        with pytest.raises(GateClosed):
            async with weather.place(G, "b"):
                pass
        weather.opened(G)
        assert weather.is_open(G, "b")


async def test_calls_that_were_under_way_together_fail_together() -> None:
    weather, clock, journal = weather_of()
    began = clock.now()
    clock.advance(1.0)
    for _ in range(5):
        await weather.failed(G, began, Failure("transient", reason="reset"))
        clock.advance(0.1)
    assert journal.disk.gates[G].streak == 1


async def test_a_mistake_is_tried_every_five_minutes_and_when_a_person_writes_at_most_every_thirty_seconds() -> None:
    """LEDGER part I rows 14 and 15: a wrong model name, and a hundred messages."""
    weather, clock, journal = weather_of(places=8)
    await fail(weather, "no such model", kind="config")
    assert journal.disk.gates[G].until == clock.now() + 300.0
    calls = 0
    for _ in range(100):  # a hundred messages, one a second
        clock.advance(1.0)
        weather.press("a")
        if weather.is_open(G, "a"):
            async with weather.place(G, "a"):
                calls += 1
            await fail(weather, "no such model", kind="config")
    assert calls == 3
    weather.give_back("a")
    clock.advance(60.0)
    assert not weather.is_open(G, "a"), "nobody has written"
    clock.advance(240.0)
    assert weather.admits() == {G: 1}


async def test_an_outage_is_not_tried_sooner_because_somebody_writes() -> None:
    weather, clock, _ = weather_of()
    await fail(weather, "refused", retry_after_s=100.0)
    clock.advance(60.0)
    weather.press("a")
    assert not weather.is_open(G, "a")


async def test_one_presses_at_a_time() -> None:
    weather, clock, _ = weather_of()
    await fail(weather, "bad key", kind="config")
    clock.advance(31.0)
    weather.press("a")
    weather.press("b")
    async with weather.place(G, "a"):
        assert not weather.is_open(G, "b")


@pytest.mark.parametrize(
    ("kind", "hint", "waits"),
    [
        ("transient", None, 1.0),
        ("transient", 600.0, 120.0),
        ("rate-limit", 600.0, 600.0),
        ("rate-limit", 1e9, 86_400.0),
        ("quota", None, 3600.0),
        ("quota", 7 * 86_400.0, 7 * 86_400.0),
        ("config", 1.0, 300.0),
        ("unknown", None, 1.0),
    ],
)
async def test_how_long_a_gate_stays_closed_is_a_matter_of_the_failure(kind: Kind, hint: float | None, waits: float) -> None:
    weather, clock, journal = weather_of(draw=1.0)
    await fail(weather, "no", hint, kind)
    row = journal.disk.gates[G]
    assert row.until == clock.now() + waits
    again = Weather(journal, clock, lambda: 1.0, [GateSettings(G, "f1", 8)], [row])
    assert again.row(G).until == row.until, "a restart forgets nothing"


async def test_who_fails_while_others_get_through_is_at_fault_itself() -> None:
    weather, clock, _ = weather_of()
    assert not weather.missed(G, "a")
    clock.advance(200.0)
    await weather.succeeded(G, "b")
    clock.advance(1.0)
    assert not weather.missed(G, "c"), "its first"
    assert weather.missed(G, "a")
    clock.advance(10.0)
    assert not weather.missed(G, "a"), "nobody has got through since: it may be an outage"
    await weather.succeeded(G, "a")
    assert not weather.missed(G, "a")


async def test_a_provider_that_says_when_is_believed() -> None:
    weather, clock, journal = weather_of()
    await fail(weather, "too many", retry_after_s=77.0)
    assert journal.disk.gates[G].until == clock.now() + 77.0


async def test_who_has_written_once_has_a_mistake_tried_once() -> None:
    weather, clock, _ = weather_of()
    await fail(weather, "bad key", kind="config")
    weather.press("a")
    clock.advance(31.0)
    async with weather.place(G, "a"):
        pass
    await fail(weather, "bad key", kind="config")
    clock.advance(31.0)
    assert not weather.is_open(G, "a"), "its worker is still there, for a slow delivery, say"
    weather.press("a")
    assert weather.is_open(G, "a")


async def test_a_clock_that_was_set_back_makes_no_outage_a_conversations_own_fault() -> None:
    weather, clock, _ = weather_of()
    await weather.succeeded(G, "b")
    clock.wall -= 86_400.0
    assert not weather.missed(G, "a")
    clock.advance(10.0)
    assert not weather.missed(G, "a"), "nobody has got through since, whatever the clock says"


async def test_however_often_it_was_tried_by_hand_a_gate_is_closed_no_longer_than_its_class_ever_is() -> None:
    weather, clock, journal = weather_of(draw=0.0)
    for _ in range(100):
        await fail(weather, "refused")
        await weather.retry(G)
    await fail(weather, "refused")
    assert journal.disk.gates[G].until == clock.now() + 120.0


async def test_what_fails_at_once_and_asks_to_be_tried_at_once_is_tried_ten_times_and_then_once_in_ten_seconds() -> None:
    """LEDGER side note b: a fallback loop can't spin."""
    weather, clock, _ = weather_of(row=GateRow(G, "f1", last_ok=1.0))
    calls = 0
    began = clock.now()
    while clock.now() < began + 1000.0:
        if not weather.is_open(G, "a"):
            clock.advance(0.5)
            continue
        async with weather.place(G, "a"):
            calls += 1
        await fail(weather, "slow down", 0.0, "rate-limit")
    assert 100 <= calls <= (10 + 1000 / 10) / 0.8 + 1


async def test_retries_of_a_conversations_own_come_out_of_the_same_budget() -> None:
    weather, *_ = weather_of()
    assert [weather.retry_in(G) for _ in range(12)] == [0.0] * 10 + [10.0, 20.0]


async def test_somebody_is_told_whenever_more_may_be_let_in() -> None:
    weather, clock, _ = weather_of()
    told: list[str] = []
    await fail(weather, "refused")
    clock.advance(1.0)
    weather.listeners.append(lambda: told.append("changed"))
    async with weather.place(G, "a"):
        weather.opened(G)
        assert told == ["changed"]
    await weather.succeeded(G, "a")
    assert len(told) == 2, "one more for the first event, and everybody for the answer"
    told.clear()
    await weather.succeeded(G, "a")
    assert told == []


async def test_only_news_is_written_down() -> None:
    weather, _, journal = weather_of()
    await weather.succeeded(G, "a")
    first = journal.disk.gates[G]
    await weather.succeeded(G, "a")
    assert journal.disk.gates[G] is first


async def test_a_retry_by_hand_lets_one_through_now() -> None:
    weather, *_ = weather_of()
    for _ in range(3):
        await fail(weather, "refused", retry_after_s=1000.0)
    assert await weather.retry(G)
    assert weather.admits() == {G: 1}
    assert not await weather.retry("route:none")


async def test_an_outage_is_one_line_in_the_log_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    weather, clock, _ = weather_of()
    for _ in range(5):
        await fail(weather, "refused")
        clock.advance(200.0)
    await weather.succeeded(G, "a")
    await weather.succeeded(G, "a")
    assert [record.getMessage() for record in caplog.records] == [
        f"{G} is closed, and tried again by itself: refused",
        f"{G} is back after 1000 s",
    ]


async def test_an_answer_that_broke_off_shows_that_the_endpoint_is_the_right_one() -> None:
    """So that a 404 of a server that starts again, right after the first answer of all, is weather."""
    weather, _, journal = weather_of()
    await fail(weather, "refused")
    assert not journal.disk.gates[G].last_ok
    weather.opened(G)
    await fail(weather, "cut")
    assert journal.disk.gates[G].last_ok
