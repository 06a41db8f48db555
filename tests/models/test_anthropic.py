"""The Messages API: what goes over the wire, and what is its own in the answer."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from holdfast.core.entries import Call, Usage
from holdfast.core.request import Assistant, Message, Result, Tool, User
from holdfast.testing.dialects import Say, Think, Use, messages, named
from holdfast.testing.model_rig import KEY, Open, Route
from holdfast.testing.stub_provider import CHUNKED, Hit, Reply, chunk, http

SCHEMA = {"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]}
CLOCK = Tool("clock_time", "Tells the time.", SCHEMA)
CACHED = {"cache_control": {"type": "ephemeral"}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
BOUND = b'{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block. The \
block is bound to a different conversation. Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to \\"drop_block\\"."}}'


def said(*parts: Any, **options: Any) -> Reply:
    return Reply(http(b"".join(messages(*parts, **options))))


def raw(*data: dict[str, Any], stop: str = "end_turn") -> Reply:
    """An answer with these events between its beginning and its end."""
    whole = messages(stop=stop)
    return Reply(http(b"".join([whole[0], *map(named, data), *whole[-2:]])))


def start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def grow(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


# --- the request ----------------------------------------------------------------------------------------------------------------------


async def test_the_request_is_what_the_dialect_says(to: Open) -> None:
    route = await to(said(Say("Hi")), "anthropic")
    calls = (Call(id="call_1_0", tool="clock_time", arguments='{"tz":"UTC"}'), Call(id="call_1_1", tool="clock_time", arguments="{}"))
    history = (User("What time is it?"), Assistant("Let me see.", calls, "main"), Result("call_1_0", "clock_time", "noon"))
    await route.ask(*history, Result("call_1_1", "clock_time", "one"), User("And now?"), tools=(CLOCK,))
    (hit,) = route.stub.hits
    assert (hit.method, hit.path) == ("POST", "/v1/messages")
    assert (hit.headers["x-api-key"], hit.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in hit.headers and "anthropic-beta" not in hit.headers
    uses = [
        {"type": "tool_use", "id": "call_1_0", "name": "clock_time", "input": {"tz": "UTC"}},
        {"type": "tool_use", "id": "call_1_1", "name": "clock_time", "input": {}},
    ]
    results = [
        {"type": "tool_result", "tool_use_id": "call_1_0", "content": "noon"},
        {"type": "tool_result", "tool_use_id": "call_1_1", "content": "one"},
    ]
    assert hit.json == {
        "model": "m",
        "max_tokens": 8192,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief.", **CACHED}],
        "tools": [{"name": "clock_time", "description": "Tells the time.", "input_schema": SCHEMA}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What time is it?", **CACHED}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, *uses]},
            {"role": "user", "content": [*results, {"type": "text", "text": "And now?", **CACHED}]},
        ],
    }


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_the_address_may_end_with_the_version_or_not(to: Open, path: str) -> None:
    route = await to(said(Say("Hi")), "anthropic", path)
    await route.ask()
    assert route.stub.hits[0].path == "/v1/messages"


async def test_without_tools_instructions_and_key_none_are_sent_and_the_environment_adds_nothing(
    to: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "from-the-environment")
    route = await to(said(Say("Hi")), "anthropic", api_key="")
    await route.ask(instructions="")
    assert route.stub.hits[0].json.keys() == {"model", "max_tokens", "stream", "messages"}
    assert "x-api-key" not in route.stub.hits[0].headers
    assert "from-the-environment" not in str(route.stub.hits[0])


async def test_how_long_an_answer_may_be_is_a_setting(to: Open) -> None:
    route = await to(said(Say("Hi")), "anthropic", answer_tokens_max=64_000)
    await route.ask()
    assert route.stub.hits[0].json["max_tokens"] == 64_000


async def test_the_next_call_reads_from_the_cache_where_this_one_wrote(to: Open) -> None:
    """The same messages make the same bytes but for the marks, and of the marks, the last one of this call is there in the next."""
    route = await to(said(Say("Hi")), "anthropic")
    history: list[Message] = [User("one")]
    for word in ("two", "three", "four"):
        await route.ask(*history, tools=(CLOCK,))
        history += [Assistant(f"so {word}"), User(word)]
    bodies = [hit.json for hit in route.stub.hits]
    for before, after in pairwise(bodies):
        marked = [number for number, message in enumerate(after["messages"]) if "cache_control" in message["content"][-1]]
        assert len(before["messages"]) - 1 in marked and len(marked) <= 2
        for body in (before, after):
            for message in body["messages"]:
                message["content"][-1].pop("cache_control", None)
        assert after["messages"][: len(before["messages"])] == before["messages"]
        assert (before["system"], before["tools"]) == (after["system"], after["tools"])


# --- the answer -----------------------------------------------------------------------------------------------------------------------


async def test_tokens_read_from_and_written_to_the_cache_are_tokens_too(to: Open) -> None:
    counts = {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300, "output_tokens": 1}
    start_ = {"type": "message_start", "message": {"usage": counts}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
    body = map(named, (start_, start(0, {"type": "text", "text": "Hi"}), end, {"type": "message_stop"}))
    assert (await (await to(Reply(http(b"".join(body))), "anthropic")).ask()).usage == Usage(input_tokens=325, output_tokens=7)


async def test_counts_that_come_again_at_the_end_are_not_counted_twice(to: Open) -> None:
    """Anthropic repeats them there; others know them only then, and begin with zero."""
    counts = {"input_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 320, "output_tokens": 1}
    for first in (counts, {"input_tokens": 0, "output_tokens": 0}):
        start_ = {"type": "message_start", "message": {"usage": first}}
        end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts | {"output_tokens": 7}}
        body = map(named, (start_, start(0, {"type": "text", "text": "Hi"}), end, {"type": "message_stop"}))
        assert (await (await to(Reply(http(b"".join(body))), "anthropic")).ask()).usage == Usage(input_tokens=325, output_tokens=7)


async def test_a_beta_that_the_owner_asks_for_stands_beside_ours(to: Open) -> None:
    route = await to(
        lambda hit: said(Say("Hi")) if "thinking" in hit.json else Reply(http(BOUND, 400)), "anthropic", headers={"Anthropic-Beta": "more"}
    )
    await route.ask()
    betas = [hit.headers.get("anthropic-beta") for hit in route.stub.hits]
    assert betas == ["more", "more,thinking-binding-controls-2026-08-01"]


async def test_a_stop_without_a_reason_is_no_end(to: Open) -> None:
    whole = messages(Say("Hi"))
    failure = await (await to(Reply(http(b"".join([*whole[:-2], whole[-1]]))), "anthropic")).fails()
    assert failure.transport == "eof-clean"


async def test_texts_with_something_between_are_paragraphs_and_texts_without_are_one(to: Open) -> None:
    parts = (Say("Let me ", "see."), Think("Hm."), Say("It is "), Say("noon."))
    assert (await (await to(said(*parts), "anthropic")).ask()).text == "Let me see.\n\nIt is noon."


async def test_a_block_may_come_whole_at_its_beginning(to: Open) -> None:
    text = start(0, {"type": "text", "text": "Both."})
    use = start(1, {"type": "tool_use", "id": "t1", "name": "clock_time", "input": {"tz": "UTC"}})
    answer = await (await to(raw(text, use, stop="tool_use"), "anthropic")).ask()
    assert (answer.text, answer.calls) == ("Both.", (("clock_time", '{"tz":"UTC"}'),))


async def test_a_ping_is_a_sign_of_life(to: Open) -> None:
    """A model that thinks without showing it sends nothing else: here, for longer than the time-out."""
    gates = [asyncio.Event() for _ in range(24)]
    whole, ping = messages(Say("Hi")), chunk(named({"type": "ping"}))
    pieces = (piece for gate in gates for piece in (gate, ping))
    route = await to(Reply(CHUNKED, chunk(whole[0]), *pieces, chunk(b"".join(whole[1:])), chunk(b"")), "anthropic", idle_timeout_s=0.4)
    call = asyncio.ensure_future(route.ask())
    await route.wait_for_shown("")
    for number, gate in enumerate(gates):
        asyncio.get_running_loop().call_later(number * 0.025, gate.set)
    assert (await call).text == "Hi"


@pytest.mark.parametrize(
    "broken",
    [
        (grow(0, type="text_delta", text="Hi"),),
        (start(0, {"type": "text", "text": ""}), start(0, {"type": "text", "text": ""})),
        (start(0, {"text": ""}),),
        ({"type": "content_block_start", "index": "0", "content_block": {"type": "text"}},),
        (start(0, {"type": "text"}), grow(0, type="text_delta", text=5)),
        (start(0, {"type": "text"}), grow(0, text="Hi")),
        (start(0, {"type": "text", "text": ["Hi"]}),),
        (start(0, {"type": "tool_use", "name": "t", "input": {}}),),
        (start(0, {"type": "tool_use", "id": "1", "name": "t", "input": {}}), grow(0, type="input_json_delta", partial_json={})),
        (start(0, {"type": "tool_use", "id": "1", "name": "t", "input": [1]}),),
        ({"type": "message_delta", "delta": {"stop_reason": 5}},),
        ({"type": "message_delta"},),
        ({"type": "message_start"},),
        ({"index": 0},),
    ],
)
async def test_an_event_of_another_shape_is_a_failure(to: Open, broken: tuple[dict[str, Any], ...]) -> None:
    whole = start(9, {"type": "text", "text": "Hi"})
    assert (await (await to(raw(whole, *broken), "anthropic")).fails()).status == 200


# --- what only the provider understands -------------------------------------------------------------------------------------------------


async def replayed(route: Route, where: str = "main") -> list[Any]:
    """What becomes of an answer with one call, in the request after its result."""
    first = await route.ask(tools=(CLOCK,))
    calls = tuple(Call(id=f"call_1_{number}", tool=tool, arguments=arguments) for number, (tool, arguments) in enumerate(first.calls))
    results = (Result(call.id, call.tool, "noon") for call in calls)
    await route.ask(User("Hi"), Assistant(first.text, calls, where, first.provider_data), *results, User("More"), tools=(CLOCK,))
    sent: list[Any] = route.stub.hits[-1].json["messages"]
    return sent


async def test_an_answer_with_thoughts_goes_back_exactly_as_it_came(to: Open) -> None:
    redacted = {"type": "redacted_thinking", "data": "ZW5j"}
    empty = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    text, use = {"type": "text", "text": "Let me see."}, {"type": "tool_use", "id": "toolu_9", "name": "clock_time", "input": {}}
    events = (
        start(0, {"type": "thinking", "thinking": "", "signature": ""}),
        grow(0, type="thinking_delta", thinking="H"),
        grow(0, type="thinking_delta", thinking="m."),
        grow(0, type="signature_delta", signature="c2lnbmVk"),
        start(1, redacted),
        start(2, {"type": "text", "text": ""}),
        start(3, {"type": "text", "text": ""}),
        grow(3, type="text_delta", text="Let me see."),
        start(4, {"type": "thinking", "thinking": "", "signature": ""}),
        grow(4, type="signature_delta", signature="c2ln"),
        start(5, use),
    )
    sent = await replayed(await to([raw(*events, stop="tool_use"), said(Say("Noon."))], "anthropic"))
    assert sent[1]["content"] == [THOUGHT, redacted, text, empty, use]
    assert sent[2]["content"][0] == {"type": "tool_result", "tool_use_id": "toolu_9", "content": "noon"}


@pytest.mark.parametrize("where", ["another", ""])
async def test_another_route_is_shown_text_and_calls_under_our_ids(to: Open, where: str) -> None:
    route = await to([said(Think("Hm."), Say("Let me see."), Use("clock_time", "{}")), said(Say("Noon."))], "anthropic")
    sent = await replayed(route, where)
    assert sent[1]["content"] == [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "call_1_0", "name": "clock_time", "input": {}},
    ]
    assert sent[2]["content"][0]["tool_use_id"] == "call_1_0"


async def test_an_answer_of_text_and_calls_keeps_nothing(to: Open) -> None:
    assert (await (await to(said(Say("Hi"), Use("t", "{}")), "anthropic")).ask()).provider_data == ""


async def test_what_could_not_be_kept_whole_is_not_kept(to: Open) -> None:
    strange = (start(0, {"type": "new_kind"}), grow(0, type="new_delta", new="x"), start(1, {"type": "text", "text": "Hi"}))
    answer = await (await to(raw(*strange), "anthropic")).ask()
    assert (answer.text, answer.provider_data) == ("Hi", "")


def kept(**fields: Any) -> str:
    return json.dumps({"dialect": "anthropic/1", "parts": [THOUGHT, {"type": "text", "text": "Hello"}]} | fields)


@pytest.mark.parametrize(
    "data", ["{}", "[]", "not json", kept(dialect="openai-responses/1"), kept(parts=[{"type": "tool_use"}]), kept(parts=5)]
)
async def test_what_is_not_this_dialects_or_does_not_fit_the_answer_is_left_out(to: Open, data: str) -> None:
    route = await to(said(Say("Hi")), "anthropic")
    await route.ask(User("Hi"), Assistant("Hello", (), "main", data), User("More"))
    assert route.stub.hits[0].json["messages"][1]["content"] == [{"type": "text", "text": "Hello"}]


async def test_thoughts_that_this_account_can_not_read_are_left_out_and_the_call_is_made_again(to: Open) -> None:
    def picky(hit: Hit) -> Reply:
        if b"signature" in hit.body:
            return Reply(http(b'{"error": {"message": "Invalid `signature` in `thinking` block"}}', 400, "application/json"))
        return said(Say("Well."))

    route = await to(picky, "anthropic")
    assert (await route.ask(User("Hi"), Assistant("Hello", (), "main", kept()), User("More"))).text == "Well."
    assert len(route.stub.hits) == 2


async def test_a_request_that_is_refused_without_anything_to_leave_out_is_made_once(to: Open) -> None:
    route = await to(Reply(http(BOUND, 400, "application/json")), "anthropic")
    assert (await route.fails()).status == 400
    assert len(route.stub.hits) == 2  # with and without asking to drop


async def test_a_provider_that_binds_thoughts_to_all_before_them_is_told_to_drop_them_from_then_on(to: Open) -> None:
    def binding(hit: Hit) -> Reply:
        return said(Say("Well.")) if "thinking" in hit.json else Reply(http(BOUND, 400, "application/json"))

    route = await to(binding, "anthropic")
    for _ in range(2):
        await route.ask(User("Hi"), Assistant("Hello", (), "main", kept()), User("More"))
    assert [len(hit.json["messages"][1]["content"]) for hit in route.stub.hits] == [2, 2, 2]
    assert [hit.headers.get("anthropic-beta") for hit in route.stub.hits] == [None, *["thinking-binding-controls-2026-08-01"] * 2]
    asked = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert route.stub.hits[-1].json["thinking"] == asked
