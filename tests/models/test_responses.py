"""The Responses API: what goes over the wire, and what is its own in the answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from holdfast.core.entries import Call, Usage
from holdfast.core.request import Assistant, Message, Result, Tool, User
from holdfast.testing.dialects import Part, Say, Think, Use, item, item_events, named, responses
from holdfast.testing.model_rig import KEY, Open, Route
from holdfast.testing.stub_provider import Hit, Reply, event, http

SCHEMA = {"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]}
CLOCK = Tool("clock_time", "Tells the time.", SCHEMA)
DIALECT = "openai-responses"
THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "c2lnbmVk"}


def said(*parts: Any, **options: Any) -> Reply:
    return Reply(http(b"".join(responses(*parts, **options))))


def ending(*data: dict[str, Any], **response: Any) -> Reply:
    """A stream of these events that ends with this response."""
    end = {"type": "response.completed", "response": {"status": "completed", "output": [], **response}}
    return Reply(http(b"".join(map(named, [*data, end]))))


def refusing(said_: str, status: int = 400) -> Reply:
    return Reply(http(json.dumps({"error": {"message": said_}}).encode(), status, "application/json"))


# --- the request ----------------------------------------------------------------------------------------------------------------------


async def test_the_request_is_what_the_dialect_says(to: Open) -> None:
    route = await to(said(Say("Hi")), DIALECT)
    calls = (Call(id="call_1_0", tool="clock_time", arguments='{"tz":"UTC"}'), Call(id="call_1_1", tool="clock_time", arguments="{}"))
    history = (User("What time is it?"), Assistant("Let me see.", calls, "main"), Result("call_1_0", "clock_time", "noon"))
    await route.ask(*history, Result("call_1_1", "clock_time", "one"), User("And now?"), tools=(CLOCK,))
    (hit,) = route.stub.hits
    assert (hit.method, hit.path, hit.headers["authorization"]) == ("POST", "/v1/responses", f"Bearer {KEY}")
    assert hit.json == {
        "model": "m",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "clock_time", "description": "Tells the time.", "parameters": SCHEMA, "strict": False}],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What time is it?"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
            {"type": "function_call", "call_id": "call_1_0", "name": "clock_time", "arguments": '{"tz":"UTC"}'},
            {"type": "function_call", "call_id": "call_1_1", "name": "clock_time", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1_0", "output": "noon"},
            {"type": "function_call_output", "call_id": "call_1_1", "output": "one"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And now?"}]},
        ],
    }


async def test_without_tools_instructions_and_key_none_are_sent_and_the_environment_adds_nothing(
    to: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "from-the-environment")
    route = await to(said(Say("Hi")), DIALECT, api_key="")
    await route.ask(instructions="")
    assert route.stub.hits[0].json.keys() == {"model", "stream", "store", "include", "input"}
    assert "authorization" not in route.stub.hits[0].headers
    assert "from-the-environment" not in str(route.stub.hits[0])


async def test_how_long_an_answer_may_be_is_a_setting(to: Open) -> None:
    route = await to(said(Say("Hi")), DIALECT, answer_tokens_max=64_000)
    await route.ask()
    assert route.stub.hits[0].json["max_output_tokens"] == 64_000


async def test_the_same_messages_make_the_same_bytes_so_that_providers_caches_hit(to: Open) -> None:
    route = await to(said(Say("Hi")), DIALECT)
    history: list[Message] = [User("one")]
    for word in ("two", "three"):
        await route.ask(*history, tools=(CLOCK,))
        history += [Assistant(f"so {word}"), User(word)]
    short, long = (json.dumps(hit.json["input"])[:-1] for hit in route.stub.hits)
    assert long.startswith(short)


# --- the answer -----------------------------------------------------------------------------------------------------------------------


async def test_several_messages_are_paragraphs(to: Open) -> None:
    route = await to(said(Say("Let me ", "see."), Think("Hm."), Say("It is ", "noon.")), DIALECT)
    assert (await route.ask()).text == "Let me see.\n\nIt is noon."


async def test_a_server_that_numbers_nothing_is_understood(to: Open) -> None:
    """As llama.cpp's: no `output_index`, no `sequence_number`."""
    events = [json.loads(data.split(b"data: ", 1)[1]) for data in responses(Say("Let me ", "see."), Say("Now."), Use("t", "{}"))]
    bare = [{key: value for key, value in event_.items() if key != "output_index"} for event_ in events]
    answer = await (await to(Reply(http(b"".join(map(event, bare)))), DIALECT)).ask()
    assert (answer.text, answer.calls) == ("Let me see.\n\nNow.", (("t", "{}"),))


async def test_a_server_that_tells_everything_at_the_end_is_understood(to: Open) -> None:
    parts: tuple[Part, ...] = (Say("Let me see."), Say("Now."), Use("t", "{}"))
    route = await to(ending(output=[item(number, part) for number, part in enumerate(parts)]), DIALECT)
    answer = await route.ask()
    assert (answer.text, answer.calls) == ("Let me see.\n\nNow.", (("t", "{}"),))
    assert route.shown[-1] == answer.text


