"""What a request carries, what becomes of one that is refused or reaches nobody, and what counts as a sign of life, in every dialect."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from holdfast.core.request import Request, User
from holdfast.models import Endpoint, open_model
from holdfast.models.classify import classify
from holdfast.models.wire import described, message_of, name_of_user, parsed
from holdfast.ports import ModelFailed, RawFailure
from holdfast.testing.dialects import STREAMS, Say, named
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.model_rig import KEY, Open
from holdfast.testing.stub_provider import CHUNKED, Hit, Reply, chunk, event, http


@pytest.fixture(params=sorted(STREAMS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "No such model", "code": 404}}', "No such model"),
        ('{"error": "No such model"}', "No such model"),
        ('{"message": "Cannot POST /v1"}', "Cannot POST /v1"),
        ('{"detail": "Not Found"}', "Not Found"),
        ('{"detail": [{"loc": 1}]}', '{"detail": [{"loc": 1}]}'),
        ('[{"error": {}}]', '[{"error": {}}]'),
        ("<html>\n  <p>502</p>\n</html>", "<html> <p>502</p> </html>"),
        ("", ""),
    ],
)
def test_what_an_error_says_is_found_in_bodies_of_the_usual_shapes(body: str, said: str) -> None:
    assert message_of(body) == said


def test_what_an_error_says_is_kept_short() -> None:
    assert len(message_of("x" * 1000)) == 300


def test_an_error_is_described_by_its_own_name_and_its_first_cause() -> None:
    error = RuntimeError("All connection attempts failed")
    error.__cause__ = OSError(111, "Connection refused")
    assert described(error) == "RuntimeError: [Errno 111] Connection refused"
    assert described(ValueError()) == "ValueError"


# --- what a request carries -------------------------------------------------------------------------------------------------------------


def hello(dialect: str) -> Reply:
    return Reply(http(b"".join(STREAMS[dialect](Say("Hello")))))


async def test_the_owners_headers_go_with_every_call_and_change_nothing_else(to: Open, dialect: str) -> None:
    plain = await to(hello(dialect), dialect)
    tagged = await to(hello(dialect), dialect, headers={"X-LiteLLM-Tags": "chat, home", "x-tenant": "7"})
    for route in (plain, tagged):
        for _ in range(2):
            await route.ask(user="web:anna")
    for before, after in zip(plain.stub.hits, tagged.stub.hits, strict=True):
        assert after.body == before.body
        added = {"x-litellm-tags": "chat, home", "x-tenant": "7"}
        assert dict(after.headers) == {**before.headers, "host": after.headers["host"], **added}


async def test_of_two_headers_of_one_name_the_owners_is_sent(to: Open, dialect: str) -> None:
    own = {
        "Authorization": "Basic abc",
        "X-Api-Key": "mine",
        "Content-Type": "application/json; charset=utf-8",
        "anthropic-version": "2099-01-01",
    }
    route = await to(hello(dialect), dialect, headers=own | {"User-Agent": "mine/1"})
    await route.ask()
    (hit,) = route.stub.hits
    assert {name: hit.headers[name.lower()] for name in own} == own
    assert hit.headers["user-agent"] == "mine/1"
    assert KEY not in str(hit)


async def test_a_secret_in_a_header_is_masked(to: Open, dialect: str) -> None:
    said = Reply(
        http(b'{"error": {"message": "You are s3cret-token, of chat."}}', 401, "application/json", {"x-echo": "Bearer s3cret-token"})
    )
    failure = await (await to(said, dialect, headers={"authorization": "Bearer s3cret-token", "x-tags": "chat"})).fails()
    assert "s3cret" not in repr(failure)
    assert "of chat" in failure.why  # what is no secret is left as it was


WHO = {
    "openai-chat": lambda body: body.get("user"),
    "openai-responses": lambda body: body.get("user"),
    "anthropic": lambda body: body.get("metadata", {}).get("user_id"),
}


async def test_who_asks_is_told_only_where_the_owner_wants_it(to: Open, dialect: str) -> None:
    route = await to(hello(dialect), dialect, send_user=True)
    silent = await to(hello(dialect), dialect)
    for user in ("web:anna", ""):
        await route.ask(user=user)
        await silent.ask(user=user)
    told, nobody = (hit.json for hit in route.stub.hits)
    assert (WHO[dialect](told), WHO[dialect](nobody)) == ("web:anna", None)
    assert [hit.json for hit in silent.stub.hits] == [nobody, nobody]
    assert {name: value for name, value in told.items() if name not in {"user", "metadata"}} == nobody


def test_a_long_name_is_cut_and_stays_the_same_and_ones_own() -> None:
    """OpenAI takes 64 characters; a name in Matrix may have 255."""
    endpoint = Endpoint(name="main", send_user=True)
    anna, anne = (name_of_user(endpoint, f"matrix:@{'x' * 200}{name}:example.org") for name in ("anna", "anne"))
    assert len(anna) == len(anne) == 64 and anna != anne
    assert anna == name_of_user(endpoint, f"matrix:@{'x' * 200}anna:example.org")
    assert name_of_user(endpoint, "x" * 64) == "x" * 64


# --- refused, or reaching nobody --------------------------------------------------------------------------------------------------------


def half(dialect: str) -> bytes:
    return b"".join(STREAMS[dialect](Say("Half an "))[:-2])


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 429, 500, 503])
async def test_an_error_status_keeps_everything(to: Open, dialect: str, status: int) -> None:
    body = json.dumps({"error": {"message": f"You sent {KEY}."}}).encode()
    route = await to(Reply(http(body, status, "application/json", {"retry-after": "7", "x-echo": KEY})), dialect)
    failure = await route.fails()
    assert failure.status == status
    assert failure.why.endswith(f"answered with HTTP status {status}: You sent ***.")
    assert failure.body == '{"error": {"message": "You sent ***."}}'
    assert ("retry-after", "7") in failure.headers and ("x-echo", "***") in failure.headers
    assert len(route.stub.hits) == 1


async def test_a_key_in_the_stream_is_masked(to: Open, dialect: str) -> None:
    said = event({"type": "error", "error": {"message": f"Bad key {KEY}"}})
    assert "Bad key ***" in (await (await to(Reply(http(half(dialect) + said)), dialect)).fails()).why


async def test_no_more_of_an_error_is_read_than_is_kept(to: Open, dialect: str) -> None:
    route = await to(Reply(CHUNKED.replace(b"200 OK", b"500 Oh"), *(chunk(b"x" * 60_000) for _ in range(3)), end="hang"), dialect)
    assert len((await route.fails()).body) <= 64 * 1024 + 1
    await route.stub.wait_for_left(1)


async def test_of_a_long_answer_the_beginning_and_the_end_are_kept(to: Open, dialect: str) -> None:
    said = b"".join(STREAMS[dialect](Say("first", *["x" * 1000] * 300, "last"))[:-2])
    said = said[: said.rindex(b"last") + 10]
    body = (await (await to(Reply(http(said)), dialect)).fails()).body
    assert len(body) <= 64 * 1024 + 1
    assert "first" in body and "last" in body


async def test_a_connection_that_closes_without_an_answer_is_a_failure(to: Open, dialect: str) -> None:
    failure = await (await to(Reply(end="close"), dialect)).fails()
    assert failure.status is None
    assert failure.exception == "RemoteProtocolError: Server disconnected without sending a response."


async def test_a_refused_connection_is_a_failure(dialect: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failure = await failure_of(dialect, Endpoint(name="main", base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1", model="m"))
    assert failure.exception.startswith("ConnectError: [Errno 111]")
    assert "can't be reached" in failure.why


async def test_a_host_that_does_not_answer_at_all_is_given_up_after_the_connect_time_out(dialect: str) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (first, second):  # they fill the queue of a server that accepts nobody
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        base_url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        failure = await failure_of(dialect, Endpoint(name="main", base_url=base_url, model="m", connect_timeout_s=0.05))
    assert failure.exception.startswith("ConnectTimeout")


async def test_a_name_that_does_not_resolve_is_a_failure(dialect: str) -> None:
    failure = await failure_of(dialect, Endpoint(name="main", base_url="http://nowhere.invalid/v1", model="m"))
    assert failure.exception.startswith("ConnectError: ")
    assert failure.why.startswith("nowhere.invalid can't be reached")


@pytest.mark.parametrize("base_url", ["", "nonsense", "http://", "http://[::1/v1", "http://host:port/v1", "ftp://host/v1"])
async def test_an_address_that_is_none_is_a_failure(dialect: str, base_url: str) -> None:
    assert (await failure_of(dialect, Endpoint(name="main", base_url=base_url, model="m"))).status is None


async def test_a_key_that_no_header_can_carry_is_a_failure(dialect: str) -> None:
    failure = await failure_of(dialect, Endpoint(name="main", base_url="http://127.0.0.1:9/v1", model="m", api_key="sk-\nü"))
    assert "sk-" not in repr(failure)


async def failure_of(dialect: str, endpoint: Endpoint) -> RawFailure:
    model = open_model(dialect, endpoint, MemoryFiles())
    with pytest.raises(ModelFailed) as caught:
        await model.call(Request("", (User("Hi"),)), lambda _: None)
    await model.close()
    return caught.value.failure


def test_half_a_character_is_no_reason_to_lose_an_event() -> None:
    """Some servers cut a text between the two halves of an emoji."""
    assert parsed(b'{"text": "\\ud83d"}') == {"text": "?"}
    assert parsed(b'{"text": "\\ud83d\\ude00"}') == {"text": "\U0001f600"}
    with pytest.raises(ValueError, match="Expecting"):
        parsed(b'{"text": ')


# --- signs of life ----------------------------------------------------------------------------------------------------------------------

COMMENT = b": OPENROUTER PROCESSING\n\n"
PINGS = {
    "openai-chat": event({"id": "c1", "object": "chat.completion.chunk", "choices": []}),
    "openai-responses": named({"type": "keepalive", "sequence_number": 1}),
    "anthropic": named({"type": "ping"}),
}


def ticking(piece: bytes, count: int, every_s: float) -> tuple[bytes | asyncio.Event, ...]:
    """The piece, so often, with so much time between."""
    loop, pieces = asyncio.get_running_loop(), list[bytes | asyncio.Event]()
    for number in range(count):
        gate = asyncio.Event()
        loop.call_later(number * every_s, gate.set)
        pieces += [gate, chunk(piece)]
    return tuple(pieces)


@pytest.mark.parametrize("ping", [False, True])
async def test_signs_of_life_are_no_beginning_of_an_answer(to: Open, dialect: str, ping: bool) -> None:
    """However often they come: nothing is shown, which would open the route for all, and the first event is waited for no longer."""
    sign = PINGS[dialect] if ping else COMMENT
    route = await to(lambda _: Reply(CHUNKED, *ticking(sign, 40, 0.05), end="hang"), dialect, first_event_timeout_s=0.5)
    await route.model.warm()
    failure = await route.fails()
    assert route.shown == []
    assert failure.why.endswith("sent nothing of an answer for 0.5 s")
    assert classify(failure, now=0.0).kind == "transient"


@pytest.mark.parametrize("ping", [False, True])
async def test_signs_of_life_before_the_answer_do_it_no_harm(to: Open, dialect: str, ping: bool) -> None:
    said = PINGS[dialect] if ping else COMMENT
    route = await to(Reply(http(said * 3 + b"".join(STREAMS[dialect](Say("Hello"))) + said)), dialect)
    assert (await route.ask()).text == "Hello"
    assert route.shown[0] == "" and route.shown[-1] == "Hello"


@pytest.mark.parametrize("ping", [False, True])
async def test_an_answer_that_stands_still_and_shows_signs_of_life_is_waited_for(to: Open, dialect: str, ping: bool) -> None:
    whole = STREAMS[dialect](Say("Hel", "lo"))
    at = next(number for number, said in enumerate(whole) if b'"lo"' in said)
    sign = PINGS[dialect] if ping else COMMENT

    def slow(_: Hit) -> Reply:
        return Reply(CHUNKED, chunk(b"".join(whole[:at])), *ticking(sign, 24, 0.05), chunk(b"".join(whole[at:])), chunk(b""))

    route = await to(slow, dialect, idle_timeout_s=0.5)
    assert (await route.ask()).text == "Hello"


async def test_a_request_that_crosses_the_end_of_an_idle_connection_is_sent_again_at_once(to: Open, dialect: str) -> None:
    """Servers close a connection after some idle seconds, just when the next request is on its way."""
    answers = [hello(dialect), Reply(end="close"), hello(dialect)]
    route = await to(lambda hit: answers.pop(0), dialect)
    assert [(await route.ask()).text for _ in range(2)] == ["Hello", "Hello"]
    assert (len(route.stub.hits), route.stub.connections) == (3, 2)


async def test_a_new_connection_that_says_nothing_is_a_failure(to: Open, dialect: str) -> None:
    route = await to(Reply(end="close"), dialect)
    assert "can't be reached" in (await route.fails()).why
    assert len(route.stub.hits) == 1
