"""Broken answers, byte for byte. No library rejects them by default (PROVIDERS.md section 1); none may get through here."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from holdfast.core.request import Request, User
from holdfast.models import Endpoint
from holdfast.models.openai_chat import OpenAIChat
from holdfast.ports import ModelFailed, RawFailure
from holdfast.testing.model_rig import KEY, Open
from holdfast.testing.stub_provider import (
    CHUNKED,
    End,
    Reply,
    answering,
    call,
    chunk,
    delta,
    event,
    events,
    finish,
    head,
    http,
    more,
    text,
    usage,
)

HALF_A_TEXT = events(delta(role="assistant", content=""), text("Half an "), done=False)
HALF_A_CALL = events(call(0, "get_time", '{"tz": '), done=False)


# --- the table of PROVIDERS.md ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [b"", event("[DONE]"), event(usage(1, 1)) + event("[DONE]")], ids=["nothing", "done", "usage"])
async def test_a_clean_end_in_mid_text_is_a_failure(to: Open, ending: bytes) -> None:
    route = await to(Reply(http(HALF_A_TEXT + ending)))
    failure = await route.fails()
    assert (failure.status, failure.transport) == (200, "eof-clean")
    assert failure.body.startswith('data: {"id": "c1"')
    assert route.shown == ["", "Half an "]


async def test_a_clean_end_inside_tool_arguments_is_a_failure(to: Open) -> None:
    failure = await (await to(Reply(http(HALF_A_CALL + event("[DONE]"))))).fails()
    assert failure.transport == "eof-clean"


async def test_half_tool_arguments_are_a_failure_even_where_the_server_says_that_it_finished(to: Open) -> None:
    failure = await (await to(Reply(http(HALF_A_CALL + events(finish("tool_calls")))))).fails()
    assert "'get_time' whose arguments are not a JSON object" in failure.why


@pytest.mark.parametrize(
    "said",
    [
        event({"error": {"message": "overloaded", "code": 503}}),
        event({"error": "overloaded"}),
        b'event: error\ndata: {"message": "overloaded"}\n\n',
    ],
)
async def test_an_error_event_in_the_stream_is_a_failure(to: Open, said: bytes) -> None:
    failure = await (await to(Reply(http(HALF_A_TEXT + said + event("[DONE]"))))).fails()
    assert failure.status == 200
    assert failure.why.endswith("reported an error instead of an answer: overloaded")
    assert "overloaded" in failure.body


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b'{"error": {"message": "no such model"}}', "application/json", "no such model"),
        (b"<html><body>502 Bad Gateway</body></html>", "text/html", "<html><body>502 Bad Gateway</body></html>"),
        (b"", "text/event-stream", "the body is empty"),
        (event("[DONE]"), "text/event-stream", "data: [DONE]"),
    ],
    ids=["json", "html", "nothing", "done"],
)
async def test_a_success_without_a_stream_is_a_failure(to: Open, body: bytes, content_type: str, said: str) -> None:
    route = await to(Reply(http(body, 200, content_type)))
    failure = await route.fails()
    assert (failure.status, failure.body) == (200, body.decode())
    assert failure.why.endswith(f"sent no answer: {said}")
    assert route.shown == []


async def test_an_upstream_killed_behind_a_proxy_that_ends_cleanly_is_a_failure(to: Open) -> None:
    failure = await (await to(Reply(CHUNKED, chunk(HALF_A_TEXT), chunk(b""), end="close"))).fails()
    assert (failure.status, failure.transport) == (200, "eof-clean")


async def test_an_upstream_killed_behind_a_proxy_that_breaks_off_is_a_failure(to: Open) -> None:
    failure = await (await to(Reply(CHUNKED, chunk(HALF_A_TEXT), end="close"))).fails()
    assert (failure.status, failure.transport) == (200, "reset")
    assert failure.exception.startswith("RemoteProtocolError: ")


# --- more ways to break -------------------------------------------------------------------------------------------------------------


async def test_every_cut_of_an_answer_is_a_failure_until_its_finish_reason_is_there(to: Open) -> None:
    whole = events(text("Hello"), call(0, "get_time", "{}"), finish("tool_calls"), done=False)
    complete = whole.rindex(b"\n\n")
    route = await to([Reply(head() + whole[:cut], end="close") for cut in range(0, complete, 3)] + [Reply(head() + whole, end="close")])
    for _ in range(0, complete, 3):
        await route.fails()
    assert (await route.ask()).calls == (("get_time", "{}"),)


async def test_a_reset_in_mid_answer_is_a_failure(to: Open) -> None:
    failure = await (await to(Reply(CHUNKED, chunk(HALF_A_TEXT), end="reset"))).fails()
    assert (failure.status, failure.transport) == (200, "reset")


async def test_a_connection_that_closes_without_an_answer_is_a_failure(to: Open) -> None:
    failure = await (await to(Reply(end="close"))).fails()
    assert failure.status is None
    assert failure.exception == "RemoteProtocolError: Server disconnected without sending a response."


async def test_a_refused_connection_is_a_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        failure = await failure_of(Endpoint(name="main", base_url=base_url, model="m"))
    assert failure.exception.startswith("ConnectError: [Errno 111]")
    assert "can't be reached" in failure.why


async def test_a_host_that_does_not_answer_at_all_is_given_up_after_the_connect_time_out() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (first, second):  # they fill the queue of a server that accepts nobody
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        base_url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        failure = await failure_of(Endpoint(name="main", base_url=base_url, model="m", connect_timeout_s=0.05))
    assert failure.exception.startswith("ConnectTimeout")


async def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    failure = await failure_of(Endpoint(name="main", base_url="http://nowhere.invalid/v1", model="m"))
    assert failure.exception.startswith("ConnectError: ")
    assert failure.why.startswith("nowhere.invalid can't be reached")


@pytest.mark.parametrize("base_url", ["", "nonsense", "http://", "http://[::1/v1", "http://host:port/v1", "ftp://host/v1"])
async def test_an_address_that_is_none_is_a_failure(base_url: str) -> None:
    assert (await failure_of(Endpoint(name="main", base_url=base_url, model="m"))).status is None


async def test_a_key_that_no_header_can_carry_is_a_failure() -> None:
    failure = await failure_of(Endpoint(name="main", base_url="http://127.0.0.1:9/v1", model="m", api_key="sk-\nü"))
    assert "sk-" not in repr(failure)


async def failure_of(endpoint: Endpoint) -> RawFailure:
    model = OpenAIChat(endpoint)
    with pytest.raises(ModelFailed) as caught:
        await model.call(Request("", (User("Hi"),)), lambda _: None)
    await model.close()
    return caught.value.failure


async def test_silence_before_the_headers_ends_at_the_first_time_out(to: Open) -> None:
    route = await to(Reply(end="hang"), first_event_timeout_s=0.05)
    failure = await route.fails()
    assert failure.status is None
    assert "sent nothing for 0.05 s" in failure.why
    await route.stub.wait_for_left(1)


async def test_silence_after_the_headers_ends_at_the_first_time_out(to: Open) -> None:
    failure = await (await to(Reply(CHUNKED, chunk(b": still loading\n\n"), end="hang"), first_event_timeout_s=0.05)).fails()
    assert (failure.status, failure.body) == (200, ": still loading\n\n")
    assert "sent nothing of an answer for 0.05 s" in failure.why


async def test_silence_in_mid_answer_ends_at_the_idle_time_out(to: Open) -> None:
    route = await to(Reply(CHUNKED, chunk(HALF_A_TEXT), end="hang"), idle_timeout_s=0.05)
    assert "stopped in the middle of its answer for 0.05 s" in (await route.fails()).why
    await route.stub.wait_for_left(1)


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


@pytest.mark.parametrize("arguments", ['{"a": ', "[]", '"text"', "null", "NaN", '{"a": 1} and more', " "])
async def test_arguments_that_are_not_an_object_are_a_failure(to: Open, arguments: str) -> None:
    assert "not a JSON object" in (await (await to(Reply(http(events(call(0, "t", arguments), finish("tool_calls")))))).fails()).why


async def test_one_broken_call_of_several_breaks_them_all(to: Open) -> None:
    await (await to(Reply(http(events(call(0, "a", "{}"), call(1, "b", '{"x"'), finish("tool_calls")))))).fails()


async def test_a_call_without_a_name_is_a_failure(to: Open) -> None:
    failure = await (await to(Reply(http(events(call(0, "a", "{}"), more(1, "{}"), finish("tool_calls")))))).fails()
    assert "without the tool's name" in failure.why


async def test_arguments_that_the_limit_of_length_cut_off_before_they_began_are_a_failure(to: Open) -> None:
    await (await to(Reply(http(events(call(0, "a", ""), finish("length")))))).fails()


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


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503])
async def test_an_error_status_keeps_everything(to: Open, status: int) -> None:
    body = json.dumps({"error": {"message": f"You sent {KEY}."}}).encode()
    route = await to(Reply(http(body, status, "application/json", {"retry-after": "7", "x-echo": KEY})))
    failure = await route.fails()
    assert failure.status == status
    assert failure.why.endswith(f"answered with HTTP status {status}: You sent ***.")
    assert failure.body == '{"error": {"message": "You sent ***."}}'
    assert ("retry-after", "7") in failure.headers and ("x-echo", "***") in failure.headers
    assert len(route.stub.hits) == 1


async def test_no_more_of_an_error_is_read_than_is_kept(to: Open) -> None:
    route = await to(Reply(CHUNKED.replace(b"200 OK", b"500 Oh"), *(chunk(b"x" * 60_000) for _ in range(3)), end="hang"))
    assert len((await route.fails()).body) <= 64 * 1024 + 1
    await route.stub.wait_for_left(1)


async def test_of_a_long_answer_the_beginning_and_the_end_are_kept(to: Open) -> None:
    stream = events(text("first"), *(text("x" * 1000) for _ in range(300)), text("last"), done=False)
    body = (await (await to(Reply(http(stream)))).fails()).body
    assert len(body) <= 64 * 1024 + 1
    assert "first" in body and "last" in body


# --- what is whole --------------------------------------------------------------------------------------------------------------------


async def test_an_answer_cut_by_the_limit_of_length_is_complete_if_it_has_text(to: Open) -> None:
    assert (await (await to(Reply(http(events(text("So far"), finish("length")))))).ask()).text == "So far"


@pytest.mark.parametrize("end", ["close", "reset", "hang"])
async def test_once_the_finish_reason_is_there_the_connection_may_do_what_it_likes(
    to: Open, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.models.wire.REST_S", 0.05)
    route = await to(Reply(CHUNKED, chunk(events(text("Whole."), finish(), done=False)), end=end))
    assert (await route.ask()).text == "Whole."


async def test_a_cancelled_call_closes_its_connection(to: Open) -> None:
    route = await to([Reply(CHUNKED, chunk(HALF_A_TEXT), end="hang"), answering("Well.")])
    call_ = asyncio.ensure_future(route.ask())
    await route.stub.wait_for_hits(1)
    await route.wait_for_shown("Half an ")
    call_.cancel()
    await asyncio.wait((call_,))
    assert call_.cancelled()
    await asyncio.wait_for(route.stub.wait_for_left(1), 5)
    assert (await route.ask()).text == "Well."


async def test_a_connection_is_used_again(to: Open) -> None:
    route = await to(answering("Well."))
    for _ in range(5):
        await route.ask()
    assert len(route.stub.hits) == 5
    assert route.stub.connections == 1