@pytest.mark.parametrize("output", [[], None])
async def test_a_server_that_does_not_repeat_its_items_at_the_end_is_understood(to: Open, output: Any) -> None:
    parts: tuple[Part, ...] = (Say("Hi"), Use("t", "{}"))
    events = [event_ for number, part in enumerate(parts) for event_ in item_events(number, part)]
    answer = await (await to(ending(*events, output=output), DIALECT)).ask()
    assert (answer.text, answer.calls) == ("Hi", (("t", "{}"),))


async def test_a_message_that_comes_without_pieces_is_shown_when_it_is_done(to: Open) -> None:
    done = {"type": "response.output_item.done", "output_index": 0, "item": item(0, Say("At once."))}
    route = await to(ending(done), DIALECT)
    assert (await route.ask()).text == "At once."


@pytest.mark.parametrize("missing", [0, 1])
async def test_an_item_that_was_begun_and_is_nowhere_whole_is_a_failure(to: Open, missing: int) -> None:
    parts: tuple[Part, ...] = (Say("Hi"), Use("t", "{}"))
    events = [list(item_events(number, part)) for number, part in enumerate(parts)]
    del events[missing][-1]
    failure = await (await to(ending(*events[0], *events[1]), DIALECT)).fails()
    assert "without finishing what it had begun" in failure.why


async def test_an_answer_cut_inside_a_call_is_a_failure(to: Open) -> None:
    await (await to(said(Say("Hm."), Use("t", '{"a": 1'), stop="max_output_tokens"), DIALECT)).fails()


async def test_tokens_read_from_the_cache_are_among_those_of_the_prompt(to: Open) -> None:
    counts = {"input_tokens": 325, "input_tokens_details": {"cached_tokens": 300}, "output_tokens": 7, "total_tokens": 332}
    assert (await (await to(ending(output=[item(0, Say("Hi"))], usage=counts), DIALECT)).ask()).usage == Usage(
        input_tokens=325, output_tokens=7
    )


async def test_a_failed_response_is_a_failure_that_says_why(to: Open) -> None:
    failed = {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "overloaded"}}}
    failure = await (await to(Reply(http(responses(Say("Hi"))[0] + named(failed))), DIALECT)).fails()
    assert failure.why.endswith("reported an error instead of an answer: overloaded")
    assert "server_error" in failure.body


async def test_a_refusal_is_a_failure(to: Open) -> None:
    refusal = item(0, Say("")) | {"content": [{"type": "refusal", "refusal": "I can't help with that."}]}
    for reply in (
        ending({"type": "response.refusal.delta", "output_index": 0, "delta": "I can't"}, output=[item(0, Say("Hm."))]),
        ending({"type": "response.output_item.done", "output_index": 0, "item": refusal}),
        ending(output=[refusal]),
    ):
        assert (await (await to(reply, DIALECT)).fails()).why.endswith("refused to answer")


@pytest.mark.parametrize("counted", [None, {}, {"input_tokens": "many", "output_tokens": 1}, "text"])
async def test_a_server_that_does_not_count_is_no_worse(to: Open, counted: Any) -> None:
    answer = await (await to(ending(output=[item(0, Say("Hi"))], usage=counted), DIALECT)).ask()
    assert (answer.text, answer.usage) == ("Hi", Usage())


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.output_text.delta"},
        {"type": "response.output_item.added", "item": {}},
        {"type": "response.output_item.done", "item": "text"},
        {"type": "response.output_item.done", "item": {"type": "message", "content": "text"}},
        {"type": "response.output_item.done", "item": {"type": "function_call", "name": "t", "arguments": "{}"}},
        {"type": "response.output_item.done", "item": {"type": "function_call", "name": "t", "call_id": "c", "arguments": {}}},
        {"type": "response.completed"},
        {"type": "response.completed", "response": {"output": "text"}},
        {"type": "response.completed", "response": {"output": ["text"]}},
        {"type": "response.completed", "response": {"output": [{"type": "message", "content": 5}]}},
        {"type": "response.failed"},
        {"delta": "Hi"},
    ],
)
async def test_an_event_of_another_shape_is_a_failure(to: Open, broken: dict[str, Any]) -> None:
    assert (await (await to(ending(broken, output=[item(0, Say("Hi"))]), DIALECT)).fails()).status == 200


# --- what only the provider understands -------------------------------------------------------------------------------------------------


