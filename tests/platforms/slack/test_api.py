from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from holdfast.platforms.asking import NotSent, Unanswered
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.api import Api, Refused, without_nulls
from holdfast.testing.slack_client import TOKEN, Slack


@pytest.fixture
async def api(slack: Slack) -> AsyncIterator[Api]:
    api = Api(slack.api_url, TOKEN)
    yield api
    await api.close()


async def test_the_way_is_ours_to_choose_and_not_the_librarys(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take any proxy that the environment names, to this machine too."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    await api.call("auth.test", wire.WhoWeAre)
    elsewhere = Api("http://slack.invalid/api/", TOKEN)
    with pytest.raises(NotSent, match=r"127\.0\.0\.1:9"):
        await elsewhere.call("auth.test", wire.WhoWeAre)
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(NotSent, match=r"127\.0\.0\.1:9 is none of plain HTTP.*http://HOST:PORT"):
        await elsewhere.call("auth.test", wire.WhoWeAre)
    await elsewhere.close()


async def test_a_request_is_made_once_whatever_becomes_of_it(api: Api, slack: Slack) -> None:
    for kind in ("drop", "status", "limit", "garbage"):
        await slack.fault(kind, "auth.test", value=503 if kind == "status" else 1)
        with pytest.raises((Unanswered, Refused)):
            await api.call("auth.test", wire.WhoWeAre)
    assert len(await slack.calls("auth.test")) == 4


async def test_what_is_not_what_was_asked_for_is_no_answer(api: Api) -> None:
    with pytest.raises(Unanswered, match="something unexpected"):
        await api.call("auth.test", wire.Sent)


async def test_slacks_clock_and_scopes_are_known_from_its_answers(api: Api) -> None:
    await api.call("auth.test", wire.WhoWeAre)
    assert api.now > 1_700_000_000
    assert "chat:write" in api.scopes


def test_what_is_null_is_absent() -> None:
    assert without_nulls({"a": None, "b": [{"c": None, "d": 0}], "e": ""}) == {"b": [{"d": 0}], "e": ""}
