"""A homeserver for all tests here, and on it for each test a bot, its account, and somebody who talks to it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from holdfast.platforms.matrix import open_account
from holdfast.ports import Platform
from holdfast.runtime.clock import SystemClock
from holdfast.testing.matrix_rig import Open, settings_of
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.synapse import MISSING, PROGRAM, Person, Synapse

Somebody = Callable[[], Person]


@pytest.fixture(scope="session")
def synapse() -> Generator[Synapse]:
    if shutil.which(PROGRAM) is None:
        pytest.skip(MISSING)
    memory = Path("/dev/shm")  # the server writes much, and nothing here cuts the power
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.exists() else None) as folder,
        Synapse(Path(folder), max_upload_size="100K") as server,
    ):
        yield server


@pytest.fixture(scope="session")
def somebody(synapse: Synapse) -> Somebody:
    """Somebody new."""
    numbers = itertools.count(1)
    return lambda: synapse.person(f"person{next(numbers)}")


@pytest.fixture
def bot(somebody: Somebody) -> Person:
    return somebody()


@pytest.fixture
def ann(somebody: Somebody) -> Person:
    return somebody()


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
async def account(synapse: Synapse, bot: Person, files: MemoryFiles, tmp_path: Path) -> AsyncGenerator[Open]:
    opened: list[Platform] = []

    def one(**more: Any) -> Platform:
        opened.append(open_account("home", settings_of(synapse, bot, **more), files, SystemClock(), tmp_path / "keys"))
        return opened[-1]

    yield one
    for platform in opened:
        await platform.close()


@pytest.fixture
def direct(bot: Person, ann: Person) -> str:
    """A room of the two."""
    room = ann.direct(bot.id)
    bot.join(room)
    return room
