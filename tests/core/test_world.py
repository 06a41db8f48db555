from __future__ import annotations

from holdfast.core.world import Route, World

BLIND = Route("blind", "route:blind")
EYES = Route("eyes", "route:eyes", images=True)


def test_pictures_pass_over_the_routes_that_see_none() -> None:
    world = World((BLIND, EYES))
    assert (world.route(), world.route(pictures=True)) == (BLIND, EYES)
    assert (world.turn_gate(), world.turn_gate(pictures=True)) == ("route:blind route:eyes", "route:eyes")


def test_pictures_wait_for_a_route_that_sees_rather_than_go_unseen() -> None:
    closed = Route("eyes", "route:eyes", open=False, images=True)
    assert World((BLIND, closed)).route(pictures=True) is None


def test_what_is_too_long_goes_to_the_route_with_the_largest_window() -> None:
    small, large = Route("small", "route:small", window=1000), Route("large", "route:large", window=9000)
    assert World((small, large)).route(widest=True) == large
    assert World((small, large)).turn_gate(widest=True) == "route:large"
    assert World((BLIND,)).route(widest=True) == BLIND
    assert World(()).route(widest=True) is None


def test_where_no_route_sees_a_request_goes_without_pictures() -> None:
    assert World((BLIND,)).route(pictures=True) == BLIND
