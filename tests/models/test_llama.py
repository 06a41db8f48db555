"""A real model server: what it says, and what becomes of a call when it is slow, locked, or killed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from holdfast.core.request import Request, User
from holdfast.models import Endpoint, open_model
from holdfast.ports import Model, ModelFailed, RawFailure
from holdfast.testing.dialects import STREAMS
from holdfast.testing.llama import Llama, Options, Script, unavailable
from holdfast.testing.memory_files import MemoryFiles

Start = Callable[..., Llama]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(script, options)`: a server that ends with the test."""
    if (why := unavailable()) and os.environ.get("HOLDFAST_TEST_ALL") != "1":
        pytest.skip(why)
    with ExitStack() as stack:
        yield lambda script=None, options=None: stack.enter_context(Llama(tmp_path, script, options))


@pytest.fixture(params=sorted(STREAMS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def route(dialect: str, llama: Llama, key: str = "") -> Model:
    return open_model(
        dialect, Endpoint(name="main", base_url=llama.base_url, model="scripted", api_key=key, idle_timeout_s=20.0), MemoryFiles()
    )


async def failure_of(model: Model, asked: str = "Hello") -> RawFailure:
    with pytest.raises(ModelFailed) as caught:
        await model.call(Request("", (User(asked),)), lambda _: None)
    return caught.value.failure


async def test_it_says_its_script(start: Start, dialect: str) -> None:
    model = route(dialect, start(Script(text="A text of its own")))
    assert (await model.call(Request("", (User("Hello"),)), lambda _: None)).text == "A text of its own"
    await model.close()


async def test_a_server_killed_in_mid_answer_is_a_failure_and_started_again_it_serves(start: Start, dialect: str) -> None:
    llama = start(None, Options(slow_ms=10))
    model = route(dialect, llama)
    begun = asyncio.Event()
    call = asyncio.ensure_future(model.call(Request("", (User("LONG"),)), lambda text: begun.set() if text.count("la") > 3 else None))
    await asyncio.wait_for(begun.wait(), 20)
    await asyncio.to_thread(llama.kill)
    with pytest.raises(ModelFailed) as caught:
        await asyncio.wait_for(call, 20)
    assert (caught.value.failure.status, caught.value.failure.transport) == (200, "reset")
    assert '"la' in caught.value.failure.body
    assert (await failure_of(model)).exception.startswith("ConnectError: ")
    await asyncio.to_thread(llama.start)
    assert (await model.call(Request("", (User("Hello"),)), lambda _: None)).text
    await model.close()


async def test_a_slow_server_is_seen_word_by_word(start: Start, dialect: str) -> None:
    model = route(dialect, start(None, Options(slow_ms=10)))
    shown: list[str] = []
    await model.call(Request("", (User("Hello"),)), shown.append)
    assert shown == ["", "Hello", "Hello from", "Hello from a", "Hello from a scripted", "Hello from a scripted llama"]
    await model.close()


async def test_a_wrong_key_is_refused_and_the_right_one_is_not(start: Start, dialect: str) -> None:
    llama = start(None, Options(api_key="the-right-key"))
    wrong, right, none = route(dialect, llama, "a-wrong-key"), route(dialect, llama, "the-right-key"), route(dialect, llama)
    for failure in (await failure_of(wrong), await failure_of(none)):
        assert failure.status == 401
        assert failure.why.endswith("Invalid API Key")
    assert (await right.call(Request("", (User("Hello"),)), lambda _: None)).text
    for model in (wrong, right, none):
        await model.close()


async def test_a_conversation_that_is_too_long_for_its_context_is_a_failure_that_says_so(start: Start, dialect: str) -> None:
    model = route(dialect, start(None, Options(context_tokens=256)))
    failure = await failure_of(model, "word " * 500)
    assert failure.status == 400
    assert "exceed" in failure.body
    await model.close()
