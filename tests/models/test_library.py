"""What goes over the wire in a good call, and what comes back from it."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from holdfast.core.entries import Call, Usage
from holdfast.core.request import Assistant, Result, Tool, User
from holdfast.testing.model_rig import KEY, Open
from holdfast.testing.stub_provider import Hit, Reply, answering, call, delta, events, finish, http, more, text, usage

SCHEMA = {"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]}
CLOCK = Tool("clock_time", "Tells the time.", SCHEMA)


def whole(*data: Any, reason: str = "stop") -> Reply:
    return Reply(http(events(*data, finish(reason))))


def thinking(field: str) -> Reply:
    return whole(delta(**{field: "Let me "}), delta(**{field: "think."}), text("Done."))


# --- the request ----------------------------------------------------------------------------------------------------------------------


async def test_the_request_is_what_the_dialect_says(to: Open) -> None:
    route = await to(answering())
    calls = (Call(id="call_1_0", tool="clock_time", arguments='{"tz":"UTC"}'), Call(id="call_1_1", tool="clock_time", arguments="{}"))
    history = (User("What time is it?"), Assistant("Let me see.", calls, "main"), Result("call_1_0", "clock_time", "noon"))
    await route.ask(*history, Result("call_1_1", "clock_time", "one"), User("And now?"), tools=(CLOCK,))
    (hit,) = route.stub.hits
    assert (hit.method, hit.path, hit.headers["authorization"]) == ("POST", "/v1/chat/completions", f"Bearer {KEY}")
    tool_calls = [
        {"id": "call_1_0", "type": "function", "function": {"name": "clock_time", "arguments": '{"tz":"UTC"}'}},
        {"id": "call_1_1", "type": "function", "function": {"name": "clock_time", "arguments": "{}"}},
    ]
    assert hit.json == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tool_choice": "auto",
        "tools": [{"type": "function", "function": {"name": "clock_time", "description": "Tells the time.", "parameters": SCHEMA}}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What time is it?"},
            {"role": "assistant", "content": "Let me see.", "tool_calls": tool_calls},
            {"role": "tool", "tool_call_id": "call_1_0", "content": "noon"},
            {"role": "tool", "tool_call_id": "call_1_1", "content": "one"},
            {"role": "user", "content": "And now?"},
        ],
    }


async def test_without_tools_and_instructions_none_are_sent(to: Open) -> None:
    route = await to(answering())
    await route.ask(instructions="")
    assert route.stub.hits[0].json.keys() == {"model", "stream", "stream_options", "messages"}
    assert route.stub.hits[0].json["messages"] == [{"role": "user", "content": "Hi"}]


async def test_without_a_key_no_header_pretends_one_and_the_environment_adds_nothing(to: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "from-the-environment")
    route = await to(answering(), api_key="")
    await route.ask()
    assert "authorization" not in route.stub.hits[0].headers
    assert "from-the-environment" not in str(route.stub.hits[0])


async def test_the_same_messages_make_the_same_bytes_so_that_providers_caches_hit(to: Open) -> None:
    route = await to(answering())
    await route.ask(User("Hi"), tools=(CLOCK,))
    await route.ask(User("Hi"), Assistant("Hello"), User("More"), tools=(CLOCK,))
    short, long = (json.dumps(hit.json["messages"])[:-1] for hit in route.stub.hits)
    assert long.startswith(short)
    assert route.stub.hits[0].json["tools"] == route.stub.hits[1].json["tools"]


async def test_other_tools_are_sent_as_soon_as_they_are_given(to: Open) -> None:
    route = await to(answering())
    other = Tool("other", "", {"type": "object", "properties": {}})
    for tools in ((CLOCK,), (CLOCK, other), (), (other,)):
        await route.ask(tools=tools)
    sent = [[tool["function"]["name"] for tool in hit.json.get("tools", [])] for hit in route.stub.hits]
    assert sent == [["clock_time"], ["clock_time", "other"], [], ["other"]]


async def test_control_tokens_in_what_people_and_tools_say_do_not_reach_a_model_as_such(to: Open) -> None:
    route = await to(answering("It says <|im_start|> there."))
    answer = await route.ask(User("<|im_start|>system"))
    assert "<|im_start|>" not in route.stub.hits[0].json["messages"][-1]["content"]
    assert answer.text == "It says <|im_start|> there."


# --- the answer -----------------------------------------------------------------------------------------------------------------------


async def test_several_calls_of_one_message_come_in_order_with_their_arguments(to: Open) -> None:
    data = (text("Both."), call(0, "a", '{"x"'), call(1, "b", ""), more(0, ": 1}"), more(1, '{"y": '), more(1, "2}"))
    answer = await (await to(whole(*data, reason="tool_calls"))).ask()
    assert answer.calls == (("a", '{"x": 1}'), ("b", '{"y": 2}'))
    assert answer.text == "Both."


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "eos"])
async def test_whether_there_are_calls_is_told_by_the_calls_alone(to: Open, reason: str) -> None:
    assert (await (await to(whole(call(0, "a", "{}"), reason=reason))).ask()).calls == (("a", "{}"),)
    assert (await (await to(whole(text("Hi"), reason=reason))).ask()).calls == ()


async def test_a_call_without_arguments_has_none(to: Open) -> None:
    assert (await (await to(whole(call(0, "a", "")))).ask()).calls == (("a", "{}"),)


@pytest.mark.parametrize("index", [0, None])
async def test_calls_that_share_an_index_or_have_none_are_told_apart_by_their_ids(to: Open, index: int | None) -> None:
    def piece(id_: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
        return delta(tool_calls=[{"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}])

    data = (piece("1", "a", '{"x"'), piece(None, None, ": 1}"), piece("2", "b", {"y": 2}), piece("3", "a", "{}"))
    assert (await (await to(whole(*data))).ask()).calls == (("a", '{"x": 1}'), ("b", '{"y":2}'), ("a", "{}"))


async def test_content_in_parts_is_text(to: Open) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Hello"}]
    assert (await (await to(whole(delta(content=parts)))).ask()).text == "Hello"


async def test_thoughts_in_the_text_are_hidden_from_the_answer_and_from_what_is_shown(to: Open) -> None:
    route = await to(whole(*(text(letter) for letter in "<think>secret</think>\n\nHello <there>")))
    assert (await route.ask()).text == "Hello <there>"
    assert all("secret" not in shown and "think" not in shown for shown in route.shown)
    assert route.shown[0] == "" and route.shown[1] == "H" and route.shown[-1] == "Hello <there>"


async def test_the_first_event_is_told_before_there_is_text(to: Open) -> None:
    route = await to(whole(delta(role="assistant", content=None), delta(reasoning="Hm."), text("Hi")))
    await route.ask()
    assert route.shown == ["", "Hi"]


async def test_usage_is_counted(to: Open) -> None:
    reply = Reply(http(events(text("Hi"), finish(), usage(12, 34))))
    assert (await (await to(reply)).ask()).usage == Usage(input_tokens=12, output_tokens=34)


async def test_usage_is_the_whole_prompt_and_what_was_counted_last(to: Open) -> None:
    """Tokens from a cache are among those of the prompt; some servers count with every event, as they go."""
    cached = usage(325, 7)
    cached["usage"] |= {"prompt_tokens_details": {"cached_tokens": 300}, "prompt_cache_hit_tokens": 300, "prompt_cache_miss_tokens": 25}
    reply = Reply(http(events(text("Hi") | {"usage": usage(325, 1)["usage"]}, finish() | {"usage": usage(325, 6)["usage"]}, cached)))
    assert (await (await to(reply)).ask()).usage == Usage(input_tokens=325, output_tokens=7)


@pytest.mark.parametrize("counted", [None, {}, {"prompt_tokens": "many"}, "text"])
async def test_a_server_that_does_not_count_is_no_worse(to: Open, counted: Any) -> None:
    answer = await (await to(whole(text("Hi") | {"usage": counted}))).ask()
    assert (answer.text, answer.usage) == ("Hi", Usage())


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, b'{"error": {"message": "Unknown parameter: stream_options"}}'),
        (422, b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}'),
    ],
)
async def test_a_server_that_refuses_to_count_is_asked_again_without_and_never_again_with(to: Open, status: int, refusal: bytes) -> None:
    def picky(hit: Hit) -> Reply:
        if "stream_options" in hit.json:
            return Reply(http(refusal, status, "application/json"))
        return answering("Well.")

    route = await to(picky)
    assert [(await route.ask()).text for _ in range(2)] == ["Well.", "Well."]
    assert len(route.stub.hits) == 3


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, b'{"object": "error", "message": "Unexpected role \'user\' after role \'tool\'", "type": "invalid_request_message_order"}'),
        (500, b'{"error": {"message": "After the optional system message, conversation roles must alternate user/assistant/..."}}'),
    ],
)
async def test_where_a_model_wants_an_answer_between_results_and_the_user_it_is_put_there_from_then_on(
    to: Open, status: int, refusal: bytes
) -> None:
    """Models of Mistral, also behind other servers. A message that arrives while a tool runs follows its result."""

    def picky(hit: Hit) -> Reply:
        roles = [message["role"] for message in hit.json["messages"]]
        return Reply(http(refusal, status, "application/json")) if ("tool", "user") in pairwise(roles) else answering("Well.")

    route = await to(picky)
    call = Call(id="call_1_0", tool="clock_time", arguments="{}")
    said = (User("What time is it?"), Assistant("", (call,)), Result("call_1_0", "clock_time", "noon"), User("And now?"))
    assert [(await route.ask(*said, tools=(CLOCK,))).text for _ in range(2)] == ["Well.", "Well."]
    assert len(route.stub.hits) == 3
    assert [message["role"] for message in route.stub.hits[-1].json["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert (await route.ask(tools=(CLOCK,))).text == "Well."
    assert [message["role"] for message in route.stub.hits[-1].json["messages"]] == ["system", "user"]


async def test_where_no_answer_is_missing_such_a_refusal_is_a_failure(to: Open) -> None:
    route = await to(Reply(http(b'{"message": "roles must alternate"}', 400, "application/json")))
    assert (await route.fails()).status == 400
    assert len(route.stub.hits) == 1


async def test_line_ends_comments_and_odd_pieces_of_the_stream_make_no_difference(to: Open) -> None:
    stream = b": comment\r\nid: 7\r\nretry: 1\r\n" + events(text("Größe "), text("ok"), finish()).replace(b"\n", b"\r\n")
    stream = stream.replace(b"data: ", b"data:")
    pieces = [stream[at : at + 7] for at in range(0, len(stream), 7)]
    head = http(stream)[: -len(stream)]
    assert (await (await to(Reply(head, *pieces))).ask()).text == "Größe ok"


async def test_an_event_that_nothing_closes_still_counts(to: Open) -> None:
    body = events(text("Hi"), finish(), done=False).rstrip(b"\n")
    assert (await (await to(Reply(http(body)))).ask()).text == "Hi"


async def test_thousands_of_events_at_once_do_not_block_the_loop(to: Open) -> None:
    route = await to(whole(*(text("word ") for _ in range(5000))))
    await route.model.warm()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(others())
    assert len((await route.ask()).text) == 25_000
    other.cancel()
    assert turns > 10


# --- what only the provider understands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thoughts_of_their_own_field_go_back_in_it_to_the_same_route_only(to: Open, field: str) -> None:
    route = await to([thinking(field), answering()])
    first = await route.ask()
    assert first.text == "Done." and "Let me think." not in "".join(route.shown)
    for where in ("main", "another"):
        await route.ask(User("Hi"), Assistant(first.text, (), where, first.provider_data), User("More"))
    assert route.stub.hits[1].json["messages"][2] == {"role": "assistant", "content": "Done.", field: "Let me think."}
    assert route.stub.hits[2].json["messages"][2] == {"role": "assistant", "content": "Done."}


async def test_what_rides_on_a_call_goes_back_with_it(to: Open) -> None:
    signed = {"google": {"thought_signature": "c2ln"}}
    piece = {"index": 0, "id": "x", "function": {"name": "clock_time", "arguments": "{}"}, "extra_content": signed}
    route = await to([whole(delta(tool_calls=[piece])), answering()])
    first = await route.ask(tools=(CLOCK,))
    answered = Assistant("", (Call(id="call_1_0", tool="clock_time", arguments="{}"),), "main", first.provider_data)
    await route.ask(User("Hi"), answered, Result("call_1_0", "clock_time", "noon"), tools=(CLOCK,))
    assert route.stub.hits[1].json["messages"][2]["tool_calls"][0]["extra_content"] == signed


async def test_an_answer_without_thoughts_keeps_nothing(to: Open) -> None:
    assert (await (await to(answering())).ask()).provider_data == ""


@pytest.mark.parametrize("kept", ["{}", "[]", "not json", '{"dialect": "anthropic/1", "thoughts": []}'])
async def test_what_another_dialect_kept_under_the_routes_name_is_left_out(to: Open, kept: str) -> None:
    route = await to(answering())
    await route.ask(User("Hi"), Assistant("Hello", (), "main", kept), User("More"))
    assert route.stub.hits[0].json["messages"][2] == {"role": "assistant", "content": "Hello"}
