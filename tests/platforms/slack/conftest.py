from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from holdfast.testing.hook_listener import Listener, listening
from holdfast.testing.slack_client import Slack


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
