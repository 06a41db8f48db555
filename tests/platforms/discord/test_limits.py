from __future__ import annotations

from holdfast.platforms.discord.limits import EVERYWHERE, SHUT_MAX, Limits, route_of
from holdfast.testing.clock import ManualClock


def test_what_discord_counts_together_has_one_name() -> None:
    assert route_of("POST", "/channels/1/messages") == "POST /channels/1/messages"
    assert route_of("PATCH", "/channels/1/messages/2") == route_of("PATCH", "/channels/1/messages/3") == "PATCH /channels/1/messages/ID"
    assert route_of("GET", "/channels/1/messages") != route_of("GET", "/channels/2/messages")
    assert route_of("GET", "/gateway/bot") == "GET /gateway/bot"


def test_a_route_that_is_used_up_is_shut_until_it_is_not() -> None:
    clock = ManualClock()
    limits = Limits(clock)
    limits.note("one", {"x-ratelimit-remaining": "1", "x-ratelimit-reset-after": "5"})
    assert limits.wait_s("one") == 0
    limits.note("one", {"x-ratelimit-remaining": "0", "x-ratelimit-reset-after": "5"})
    limits.note("two", {"x-ratelimit-remaining": "0", "x-ratelimit-reset-after": "soon"})
    assert (limits.wait_s("one"), limits.wait_s("two")) == (5, 0)
    limits.shut(EVERYWHERE, 7)
    assert (limits.wait_s("one"), limits.wait_s("two")) == (7, 7)
    clock.advance(7)
    assert limits.wait_s("one") == 0


def test_what_is_open_again_is_forgotten() -> None:
    clock = ManualClock()
    limits = Limits(clock)
    for number in range(SHUT_MAX + 1):
        limits.shut(f"{number}", 1)
    clock.advance(2)
    limits.shut("one more", 1)
    assert len(limits._shut) == 1
