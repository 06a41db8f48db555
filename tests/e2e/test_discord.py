"""The gateway on Discord: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.discord_client import BOT, Discord
from holdfast.testing.discord_service import ANN, DiscordService, table
from holdfast.testing.process import GatewayProcess

SERVER, GENERAL, THREAD = "900000000000000001", "900000000000000002", "900000000000000004"


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncIterator[Discord]:
    async with Discord(tmp_path) as server:
        yield server


class TestDiscord(ThroughGateway):
    @pytest.fixture
    async def service(self, discord: Discord) -> Service:
        return DiscordService(discord, await discord.direct(ANN))


@pytest.fixture
async def gateway(tmp_path: Path, discord: Discord) -> AsyncIterator[GatewayProcess]:
    """Not started yet."""
    process = GatewayProcess(tmp_path / "gateway", f'{table(discord)}allow = ["*"]\ngroups = ["*"]\n[routes.main]\ndialect = "practice"\n')
    yield process
    await process.end()


async def called(discord: Discord, channel: str, *names: str) -> None:
    """Return when these titles were confirmed there, in this order, and nothing else was."""

    async def look() -> bool:
        said = [text for text in await discord.said(channel) if "now called" in text]
        return len(said) == len(names) and all(f"“{name}”" in text for name, text in zip(names, said, strict=True))

    await discord.until(look)


async def test_after_a_night_everything_that_was_written_anywhere_is_answered_once_where_it_stands(
    discord: Discord, gateway: GatewayProcess
) -> None:
    """LEDGER H-07: the session is over, so histories are read. A bot of the server is called by its command, too."""
    ann = await discord.direct(ANN)
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    await discord.order("thread", thread=THREAD, parent=GENERAL)
    await gateway.start(environ={"TOKEN": discord.token})
    await gateway.eventually(lambda: registered(discord))
    await discord.order("slash", channel=ann, command="title", value="first")
    await called(discord, ann, "first")
    asked = await discord.write(THREAD, f"<@{BOT}> hello", author=ANN)
    await discord.until(lambda: answers(discord, THREAD, asked))
    await discord.write(THREAD, f"<@{BOT}> /title thread", author=ANN)
    await called(discord, THREAD, "thread")
    gateway.kill()
    await gateway.ended()
    await discord.order("end_sessions")
    for number in range(3):
        await discord.write(ann, f"/title name{number}")
        await discord.write(GENERAL, f"name{number}, and not for us")
        await discord.write(THREAD, f"<@{BOT}> /title thread{number}", author=ANN)
    await gateway.start(environ={"TOKEN": discord.token})
    await called(discord, ann, "first", *(f"name{number}" for number in range(3)))
    await called(discord, THREAD, "thread", *(f"thread{number}" for number in range(3)))
    assert not await discord.said(GENERAL)


async def answers(discord: Discord, channel: str, asked: str) -> bool:
    return any(one.reply_to == asked and not one.text.endswith("…") for one in await discord.shown(channel) if one.mine)


async def registered(discord: Discord) -> bool:
    return bool((await discord.order("about_bot", token=discord.token))["commands"])


async def test_without_the_intent_the_account_says_what_to_switch_on_and_goes_on_when_that_was_done(
    discord: Discord, gateway: GatewayProcess
) -> None:
    """LEDGER H-56."""
    ann = await discord.direct(ANN)
    await discord.order("about_bot", token=discord.token, intents=0)
    await gateway.start(environ={"TOKEN": discord.token})
    await gateway.eventually(lambda: state(gateway, "stopped", "switch on Message Content Intent"))
    await discord.order("about_bot", token=discord.token, intents=1 << 15)
    assert (await gateway.run("platforms", "retry", "discord:mybot")).exit == 0
    await gateway.eventually(lambda: state(gateway, "connected"))
    await discord.write(ann, "/title alpha")
    await called(discord, ann, "alpha")
    assert len(await discord.calls("identify")) == 2


async def state(gateway: GatewayProcess, wanted: str, why: str = "") -> bool:
    return any(one["state"] == wanted and why in one["why"] for one in (await gateway.door.status())["platforms"])
