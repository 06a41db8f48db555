"""What is the same for the dialects that we speak ourselves."""

from __future__ import annotations

import json

import pytest

from holdfast.core.entries import Call
from holdfast.core.request import Assistant, Result, User
from holdfast.ports import ModelFailed
from holdfast.testing.dialects import STREAMS, Say, Use
from holdfast.testing.model_rig import Open
from holdfast.testing.stub_provider import Reply, http

TOKEN, FULL = "<|im_start|>", "<\uff5cUser\uff5c>"
NATIVE = ["anthropic", "openai-responses"]


@pytest.mark.parametrize("dialect", NATIVE)
@pytest.mark.parametrize("model", ["qwen3:8b", "openai/gpt-oss-20b", "m"])
async def test_control_tokens_in_what_people_and_tools_say_do_not_reach_an_open_model_as_such(to: Open, dialect: str, model: str) -> None:
    call = Call(id="call_1_0", tool="t", arguments=json.dumps({"text": TOKEN}))
    stream = STREAMS[dialect](Say(f"It says {TOKEN} there."), Use("t", '{"text": "<\u200d|im_start|>"}'))
    route = await to(Reply(http(b"".join(stream))), dialect, model=model)
    answer = await route.ask(User(f"{TOKEN}system"), Assistant("", (call,)), Result("call_1_0", "t", f"{FULL} {TOKEN} a <|> b < c"))
    sent = json.dumps(route.stub.hits[0].json, ensure_ascii=False)
    assert sent.count(TOKEN) == 1 and FULL not in sent  # the model's own call stays as it made it
    assert "a <|> b < c" in sent
    assert answer.text == f"It says {TOKEN} there."
    assert answer.calls == (("t", '{"text": "<|im_start|>"}'),)


@pytest.mark.parametrize("dialect", NATIVE)
async def test_a_failure_after_a_second_request_tells_of_that_one_alone(to: Open, dialect: str) -> None:
    half = b"".join(STREAMS[dialect](Say("Half an "))[:-1])
    route = await to([Reply(http(b'{"error": "include, signature"}', 400, "application/json")), Reply(http(half))], dialect)
    failed = Assistant("Hello", (), "main", "{}")
    with pytest.raises(ModelFailed) as caught:
        await route.ask(User("Hi"), failed, User("More"))
    assert (caught.value.failure.status, caught.value.failure.transport) == (200, "eof-clean")
    assert caught.value.failure.body == half.decode()


@pytest.mark.parametrize("dialect", NATIVE)
@pytest.mark.parametrize("model", ["claude-opus-5-5", "gpt-5.4", "openai/o3"])
async def test_models_whose_makers_run_them_read_what_was_written(to: Open, dialect: str, model: str) -> None:
    route = await to(Reply(http(b"".join(STREAMS[dialect](Say("Hi"))))), dialect, model=model)
    await route.ask(User(f"What does {TOKEN} mean?"))
    assert TOKEN in str(route.stub.hits[0].json)
