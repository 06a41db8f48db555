from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from holdfast.platforms.slack.account import SlackPlatform
from holdfast.platforms.slack.receiving import LOOK_S
from holdfast.runtime.clock import SystemClock
from holdfast.testing.hook_listener import Listener, listening
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.slack_client import Slack

Connect = Callable[..., SlackPlatform]


@pytest.fixture(scope="module")
def slack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slack]:
    slack = Slack(Path(tmp_path_factory.mktemp("slack")), ack_s=0.5)
    slack.launch()
    yield slack
    slack.kill()


@pytest.fixture
async def slack(slack_process: Slack) -> Slack:
    await slack_process.reset()
    await slack_process.order("person", id="UANN", name="Ann")
    return slack_process


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
def connect(slack: Slack) -> Connect:
    """Makes a connection of the account; `more` is what it takes besides its settings."""
    return lambda look_s=LOOK_S, **settings: SlackPlatform("mybot", slack.settings(**settings), MemoryFiles(), SystemClock(), look_s)


@pytest.fixture
async def platform(connect: Connect) -> AsyncIterator[SlackPlatform]:
    platform = connect(groups=("C1",))
    yield platform
    await platform.close()
