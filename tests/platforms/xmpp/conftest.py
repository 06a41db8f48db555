"""A server for all tests of a module, and for each test people of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast import accounts
from holdfast.platforms.xmpp import open_account
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.prosody import PROGRAM, Prosody, User
from holdfast.testing.xmpp_service import Person


@pytest.fixture(scope="module")
def prosody_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    if shutil.which(PROGRAM) is None:
        pytest.skip("prosody not installed. On Debian: apt-get install prosody")
    with Prosody(Path(tmp_path_factory.mktemp("prosody"))) as server:
        yield server


@pytest.fixture
async def prosody(prosody_process: Prosody) -> AsyncGenerator[Prosody]:
    yield prosody_process
    if not prosody_process.runs:
        await asyncio.to_thread(prosody_process.start)


@pytest.fixture
def bot(prosody: Prosody) -> User:
    return prosody.user("bot")


@pytest.fixture
async def ann(prosody: Prosody) -> AsyncGenerator[Person]:
    person = Person(prosody.user("ann"))
    yield person
    await person.close()


@pytest.fixture
def settings(bot: User) -> Callable[..., accounts.Xmpp]:
    """A table of the account; more can be set in it."""

    def made(**more: Any) -> accounts.Xmpp:
        way = {"jid": bot.jid, "password": Secret("env:SECRET", bot.password), "host": "127.0.0.1", "port": bot.server.port}
        return accounts.Xmpp(**{**way, **more})

    return made


@pytest.fixture
def account(settings: Callable[..., accounts.Xmpp], tmp_path: Path) -> Callable[..., Platform]:
    def connected(files: MemoryFiles | None = None, **more: Any) -> Platform:
        return open_account("home", settings(**more), files or MemoryFiles(), SystemClock(), tmp_path)

    return connected
