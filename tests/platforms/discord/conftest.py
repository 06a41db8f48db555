"""A Discord server for all tests of a module: it starts once, and forgets between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from holdfast.accounts import Discord as Settings
from holdfast.platforms.discord.account import DiscordPlatform
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.discord_client import Discord
from holdfast.testing.discord_service import ANN
from holdfast.testing.memory_files import MemoryFiles


@pytest.fixture(scope="module")
def discord_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Discord]:
    server = Discord(Path(tmp_path_factory.mktemp("discord")))
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def discord(discord_process: Discord) -> Discord:
    await discord_process.reset()
    return discord_process


@pytest.fixture
async def ann(discord: Discord) -> str:
    """Where Ann talks with the bot."""
    return await discord.direct(ANN)


@pytest.fixture
async def account(discord: Discord, tmp_path: Path) -> AsyncIterator[Callable[..., DiscordPlatform]]:
    """Makes a connection of the account: of another life of the gateway, but in the same folder."""
    made: list[DiscordPlatform] = []

    def account(files: MemoryFiles | None = None, **more: object) -> DiscordPlatform:
        settings = Settings(token=Secret("env:TOKEN", discord.token), base_url=discord.api_url, **more)  # type: ignore[arg-type]  # what a test sets
        made.append(DiscordPlatform("mybot", settings, files or MemoryFiles(), SystemClock(), tmp_path / "account"))
        return made[-1]

    yield account
    for platform in made:
        await platform.close()


@pytest.fixture
def platform(account: Callable[..., DiscordPlatform]) -> DiscordPlatform:
    return account(groups=("*",))
