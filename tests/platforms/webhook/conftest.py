from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from holdfast.testing.hook_listener import Listener, listening
from holdfast.testing.webhook_service import Program


@pytest.fixture(scope="module")
def program_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(Path(tmp_path_factory.mktemp("program")))
    program.launch()
    yield program
    program.kill()


@pytest.fixture
async def program(program_process: Program) -> Program:
    await program_process.reset()
    return program_process


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener
