"""The model contract on the practice model, a real llama.cpp and the stub, in every dialect."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from holdfast.core.request import Tool
from holdfast.models import Endpoint, open_model
from holdfast.models.practice import PracticeModel
from holdfast.testing.contracts.model import ModelContract, ModelRig
from holdfast.testing.dialects import STREAMS, Say, Think, Use
from holdfast.testing.llama import Llama, Options, unavailable
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.stub_provider import CHUNKED, Hit, Reply, StubProvider, chunk, http

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
    @pytest.fixture(params=sorted(STREAMS))
    async def rig(self, llama: Llama, request: pytest.FixtureRequest) -> AsyncIterator[ModelRig]:
        model = open_model(request.param, Endpoint(name="main", base_url=llama.base_url, model="scripted"), MemoryFiles())
        yield ModelRig(model=model, tool=CLOCK, for_call="TOOL", for_long="LONG")
        await model.close()


def provider(dialect: str) -> Callable[[Hit], Reply]:
    """Answers as a provider would, by the last message."""

    def answer(hit: Hit) -> Reply:
        last = json.dumps(hit.json["input" if dialect == "openai-responses" else "messages"][-1])
        if "LONG" in last:
            begun = STREAMS[dialect](Say("and so on"))
            return Reply(
                CHUNKED, *(chunk(event) for event in begun[: [b"and so on" in event for event in begun].index(True) + 1]), end="hang"
            )
        parts = (Think("Hm."), Use("get_time", '{"tz": "UTC"}')) if "TOOL" in last else (Say("Hello", " there."),)
        return Reply(http(b"".join(STREAMS[dialect](*parts))))

    return answer


class TestStub(ModelContract):
    @pytest.fixture(params=sorted(STREAMS))
    async def rig(self, request: pytest.FixtureRequest) -> AsyncIterator[ModelRig]:
        async with StubProvider(provider(request.param)) as stub:
            model = open_model(request.param, Endpoint(name="main", base_url=stub.base_url, model="m"), MemoryFiles())
            yield ModelRig(model=model, tool=CLOCK, for_call="TOOL", for_long="LONG")
            await model.close()
