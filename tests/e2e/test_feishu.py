"""The gateway on Feishu: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.feishu_client import DIRECT, GROUP, KEY, SECRET, Feishu, FeishuService, table
from holdfast.testing.process import GatewayProcess


@pytest.fixture
async def feishu(tmp_path: Path) -> AsyncIterator[Feishu]:
    async with Feishu(tmp_path) as server:
        yield server


class TestFeishu(ThroughGateway):
    @pytest.fixture
    def service(self, feishu: Feishu) -> Service:
        return FeishuService(feishu)


@pytest.fixture
async def gateway(tmp_path: Path, feishu: Feishu) -> AsyncIterator[GatewayProcess]:
    """Not started yet."""
    process = GatewayProcess(tmp_path / "gateway", f'[routes.main]\ndialect = "practice"\n{table(feishu)}allow = ["*"]\n')
    yield process
    await process.end()


async def says(feishu: Feishu, *texts: str, chat: str = DIRECT) -> None:
    """Return when the bot says these there, in this order, and nothing else of the kind."""

    async def look() -> bool:
        said = [text for text in await feishu.said(chat) if any(part in text for part in texts)]
        return len(said) == len(texts) and all(part in text for part, text in zip(texts, said, strict=True))

    await feishu.until(look, 60)


async def test_what_feishu_does_not_bring_again_is_answered_when_we_are_back(feishu: Feishu, gateway: GatewayProcess) -> None:
    """LEDGER H-07: killed; then away for more than seven hours; then the way is cut again and again while it is read."""
    await gateway.start(environ={"SECRET": SECRET})
    await feishu.write(DIRECT, "/title first")
    await says(feishu, "first")
    gateway.kill()
    await gateway.ended()
    names = [f"name{number:03}" for number in range(60)]
    for name in names:
        await feishu.write(DIRECT, f"/title {name}")
    await feishu.order("seven_hours_pass")
    await feishu.fault("drop", "list", times=2)
    await gateway.start(environ={"SECRET": SECRET})
    await says(feishu, "first", *names)


async def test_a_group_hears_an_answer_in_the_thread_of_the_question(feishu: Feishu, gateway: GatewayProcess) -> None:
    gateway.configure(
        f'[routes.main]\ndialect = "practice"\n{table(feishu)}allow = ["*"]\ngroups = ["{GROUP}"]\ngroup_conversations = "per_thread"\n'
    )
    root = await feishu.write(GROUP, "Plans", silent=True)
    await feishu.write(GROUP, "nothing for you", thread=root)
    asked = await feishu.write(GROUP, "@Holdfast hello", thread=root)
    await gateway.start(environ={"SECRET": SECRET})

    async def answered() -> bool:
        found = [one for one in await feishu.shown(GROUP) if one.mine]
        return len(found) == 1 and "practice model" in found[0].text and found[0].parent == asked and bool(found[0].thread)

    await feishu.until(answered, 60)


async def test_feishu_calls_and_is_answered_only_once_a_message_is_kept(feishu: Feishu, gateway: GatewayProcess) -> None:
    """LEDGER H-05: killed before the commit; what was written meanwhile is brought again."""
    called = f'{table(feishu)}encrypt_key = "env:KEY"\nallow = ["*"]\n[webhooks]\nport = 0\n'
    gateway.configure(f'[routes.main]\ndialect = "practice"\n{called}')
    await feishu.write(DIRECT, "/title alpha")
    for failpoint in ("ingest.before_commit", ""):
        await gateway.start(environ={"SECRET": SECRET, "KEY": KEY} | ({"HOLDFAST_FAILPOINT": failpoint} if failpoint else {}))
        url = f"http://127.0.0.1:{await gateway.hooks_port()}/hooks/feishu/work"
        await feishu.order("set_app", hook={"url": url, "key": KEY})
        if failpoint:
            assert await gateway.ended() == -signal.SIGKILL
            await feishu.write(DIRECT, "/title beta")
    await says(feishu, "alpha", "beta")

    async def all_kept() -> bool:
        return bool(await feishu.order("unanswered") == 0)

    await feishu.until(all_kept)
