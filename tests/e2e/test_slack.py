"""The gateway on Slack: both are real processes, and both get killed."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.models.practice_words import INTRODUCTION
from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.process import GatewayProcess
from holdfast.testing.slack_client import Slack
from holdfast.testing.slack_service import ANN, ENVIRON, SlackService, table
from holdfast.testing.slack_world import US


class TestSlack(ThroughGateway):
    """By Socket Mode."""

    @pytest.fixture
    def service(self, slack: Slack) -> Service:
        return SlackService(slack)


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[Slack]:
    async with Slack(tmp_path) as server:
        await server.order("meet", chat=ANN)
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, slack: Slack) -> AsyncIterator[GatewayProcess]:
    """Not started yet."""
    process = GatewayProcess(tmp_path / "gateway", '[routes.main]\ndialect = "practice"\n' + table(slack) + 'allow = ["*"]\n')
    yield process
    await process.end()


async def says(slack: Slack, *texts: str, chat: str = ANN) -> None:
    """Return when the bot says these there, in this order, and nothing else of the kind."""

    async def look() -> bool:
        said = [text for text in await slack.said(chat) if any(part in text for part in texts)]
        return len(said) == len(texts) and all(part in text for part, text in zip(texts, said, strict=True))

    await slack.until(look)


async def test_a_group_is_answered_in_the_thread_of_the_question_and_goes_on_there(slack: Slack, gateway: GatewayProcess) -> None:
    gateway.configure('[routes.main]\ndialect = "practice"\n' + table(slack) + 'allow = ["*"]\ngroups = ["C1"]\n')
    await slack.order("group", chat="C1")
    await gateway.start(environ=ENVIRON)
    await slack.write("C1", "Nothing for you")
    asked = await slack.write("C1", f"<@{US}> hello", author="UBOB")
    await says(slack, INTRODUCTION[-30:], chat="C1")
    gateway.kill()
    await gateway.ended()
    await slack.write("C1", "!title beta", author="UBOB", thread=asked)
    await gateway.start(environ=ENVIRON)
    await says(slack, INTRODUCTION[-30:], "beta", chat="C1")
    assert {one.thread for one in await slack.shown("C1") if one.mine} == {asked}


async def test_slack_calls_and_is_answered_only_once_a_message_is_kept(slack: Slack, gateway: GatewayProcess) -> None:
    """LEDGER H-05, H-55: killed before the commit; what Slack gave up to bring meanwhile is found in the history, in order."""
    gateway.configure('[routes.main]\ndialect = "practice"\n' + table(slack, called=True) + 'allow = ["*"]\n')
    service = SlackService(slack, called=True)
    await gateway.start(environ={**ENVIRON, "HOLDFAST_FAILPOINT": "ingest.before_commit:3"})
    await service.listens(gateway)
    await slack.write(ANN, "!title alpha")
    await slack.write(ANN, "!title beta")
    assert await gateway.ended() == -signal.SIGKILL
    await slack.until(lambda: _gave_up(slack))
    await gateway.start(environ=ENVIRON)
    await says(slack, "alpha", "beta")


async def _gave_up(slack: Slack) -> bool:
    return bool(await slack.order("unconfirmed") == 0)
