"""What becomes of a request that is refused, or reaches nobody, in every dialect."""

from __future__ import annotations

import json
import socket

import pytest

from holdfast.core.request import Request, User
from holdfast.models import Endpoint, open_model
from holdfast.models.wire import described, message_of, parsed
from holdfast.ports import ModelFailed, RawFailure
from holdfast.testing.dialects import STREAMS, Say
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.model_rig import KEY, Open
from holdfast.testing.stub_provider import CHUNKED, Reply, chunk, event, http


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
