"""Broken answers, byte for byte, in every dialect. No library rejects them by default (PROVIDERS.md section 1); none may get through here."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest

from holdfast.core.entries import Usage
from holdfast.core.request import Tool
from holdfast.models import events, native
from holdfast.ports import Answer, ModelFailed
from holdfast.testing.dialects import STREAMS, Say, Stream, Think, Use, named
from holdfast.testing.model_rig import Open
from holdfast.testing.stub_provider import CHUNKED, End, Hit, Reply, chunk, event, head, http

WHOLE = (Think("Hm."), Say("Let me ", "see.\n"), Use("get_time", '{"tz"', ': "UTC"}'), Use("get_date", '{"of": ', "{}}"))
LENGTH = {"openai-chat": "length", "openai-responses": "max_output_tokens", "anthropic": "max_tokens"}
REFUSED = {"openai-chat": "content_filter", "openai-responses": "content_filter", "anthropic": "refusal"}


@pytest.fixture(params=sorted(STREAMS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def stream(dialect: str) -> Callable[..., Stream]:
    return STREAMS[dialect]


def half(stream: Callable[..., Stream]) -> bytes:
    """A stream that stops in the middle of its text."""
    text = stream(Say("Half an ", "answer."))
    return b"".join(text[: next(number for number, said in enumerate(text) if b"answer." in said)])


# --- what is whole --------------------------------------------------------------------------------------------------------------------


async def test_a_whole_answer_is_read(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    route = await to(Reply(http(b"".join(stream(*WHOLE)))), dialect)
    answer = await route.ask()
    assert answer.text.strip() == "Let me see."
    assert answer.calls == (("get_time", '{"tz": "UTC"}'), ("get_date", '{"of": {}}'))
    assert answer.usage == Usage(input_tokens=5, output_tokens=3)
    assert route.shown[0] == "" and route.shown[1] == "Let me " and route.shown[-1] == answer.text
    assert "Hm." not in "".join(route.shown)


async def test_a_call_without_arguments_has_none(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    assert (await (await to(Reply(http(b"".join(stream(Use("t"))))), dialect)).ask()).calls == (("t", "{}"),)


@pytest.mark.parametrize("count", [True, False])
async def test_an_odd_count_of_tokens_leaves_an_entry_that_can_be_read_again(
    to: Open, dialect: str, stream: Callable[..., Stream], count: bool
) -> None:
    answer = await (await to(Reply(http(b"".join(stream(Say("Hi"), usage=(count, count))))), dialect)).ask()
    assert msgspec.json.decode(msgspec.json.encode(answer.usage), type=Usage) == answer.usage


@pytest.mark.parametrize("depth", [201, 990, 50_000])
async def test_arguments_that_are_nested_without_end_are_none(to: Open, dialect: str, stream: Callable[..., Stream], depth: int) -> None:
    failure = await (await to(Reply(http(b"".join(stream(Use("t", '{"a":' * depth, "1" + "}" * depth))))), dialect)).fails()
    assert "whose arguments are not a JSON object" in failure.why


async def test_arguments_may_be_nested(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    nested = '{"a":' * 100 + "1" + "}" * 100
    assert (await (await to(Reply(http(b"".join(stream(Use("t", nested))))), dialect)).ask()).calls == (("t", nested),)


@pytest.mark.parametrize("depth", [300, 50_000])
async def test_events_and_errors_that_are_nested_without_end_are_failures(to: Open, dialect: str, depth: int) -> None:
    bomb = b'{"error":' * depth + b"1" + b"}" * depth
    assert "not JSON" in (await (await to(Reply(http(b"data: " + bomb + b"\n\n")), dialect)).fails()).why
    assert (await (await to(Reply(http(bomb, 500, "application/json")), dialect)).fails()).status == 500


async def test_thoughts_in_the_text_are_hidden(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    route = await to(Reply(http(b"".join(stream(Say("<thi", "nk>secret</th", "ink>\n\nHello"))))), dialect)
    assert (await route.ask()).text == "Hello"
    assert not any("secret" in shown for shown in route.shown)


async def test_a_server_that_counts_in_its_own_way_is_no_worse(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    said = b"".join(stream(Say("Hi"))).replace(b'_tokens": ', b'_tokens": "many", "x": ')
    answer = await (await to(Reply(http(said)), dialect)).ask()
    assert (answer.text, answer.usage) == ("Hi", Usage())


async def test_an_answer_cut_by_the_limit_of_length_is_complete_if_it_has_text(
    to: Open, dialect: str, stream: Callable[..., Stream]
) -> None:
    assert (await (await to(Reply(http(b"".join(stream(Say("So far"), stop=LENGTH[dialect])))), dialect)).ask()).text == "So far"


LIMIT = {"openai-chat": "max_completion_tokens", "openai-responses": "max_output_tokens", "anthropic": "max_tokens"}


async def test_a_request_may_ask_for_a_short_answer_and_the_smaller_limit_counts(
    to: Open, dialect: str, stream: Callable[..., Stream]
) -> None:
    reply = Reply(http(b"".join(stream(Say("Short."), stop=LENGTH[dialect]))))
    route = await to([reply] * 3, dialect, answer_tokens_max=2000)
    for limit in (1000, 4000, None):
        assert (await route.ask(limit=limit)).text == "Short."
    assert [hit.json[LIMIT[dialect]] for hit in route.stub.hits] == [1000, 2000, 2000]


async def test_a_short_answer_that_was_all_thought_is_empty_and_was_paid_for(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    """Nothing is wrong with the route: it did what it was asked for."""
    for stop, parts in ((LENGTH[dialect], (Think("Hm."),)), (LENGTH[dialect], ()), ("", ())):
        route = await to([Reply(http(b"".join(stream(*parts, stop=stop, usage=(7, 1000)))))] * 2, dialect)
        assert "sent an empty answer" in (await route.fails()).why
        if stop:
            assert await route.ask(limit=1000) == Answer("", usage=Usage(input_tokens=7, output_tokens=1000))
        else:
            with pytest.raises(ModelFailed):
                await route.ask(limit=1000)


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses"])
async def test_a_server_that_knows_no_limit_is_asked_without_it(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    def answers(hit: Hit) -> Reply:
        if LIMIT[dialect] in hit.json:
            return Reply(
                http(json.dumps({"error": {"message": f"Unsupported parameter: {LIMIT[dialect]}"}}).encode(), 400, "application/json")
            )
        return Reply(http(b"".join(stream(Say("Long.")))))

    route = await to(answers, dialect)
    for _ in range(2):
        assert (await route.ask(limit=1000)).text == "Long."
    assert [LIMIT[dialect] in hit.json for hit in route.stub.hits] == [True, False, False]
    configured = await to(answers, dialect, answer_tokens_max=2000)
    assert (await configured.fails()).status == 400, "what the owner wants is not left out"


@pytest.mark.parametrize("end", ["keep", "close", "reset", "hang"])
async def test_once_the_terminal_marker_is_there_the_connection_may_do_what_it_likes(
    to: Open, dialect: str, stream: Callable[..., Stream], end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.models.wire.REST_S", 0.05)
    route = await to(Reply(CHUNKED, chunk(b"".join(stream(Say("Whole.")))), end=end), dialect)
    assert (await route.ask()).text == "Whole."


@pytest.mark.parametrize("dialect", ["openai-responses", "anthropic"])
async def test_what_comes_after_the_terminal_marker_is_not_read(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    more = event({"type": "error", "error": "late"}) + b"data: nonsense\n\n" + event("[DONE]")
    assert (await (await to(Reply(http(b"".join(stream(Say("Whole."))) + more)), dialect)).ask()).text == "Whole."


async def test_events_that_are_new_and_fields_that_are_extra_change_nothing(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    new = event({"type": "response.new_thing", "choices": [], "delta": {}}) + b": comment\nid: 7\n\n"
    said = new.join(said.replace(b"{", b'{"extra": null, ', 1) for said in stream(*WHOLE)) + new
    assert len((await (await to(Reply(http(said)), dialect)).ask()).calls) == 2


@pytest.mark.parametrize("seed", range(5))
async def test_however_the_bytes_are_cut_up_the_answer_is_the_same(
    to: Open, dialect: str, stream: Callable[..., Stream], seed: int
) -> None:
    body = b"".join(stream(Think("Größe"), Say("Größe ", "und ", "mehr"), *WHOLE[2:]))
    body = body if seed % 2 else body.replace(b"\n", b"\r\n")
    draw = random.Random(seed)
    cuts = sorted(draw.sample(range(1, len(body)), 40))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    answer = await (await to(Reply(CHUNKED, *(chunk(piece) for piece in pieces), chunk(b"")), dialect)).ask()
    assert (answer.text, len(answer.calls)) == ("Größe und mehr", 2)


async def test_an_event_that_nothing_closes_still_counts(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    assert (await (await to(Reply(http(b"".join(stream(Say("Hi"))).rstrip(b"\n"))), dialect)).ask()).text == "Hi"


async def test_thousands_of_events_at_once_do_not_block_the_loop(
    to: Open, dialect: str, stream: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (events, native):
        monkeypatch.setattr(module, "YIELD_AFTER_S", 0.0)  # after each event, as if each took long
    route = await to(Reply(http(b"".join(stream(Say(*["word "] * 5000))))), dialect)
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
    assert turns > 5000


CALL = '{"name": "get_time", "arguments": {"tz": "UTC"}}'


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"[TOOL_CALLS] [{CALL}]",
        '<function=get_time>{"tz": "UTC"}</function>',
        f"Let me see.\n```json\n{CALL}\n```",
        f"<|python_tag|>{CALL}",
        '<\uff5ctool\u2581calls\u2581begin\uff5c>get_time\n{"tz": "UTC"}<\uff5ctool\u2581calls\u2581end\uff5c>',
        'get_time(tz="UTC")',
    ],
)
async def test_a_tool_call_that_is_written_as_text_is_shown_as_text_and_is_none(
    to: Open, dialect: str, stream: Callable[..., Stream], text: str
) -> None:
    route = await to(Reply(http(b"".join(stream(Say(*text))))), dialect)
    answer = await route.ask(tools=(Tool("get_time", "Tells the time.", {"type": "object", "properties": {}}),))
    assert (answer.text, answer.calls) == (text, ())
    assert route.shown[-1] == text


async def test_another_name_of_the_model_in_the_answer_is_no_obstacle(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    """As LiteLLM answers where it fell back by itself, from one event to the next."""
    whole = [said.replace(b'"m"', b'"openai/backup"').replace(b'"stub"', b'"chat"') for said in stream(*WHOLE)]
    whole[-1] = whole[-1].replace(b'"chat"', b'"azure/other"')
    answer = await (await to(Reply(http(b"".join(whole))), dialect)).ask()
    assert (answer.text.strip(), len(answer.calls)) == ("Let me see.", 2)


# --- cut off --------------------------------------------------------------------------------------------------------------------------


async def test_every_cut_between_events_is_a_failure_until_the_terminal_marker_is_there(
    to: Open, dialect: str, stream: Callable[..., Stream]
) -> None:
    whole = stream(*WHOLE)
    replies = [Reply(http(b"".join(whole[:count]) + ending)) for count in range(len(whole)) for ending in (b"", event("[DONE]"))]
    route = await to([*replies, Reply(http(b"".join(whole)))], dialect)
    for number in range(len(replies)):
        failure = await route.fails()
        assert (failure.status, failure.transport) == (200, "eof-clean" if number > 1 else "")
    assert len((await route.ask()).calls) == 2


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_every_cut_within_an_event_is_a_failure(to: Open, dialect: str, stream: Callable[..., Stream], end: End) -> None:
    whole = b"".join(stream(*WHOLE))
    draw = random.Random(f"{dialect} {end}")
    cuts = sorted({*draw.sample(range(len(whole) - 3), 60), len(whole) - 4})
    route = await to([Reply(head() + whole[:cut], end=end) for cut in cuts], dialect)
    for _ in cuts:
        assert (await route.fails()).transport in {"", "eof-clean", "reset"}


async def test_an_upstream_killed_behind_a_proxy_that_breaks_off_is_a_failure(
    to: Open, dialect: str, stream: Callable[..., Stream]
) -> None:
    failure = await (await to(Reply(CHUNKED, chunk(half(stream)), end="close"), dialect)).fails()
    assert (failure.status, failure.transport) == (200, "reset")
    assert failure.exception.startswith("RemoteProtocolError: ")


async def test_an_upstream_killed_behind_a_proxy_that_ends_cleanly_is_a_failure(
    to: Open, dialect: str, stream: Callable[..., Stream]
) -> None:
    route = await to(Reply(CHUNKED, chunk(half(stream)), chunk(b""), end="close"), dialect)
    failure = await route.fails()
    assert (failure.status, failure.transport) == (200, "eof-clean")
    assert "Half an" in failure.body and route.shown == ["", "Half an "]


async def test_a_reset_in_mid_answer_is_a_failure(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    failure = await (await to(Reply(CHUNKED, chunk(half(stream)), end="reset"), dialect)).fails()
    assert (failure.status, failure.transport) == (200, "reset")


async def test_silence_before_the_headers_ends_at_the_first_time_out(to: Open, dialect: str) -> None:
    route = await to(Reply(end="hang"), dialect, first_event_timeout_s=0.5)
    failure = await route.fails()
    assert failure.status is None
    assert "sent nothing for 0.5 s" in failure.why
    await route.stub.wait_for_left(1)


async def test_silence_after_the_headers_ends_at_the_first_time_out(to: Open, dialect: str) -> None:
    route = await to(Reply(CHUNKED, chunk(b": still loading\n\n"), end="hang"), dialect, first_event_timeout_s=0.5)
    failure = await route.fails()
    assert (failure.status, failure.body) == (200, ": still loading\n\n")
    assert "sent nothing of an answer for 0.5 s" in failure.why


async def test_silence_in_mid_answer_ends_at_the_idle_time_out(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    route = await to(Reply(CHUNKED, chunk(half(stream)), end="hang"), dialect, idle_timeout_s=0.05)
    assert "stopped in the middle of its answer for 0.05 s" in (await route.fails()).why
    await route.stub.wait_for_left(1)


async def test_a_cancelled_call_closes_its_connection(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    route = await to([Reply(CHUNKED, chunk(half(stream)), end="hang"), Reply(http(b"".join(stream(Say("Well.")))))], dialect)
    call = asyncio.ensure_future(route.ask())
    await route.stub.wait_for_hits(1)
    await route.wait_for_shown("Half an ")
    call.cancel()
    await asyncio.wait((call,))
    assert call.cancelled()
    await asyncio.wait_for(route.stub.wait_for_left(1), 20)
    assert (await route.ask()).text == "Well."


async def test_a_connection_is_used_again(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    route = await to(Reply(http(b"".join(stream(Say("Well."))))), dialect)
    for _ in range(5):
        await route.ask()
    assert len(route.stub.hits) == 5
    assert route.stub.connections == 1


# --- half, empty, strange ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ['{"a": ', "[]", '"text"', "null", "NaN", '{"a": 1} and more', " "])
async def test_arguments_that_are_not_an_object_are_a_failure(
    to: Open, dialect: str, stream: Callable[..., Stream], arguments: str
) -> None:
    failure = await (await to(Reply(http(b"".join(stream(Say("Hm."), Use("get_time", arguments))))), dialect)).fails()
    assert "'get_time' whose arguments are not a JSON object" in failure.why


async def test_one_broken_call_of_several_breaks_them_all(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    await (await to(Reply(http(b"".join(stream(Use("a", "{}"), Use("b", '{"x"'))))), dialect)).fails()


async def test_arguments_that_the_limit_of_length_cut_off_before_they_began_are_a_failure(
    to: Open, dialect: str, stream: Callable[..., Stream]
) -> None:
    await (await to(Reply(http(b"".join(stream(Use("a"), stop=LENGTH[dialect])))), dialect)).fails()


async def test_a_call_without_a_name_is_a_failure(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    failure = await (await to(Reply(http(b"".join(stream(Say("Hm."), Use("", "{}"))))), dialect)).fails()
    assert "without the tool's name" in failure.why


@pytest.mark.parametrize(
    "parts",
    [(), (Say(""),), (Say(" \n"),), (Say("<think>only thoughts</think>\n"),), (Say("<think>never closed"),), (Think("only thoughts"),)],
)
async def test_an_empty_answer_is_a_failure(to: Open, dialect: str, stream: Callable[..., Stream], parts: tuple[Say | Think, ...]) -> None:
    assert "sent an empty answer" in (await (await to(Reply(http(b"".join(stream(*parts)))), dialect)).fails()).why


async def test_an_answer_that_the_provider_stopped_is_a_failure_that_says_so(to: Open, dialect: str, stream: Callable[..., Stream]) -> None:
    failure = await (await to(Reply(http(b"".join(stream(Say("To build a"), stop=REFUSED[dialect])))), dialect)).fails()
    assert REFUSED[dialect] in failure.why and REFUSED[dialect] in failure.body
    assert failure.status == 200


@pytest.mark.parametrize(
    "said",
    [
        event({"error": {"message": "overloaded", "code": 503}}),
        event({"error": "overloaded"}),
        named({"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}),
        event({"type": "error", "code": "server_error", "message": "overloaded", "param": None}),
        b'event: error\ndata: {"message": "overloaded"}\n\n',
    ],
)
async def test_an_error_event_in_the_stream_is_a_failure(to: Open, dialect: str, stream: Callable[..., Stream], said: bytes) -> None:
    failure = await (await to(Reply(http(half(stream) + said + event("[DONE]"))), dialect)).fails()
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
async def test_a_success_without_a_stream_is_a_failure(to: Open, dialect: str, body: bytes, content_type: str, said: str) -> None:
    route = await to(Reply(http(body, 200, content_type)), dialect)
    failure = await route.fails()
    assert (failure.status, failure.body) == (200, body.decode())
    assert failure.why.endswith(f"sent no answer: {said}")
    assert route.shown == []


@pytest.mark.parametrize("said", [b"data: {not json}\n\n", b"data: \xff\n\n", event("[1]"), event("null"), event('"text"')])
async def test_an_event_that_is_no_object_is_a_failure(to: Open, dialect: str, stream: Callable[..., Stream], said: bytes) -> None:
    assert (await (await to(Reply(http(said + b"".join(stream(Say("Hello"))))), dialect)).fails()).status == 200


@pytest.mark.parametrize("seed", range(40))
async def test_an_event_of_another_shape_is_a_failure_or_harmless_and_never_a_crash(
    to: Open, dialect: str, stream: Callable[..., Stream], seed: int
) -> None:
    """One value somewhere in the stream becomes one of another type. What is read then is the answer, or nothing."""
    draw = random.Random(f"{dialect} {seed}")
    said = [json.loads(part.split(b"data: ", 1)[1]) for part in stream(*WHOLE)]
    whole = json.dumps(said)
    _spoil(draw, draw.choice(said))
    assert json.dumps(said) != whole
    route = await to(Reply(http(b"".join(map(event, said)))), dialect)
    with suppress(ModelFailed):
        answer = await route.ask()
        assert all(isinstance(json.loads(arguments), dict) for _, arguments in answer.calls)


def _spoil(draw: random.Random, value: dict[str, object]) -> None:
    key = draw.choice(list(value))
    inner = value[key]
    if isinstance(inner, list) and inner and isinstance(inner[0], dict) and draw.random() < 0.9:
        _spoil(draw, inner[0])
    elif isinstance(inner, dict) and inner and draw.random() < 0.9:
        _spoil(draw, inner)
    else:
        value[key] = draw.choice([spoilt for spoilt in ([], [5], {"x": 1}, 7, "text", True) if spoilt != inner])
