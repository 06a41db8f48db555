"""A folder for backups on a disk of another machine that answers no more: whatever hangs there holds up neither conversations nor the stop."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from holdfast.testing.process import GatewayProcess

STOP_S_MAX = 10.0
HANGS = """
import pathlib, sys, threading
from holdfast.cli import main
from holdfast.store import archive

def hang(name, of, work):
    def hangs(*arguments):
        if any("hung" in pathlib.Path(argument).parts for argument in arguments if isinstance(argument, pathlib.Path)):
            open({hangs!r}, "w").close()
            threading.Event().wait()
        return work(*arguments)
    setattr(of, name, hangs)

hang({name!r}, {of}, {of}.{name})
sys.exit(main())
"""


@pytest.mark.parametrize(("of", "name"), [("pathlib.Path", "iterdir"), ("archive", "make_private")])
async def test_a_gateway_whose_backups_hang_goes_on_and_stops_within_ten_seconds(tmp_path: Path, of: str, name: str) -> None:
    (tmp_path / "hung").mkdir()
    hangs = tmp_path / "hangs"
    command = (sys.executable, "-c", HANGS.format(hangs=str(hangs), of=of, name=name))
    gateway = GatewayProcess(tmp_path / "gateway", f'[routes.main]\ndialect = "practice"\n[backup]\ndir = "{tmp_path}/hung"\n', command)
    async with gateway:
        await gateway.ready()

        async def hung() -> bool:
            return hangs.exists()

        await gateway.eventually(hung)
        assert (await gateway.run("chat", "-q", "Hello")).exit == 0
        began = time.monotonic()
        assert await gateway.stop() == 0
        assert time.monotonic() - began < STOP_S_MAX
    assert "Traceback" not in gateway.said()


async def test_whoever_asked_for_a_backup_that_hangs_is_told_that_the_gateway_is_gone(tmp_path: Path) -> None:
    (tmp_path / "hung").mkdir()
    hangs = tmp_path / "hangs"
    command = (sys.executable, "-c", HANGS.format(hangs=str(hangs), of="archive", name="make_private"))
    gateway = GatewayProcess(tmp_path / "gateway", '[routes.main]\ndialect = "practice"\n', command)
    async with gateway:
        await gateway.ready()
        asking = asyncio.create_task(gateway.run("backup", str(tmp_path / "hung" / "b.tar")))

        async def hung() -> bool:
            return hangs.exists()

        await gateway.eventually(hung)
        assert await gateway.stop() == 0
        assert (await asking).exit == 75
