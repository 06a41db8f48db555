"""The gateway on Matrix: both are real processes, and both get killed, in every order. `HOLDFAST_LONG=1` kills at more points."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Final

import pytest

from holdfast.testing.matrix_rig import eventually
from holdfast.testing.process import GatewayProcess
from holdfast.testing.synapse import MISSING, PROGRAM, Person, Synapse

LONG: Final = os.environ.get("HOLDFAST_LONG") == "1"
POINTS: Final = ("ingest.after_commit", "deliver.after_send") + (
    ("ingest.before_commit", "acknowledge", "deliver.before_send", "append.after_commit") if LONG else ()
)
MANY: Final = 100

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def synapse() -> Generator[Synapse]:
    if shutil.which(PROGRAM) is None:
        pytest.skip(MISSING)
    memory = Path("/dev/shm")  # the server writes much, and nothing here cuts the power
    with tempfile.TemporaryDirectory(dir=memory if memory.exists() else None) as folder, Synapse(Path(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def bot(synapse: Synapse) -> Person:
    return synapse.person("bot")


@pytest.fixture(scope="module")
def ann(synapse: Synapse) -> Person:
    return synapse.person("ann")


@pytest.fixture
def room(ann: Person, bot: Person) -> str:
    return ann.direct(bot.id)


@pytest.fixture
async def gateway(tmp_path: Path, synapse: Synapse, bot: Person) -> AsyncIterator[GatewayProcess]:
    """Not started yet."""
    account = f'[platforms.matrix.home]\nhomeserver = "{synapse.url}"\nuser = "{bot.id}"\npassword = "env:PASSWORD"\nallow = ["*"]\n'
    process = GatewayProcess(tmp_path / "gateway", f'[routes.main]\ndialect = "practice"\n{account}')
    yield process
    await process.end()


async def start(gateway: GatewayProcess, bot: Person, failpoint: str = "") -> None:
    await gateway.start(environ={"PASSWORD": bot.password} | ({"HOLDFAST_FAILPOINT": failpoint} if failpoint else {}))


async def answered(ann: Person, bot: Person, room: str, *names: str) -> None:
    """Return when each of these titles was confirmed, in this order, and once."""
    wanted = [f"“{name}”" for name in names]

    def look() -> bool:
        said = [text for text in ann.texts(room, bot.id) if "now called" in text]
        return len(said) >= len(wanted)

    await eventually(look, 120)
    said = [text for text in ann.texts(room, bot.id) if "now called" in text]
    assert len(said) == len(wanted), said
    assert all(name in text for name, text in zip(wanted, said, strict=True)), said


async def test_what_was_written_while_both_were_killed_is_answered_once_and_in_order(
    synapse: Synapse, gateway: GatewayProcess, ann: Person, bot: Person, room: str
) -> None:
    """LEDGER H-01, H-05, H-14: more than one page of history, across the death of each."""
    await start(gateway, bot)
    ann.write(room, "!title first")
    await answered(ann, bot, room, "first")
    gateway.kill()
    await gateway.ended()
    names = [f"name{number}." for number in range(MANY)]
    for name in names[:-1]:
        ann.write(room, f"/title {name}")
    synapse.kill()
    await start(gateway, bot)
    await gateway.ready()
    await asyncio.to_thread(synapse.start)
    await eventually(lambda: len(ann.texts(room, bot.id)) > MANY // 2, 120)
    gateway.kill()
    await gateway.ended()
    await start(gateway, bot)
    ann.write(room, f"/title {names[-1]}")
    await answered(ann, bot, room, "first", *names)


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_anywhere_loses_and_doubles_nothing(gateway: GatewayProcess, ann: Person, bot: Person, room: str, point: str) -> None:
    await start(gateway, bot, f"{point}:3")
    names = [f"name{number}." for number in range(4)]
    for name in names:
        ann.write(room, f"/title {name}")
    await gateway.ended(60)
    await start(gateway, bot)
    await answered(ann, bot, room, *names)


async def test_an_answer_that_grew_is_one_message_in_the_end(gateway: GatewayProcess, ann: Person, bot: Person, room: str) -> None:
    """LEDGER H-11, H-12: killed in the middle of it."""
    await start(gateway, bot)
    ann.write(room, "Hello")
    await eventually(lambda: bool(ann.texts(room, bot.id)), 60)
    gateway.kill()
    await gateway.ended()
    await start(gateway, bot)
    await eventually(lambda: [text.endswith("…") for text in ann.texts(room, bot.id)] == [False], 60)