async def replayed(route: Route, where: str = "main") -> list[Any]:
    """What becomes of an answer, in the request after it."""
    first = await route.ask(tools=(CLOCK,))
    calls = tuple(Call(id=f"call_1_{number}", tool=tool, arguments=arguments) for number, (tool, arguments) in enumerate(first.calls))
    results = (Result(call.id, call.tool, "noon") for call in calls)
    await route.ask(User("Hi"), Assistant(first.text, calls, where, first.provider_data), *results, User("More"), tools=(CLOCK,))
    sent: list[Any] = route.stub.hits[-1].json["input"]
    return sent


async def test_reasoning_goes_back_encrypted_and_without_ids_that_nobody_stores(to: Open) -> None:
    route = await to([said(Think("Hm."), Say("Let me see."), Use("clock_time", "{}")), said(Say("Noon."))], DIALECT)
    sent = await replayed(route)
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "annotations": [], "text": "Let me see."}]}
    call = {"type": "function_call", "call_id": "call_2", "name": "clock_time", "arguments": "{}"}
    assert sent[1:5] == [THOUGHT, message, call, {"type": "function_call_output", "call_id": "call_2", "output": "noon"}]


async def test_reasoning_in_plain_goes_back_as_it_came(to: Open) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    items = [thought | {"status": None, "encrypted_content": ""}, item(1, Say("Hi"))]
    sent = await replayed(await to([ending(output=items), said(Say("Noon."))], DIALECT))
    assert sent[1:3] == [thought | {"encrypted_content": ""}, items[1]]


async def test_the_phase_of_a_message_goes_back_with_it(to: Open) -> None:
    items = [item(0, Say("Let me see.")) | {"phase": "commentary"}, item(1, Say("Noon.")) | {"phase": "final_answer"}]
    sent = await replayed(await to([ending(output=items), said(Say("Noon."))], DIALECT))
    assert sent[1:3] == items


async def test_reasoning_that_is_only_a_reference_is_left_out_with_all_ids(to: Open) -> None:
    items = [{"type": "reasoning", "id": "rs_1", "summary": []}, item(1, Say("Hi"))]
    sent = await replayed(await to([ending(output=items), said(Say("Noon."))], DIALECT))
    assert sent[1] == {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}


@pytest.mark.parametrize("where", ["another", ""])
async def test_another_route_is_shown_text_and_calls_under_our_ids(to: Open, where: str) -> None:
    route = await to([said(Think("Hm."), Say("Let me see."), Use("clock_time", "{}")), said(Say("Noon."))], DIALECT)
    sent = await replayed(route, where)
    assert [item_["type"] for item_ in sent] == ["message", "message", "function_call", "function_call_output", "message"]
    assert sent[2]["call_id"] == sent[3]["call_id"] == "call_1_0"


async def test_an_answer_of_text_and_calls_keeps_nothing(to: Open) -> None:
    assert (await (await to(said(Say("Hi"), Use("t", "{}")), DIALECT)).ask()).provider_data == ""


def kept(**fields: Any) -> str:
    return json.dumps({"dialect": "openai-responses/1", "parts": [THOUGHT, item(1, Say("Hello"))]} | fields)


@pytest.mark.parametrize("data", ["{}", "not json", kept(dialect="anthropic/1"), kept(parts=[{"type": "function_call"}])])
async def test_what_is_not_this_dialects_or_does_not_fit_the_answer_is_left_out(to: Open, data: str) -> None:
    route = await to(said(Say("Hi")), DIALECT)
    await route.ask(User("Hi"), Assistant("Hello", (), "main", data), User("More"))
    assert route.stub.hits[0].json["input"][1]["content"] == [{"type": "output_text", "text": "Hello"}]


@pytest.mark.parametrize(
    "refusal",
    ["Encrypted content is not supported with this model.", "Unknown parameter: 'include'.", "include: extra fields not permitted"],
)
async def test_a_server_that_refuses_to_encrypt_is_asked_again_without_and_never_again_with(to: Open, refusal: str) -> None:
    def picky(hit: Hit) -> Reply:
        return refusing(refusal, 422 if "extra" in refusal else 400) if "include" in hit.json else said(Say("Well."))

    route = await to(picky, DIALECT)
    together = await asyncio.gather(route.ask(), route.ask())  # both are refused, whoever learns it first
    assert [answer.text for answer in [*together, await route.ask()]] == ["Well."] * 3
    assert len(route.stub.hits) == 5


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, "The encrypted content for item rs_1 could not be verified. (invalid_encrypted_content)"),
        (404, "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."),
        (400, "item['content'] is not an array"),
    ],
)
async def test_reasoning_that_this_account_can_not_read_is_left_out_and_the_call_is_made_again(to: Open, status: int, refusal: str) -> None:
    def picky(hit: Hit) -> Reply:
        return refusing(refusal, status) if b'reasoning",' in hit.body else said(Say("Well."))

    route = await to(picky, DIALECT)
    assert (await route.ask(User("Hi"), Assistant("Hello", (), "main", kept()), User("More"))).text == "Well."
    assert [("include" in hit.json) for hit in route.stub.hits] == [True, True]
