"""What every `ports.Model` promises."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from itertools import pairwise

from holdfast.core.entries import Call, call_id
from holdfast.core.request import Assistant, Request, Result, Tool, User
from holdfast.ports import Answer, Model

WAIT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRig:
    """A model, and what to say to it so that it answers with a text, calls `tool`, or talks for so long that it can be interrupted."""

    model: Model
    tool: Tool
    for_text: str = "Hello"
    for_call: str
    for_long: str


class ModelContract:
    """Inherit from this, with a fixture `rig`."""

    async def test_it_answers_with_a_text(self, rig: ModelRig) -> None:
        answer = await _asked(rig, rig.for_text)
        assert answer.text.strip()
        assert not answer.calls

    async def test_what_is_shown_only_grows_and_ends_as_the_answer(self, rig: ModelRig) -> None:
        shown: list[str] = []
        answer = await rig.model.call(_request(rig, User(rig.for_text)), shown.append)
        assert shown[-1] == answer.text
        assert all(later.startswith(earlier) for earlier, later in pairwise(shown))

    async def test_it_says_the_same_again_to_the_same(self, rig: ModelRig) -> None:
        assert (await _asked(rig, rig.for_text)).text == (await _asked(rig, rig.for_text)).text

    async def test_it_counts_its_tokens(self, rig: ModelRig) -> None:
        answer = await _asked(rig, rig.for_text)
        assert answer.usage.input_tokens > 0
        assert answer.usage.output_tokens > 0

    async def test_a_call_names_a_tool_it_was_given_and_carries_an_object(self, rig: ModelRig) -> None:
        answer = await _asked(rig, rig.for_call)
        ((tool, arguments),) = answer.calls
        assert tool == rig.tool.name
        assert isinstance(json.loads(arguments), dict)

    async def test_the_result_of_a_call_leads_to_a_text(self, rig: ModelRig) -> None:
        asked = User(rig.for_call)
        first = await rig.model.call(_request(rig, asked), _nothing)
        ((tool, arguments),) = first.calls
        call = Call(id=call_id(1, 0), tool=tool, arguments=arguments)
        answered = Assistant(first.text, (call,), "main", first.provider_data)
        second = await rig.model.call(_request(rig, asked, answered, Result(call.id, tool, "noon")), _nothing)
        assert second.text.strip()
        assert not second.calls

    async def test_a_cancelled_call_ends_at_once_and_harms_no_other(self, rig: ModelRig) -> None:
        begun = asyncio.Event()
        call = asyncio.ensure_future(rig.model.call(_request(rig, User(rig.for_long)), lambda text: begun.set() if text else None))
        await asyncio.wait_for(begun.wait(), WAIT_S)
        call.cancel()
        await asyncio.wait((call,), timeout=WAIT_S)
        assert call.cancelled()
        assert (await _asked(rig, rig.for_text)).text

    async def test_calls_side_by_side_do_not_mix(self, rig: ModelRig) -> None:
        text, call = await asyncio.gather(_asked(rig, rig.for_text), _asked(rig, rig.for_call))
        assert text.text.strip()
        assert not text.calls
        assert len(call.calls) == 1

    async def test_warming_is_optional_and_harmless(self, rig: ModelRig) -> None:
        await rig.model.warm()
        await rig.model.warm()
        assert (await _asked(rig, rig.for_text)).text

    async def test_closing_is_harmless_and_final_for_nobody(self, rig: ModelRig) -> None:
        await rig.model.close()
        await rig.model.close()
        assert (await _asked(rig, rig.for_text)).text


def _nothing(_: str) -> None:
    """Nobody looks."""


def _request(rig: ModelRig, *messages: User | Assistant | Result) -> Request:
    return Request("You are a helpful assistant.", messages, (rig.tool,))


async def _asked(rig: ModelRig, text: str) -> Answer:
    return await asyncio.wait_for(rig.model.call(_request(rig, User(text)), _nothing), WAIT_S)
