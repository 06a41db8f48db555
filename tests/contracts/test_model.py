"""The model contract on the practice model, a real llama.cpp and the stub."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from holdfast.core.request import Tool
from holdfast.models import Endpoint, open_model
from holdfast.models.practice import PracticeModel
from holdfast.testing.contracts.model import ModelContract, ModelRig
from holdfast.testing.llama import Llama, Options, unavailable
from holdfast.testing.stub_provider import CHUNKED, Hit, Reply, StubProvider, call, chunk, event, events, finish, http, text, usage

CLOCK = Tool("get_time", "The time.", {"type": "object", "properties": {"tz": {"type": "string"}}})


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    if (why := unavailable()) and os.environ.get("HOLDFAST_TEST_ALL") != "1":
        pytest.skip(why)
    with Llama(tmp_path_factory.mktemp("llama"), options=Options(slow_ms=2)) as llama:
        yield llama


class TestPracticeModel(ModelContract):
    @pytest.fixture
    def rig(self) -> ModelRig:
        return ModelRig(model=PracticeModel(pause_s=0.001), tool=CLOCK, for_call="What time is it?", for_long="Tell me a long story")


class TestLlama(ModelContract):
    @pytest.fixture
    async def rig(self, llama: Llama) -> AsyncIterator[ModelRig]:
        model = open_model("openai-chat", Endpoint(name="main", base_url=llama.base_url, model="scripted"))
        yield ModelRig(model=model, tool=CLOCK, for_call="TOOL", for_long="LONG")
        await model.close()


def provider(hit: Hit) -> Reply:
    """Answers as a provider would, by the last message."""
    last = hit.json["messages"][-1]
    if last["content"] == "LONG":
        return Reply(CHUNKED, chunk(event(text("and so on"))), end="hang")
    if last["content"] == "TOOL":
        return Reply(http(events(call(0, "get_time", '{"tz": "UTC"}'), finish("tool_calls"), usage(5, 3))))
    return Reply(http(events(text("Hello"), text(" there."), finish(), usage(5, 3))))


class TestStub(ModelContract):
    @pytest.fixture
    async def rig(self) -> AsyncIterator[ModelRig]:
        async with StubProvider(provider) as stub:
            model = open_model("openai-chat", Endpoint(name="main", base_url=stub.base_url, model="m"))
            yield ModelRig(model=model, tool=CLOCK, for_call="TOOL", for_long="LONG")
            await model.close()
