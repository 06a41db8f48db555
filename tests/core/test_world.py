from __future__ import annotations

from holdfast.core import turn, words
from holdfast.core.entries import Entry, UserMessage
from holdfast.core.steps import CallModel
from holdfast.core.transcript import Transcript
from holdfast.core.world import Chain, Needs, Route, World, able, first_open, gates

BLIND = Route("blind", "route:blind")
EYES = Route("eyes", "route:eyes", images=True)
SMALL, LARGE = Route("small", "route:small", window=1000), Route("large", "route:large", window=9000)
MUTE = Route("mute", "route:mute", tools=False)
PICTURES = Needs(pictures=True)


def test_pictures_pass_over_the_routes_that_see_none() -> None:
    assert first_open(able((BLIND, EYES), Needs())) == BLIND
    assert first_open(able((BLIND, EYES), PICTURES)) == EYES
    assert gates(able((BLIND, EYES), PICTURES)) == "route:eyes"
    assert words.passed_over(BLIND, PICTURES) == "blind is passed over, since it can't see pictures."


def test_pictures_wait_for_a_route_that_sees_rather_than_go_unseen() -> None:
    assert first_open(able((BLIND, Route("eyes", "route:eyes", open=False, images=True)), PICTURES)) is None


def test_where_no_route_can_do_a_thing_the_request_goes_without_it() -> None:
    assert able((BLIND,), PICTURES) == (BLIND,)
    assert able((MUTE,), Needs(tools=True)) == (MUTE,)
    assert able((SMALL,), Needs(tokens=5000)) == (SMALL,), "it has to show itself too long"
    assert able((), Needs(True, True, 5, True)) == ()


def test_tools_pass_over_the_routes_that_call_none() -> None:
    assert able((MUTE, BLIND), Needs(tools=True)) == (BLIND,)
    assert able((MUTE, BLIND), Needs()) == (MUTE, BLIND)
    assert words.passed_over(MUTE, Needs(tools=True)) == "mute is passed over, since it can't call tools."


def test_for_the_gateways_own_tools_no_route_is_passed_over_and_they_are_offered_where_they_can_be() -> None:
    asked = Transcript([Entry(1, 0.0, 0, UserMessage(author="ann", id="m", text="Hi"))])
    for servers, chain, route, offered in (
        (False, (MUTE, BLIND), "mute", False),
        (False, (BLIND,), "blind", True),
        (True, (MUTE, BLIND), "blind", True),
    ):
        (step,) = turn.steps(asked, 1, World(routes=chain, tools=servers), 0.0).wanted
        assert isinstance(step, CallModel) and (step.route, step.tools) == (route, offered)


def test_a_long_conversation_passes_over_the_routes_whose_window_is_too_small() -> None:
    assert able((SMALL, LARGE), Needs(tokens=1000)) == (SMALL, LARGE)
    assert able((SMALL, LARGE, BLIND), Needs(tokens=1001)) == (LARGE, BLIND), "of a window that nobody named nothing bad is thought"
    said = words.passed_over(SMALL, Needs(tokens=1001))
    assert said == "small is passed over, since this conversation (about 1,001 tokens) is too long for it (1,000)."


def test_what_is_too_long_goes_to_the_route_with_the_largest_window() -> None:
    assert able((SMALL, LARGE), Needs(widest=True)) == (LARGE,)
    assert able((BLIND,), Needs(widest=True)) == (BLIND,)


def test_a_turn_uses_what_was_chosen_or_what_is_meant_for_its_kind_of_work() -> None:
    chains: dict[str, Chain] = {"big": (LARGE, BLIND), "small": (SMALL,)}
    world = World((BLIND,), chains)
    assert (world.chain(""), world.chain("big"), world.chain("small")) == ((BLIND,), (LARGE, BLIND), (SMALL,))
    assert world.chain("gone from the configuration") == (BLIND,)
    assert world.chain("big", scheduled=True) == (LARGE, BLIND)
    assert World((BLIND,), chains, scheduled=(SMALL,)).chain("big", scheduled=True) == (SMALL,)
