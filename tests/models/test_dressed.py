"""Errors that come as the assistant's words, in the stream of every dialect."""

from __future__ import annotations

import pytest

from holdfast.testing.dialects import STREAMS, Say, Use
from holdfast.testing.model_rig import Open
from holdfast.testing.stub_provider import Reply, http

SAID = "[\U0001f99a Manifest M101] You're connected, but no providers are set up yet."


@pytest.fixture(params=sorted(STREAMS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("pieces", [(SAID,), tuple(SAID), ("\n ", SAID)])
async def test_an_error_that_is_dressed_as_an_answer_is_a_failure(to: Open, dialect: str, pieces: tuple[str, ...]) -> None:
    failure = await (await to(Reply(http(b"".join(STREAMS[dialect](Say(*pieces))))), dialect)).fails()
    assert failure.why.endswith(f"reported an error instead of an answer: {SAID}")
    assert failure.status == 200


@pytest.mark.parametrize("text", [f"It said: {SAID}", "[Manifest M101] is what it says.", "\U0001f99a Manifest"])
async def test_an_answer_that_talks_about_such_an_error_is_one(to: Open, dialect: str, text: str) -> None:
    assert (await (await to(Reply(http(b"".join(STREAMS[dialect](Say(text))))), dialect)).ask()).text == text


async def test_an_answer_that_calls_a_tool_is_one_whatever_it_says(to: Open, dialect: str) -> None:
    assert (await (await to(Reply(http(b"".join(STREAMS[dialect](Say(SAID), Use("t", "{}"))))), dialect)).ask()).calls == (("t", "{}"),)
