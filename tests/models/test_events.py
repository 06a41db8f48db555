"""Broken answers of the dialect openai-chat, as far as they are its own (`test_complete.py` has those of every dialect)."""

from __future__ import annotations

import pytest

from holdfast.testing.model_rig import Open
from holdfast.testing.stub_provider import (
    CHUNKED,
    End,
    Reply,
    call,
    chunk,
    delta,
    event,
    events,
    finish,
    http,
    more,
    text,
    usage,
)

HALF_A_TEXT = events(delta(role="assistant", content=""), text("Half an "), done=False)
HALF_A_CALL = events(call(0, "get_time", '{"tz": '), done=False)


# --- broken ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [b"", event("[DONE]"), event(usage(1, 1)) + event("[DONE]")], ids=["nothing", "done", "usage"])
async def test_a_clean_end_in_mid_text_is_a_failure(to: Open, ending: bytes) -> None:
    route = await to(Reply(http(HALF_A_TEXT + ending)))
    failure = await route.fails()
    assert (failure.status, failure.transport) == (200, "eof-clean")
    assert failure.body.startswith('data: {"id": "c1"')
    assert route.shown == ["", "Half an "]


async def test_half_tool_arguments_are_a_failure_even_where_the_server_says_that_it_finished(to: Open) -> None:
    failure = await (await to(Reply(http(HALF_A_CALL + events(finish("tool_calls")))))).fails()
    assert "'get_time' whose arguments are not a JSON object" in failure.why


@pytest.mark.parametrize(
    "answer",
    [
        events(finish()),
        events(text(""), finish()),
        events(text(" \n"), finish()),
        events(text("<think>only thoughts</think>\n"), finish()),
        events(text("<think>never closed"), finish()),
        events(delta(reasoning_content="only thoughts"), finish()),
        events(delta(refusal="I won't."), finish()),
        events(finish("length")),
    ],
)
async def test_an_empty_answer_is_a_failure(to: Open, answer: bytes) -> None:
    assert "sent an empty answer" in (await (await to(Reply(http(answer)))).fails()).why


async def test_a_call_that_loses_its_number_before_its_name_is_a_failure(to: Open) -> None:
    said = events(
        text("a"), call(0, "a", ""), delta(tool_calls=[{"index": "x", "function": {"arguments": "{}"}}]), text("b"), finish("tool_calls")
    )
    assert "without the tool's name" in (await (await to(Reply(http(said)))).fails()).why


async def test_a_call_without_a_name_is_a_failure(to: Open) -> None:
    failure = await (await to(Reply(http(events(call(0, "a", "{}"), more(1, "{}"), finish("tool_calls")))))).fails()
    assert "without the tool's name" in failure.why


@pytest.mark.parametrize(
    "said",
    [
        b"data: {not json}\n\n",
        b"data: \xff\n\n",
        event("[1]"),
        event({"choices": "text"}),
        event({"choices": ["text"]}),
        event({"choices": [{"delta": "text"}]}),
        event({"choices": [{"delta": {"content": 5}}]}),
        event({"choices": [{"delta": {"content": [{"type": "text"}]}}]}),
        event({"choices": [{"delta": {"tool_calls": "text"}}]}),
        event({"choices": [{"delta": {"tool_calls": [{"index": {}, "function": {"name": 5}}]}}]}),
        event({"choices": [{"delta": {"tool_calls": [{"function": "text"}]}}]}),
        event({"choices": [{"delta": {}, "finish_reason": 5}]}),
    ],
)
async def test_an_event_of_another_shape_is_a_failure_and_never_a_crash(to: Open, said: bytes) -> None:
    failure = await (await to(Reply(http(said + events(text("Hello"), finish()))))).fails()
    assert failure.status == 200


# --- what is whole --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "reset", "hang"])
async def test_once_the_finish_reason_is_there_the_connection_may_do_what_it_likes(
    to: Open, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.models.wire.REST_S", 0.05)
    route = await to(Reply(CHUNKED, chunk(events(text("Whole."), finish(), done=False)), end=end))
    assert (await route.ask()).text == "Whole."
