from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.core.request import Request, User
from holdfast.demo import AWAY_S, Demo
from holdfast.errors import Config, Temporary
from holdfast.errors import Request as NotNow
from holdfast.models.practice import PracticeModel
from holdfast.ports import ModelFailed, ToolServerState
from holdfast.testing.clock import ManualClock

HELLO = Request("", (User("Hello"),))
DOWN = (ToolServerState("demo", "down", 0.0),)


class Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.servers: tuple[ToolServerState, ...] = DOWN
        self.parent, self.ours = socket.socketpair()
        self.parent.settimeout(20)
        self.demo = self.start()

    def start(self) -> Demo:
        """As the gateway does, at each start."""
        return Demo(self.folder, self.ours, lambda: self.servers, self.clock)

    def told(self) -> str:
        return self.parent.recv(100).decode()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.parent.close()
    rig.ours.close()


async def test_it_asks_its_parent_to_be_killed(rig: Rig) -> None:
    await rig.demo.act("kill-gateway")
    assert rig.told() == "kill-gateway\n"


async def test_it_kills_the_tool_server_for_real(rig: Rig) -> None:
    victim = await asyncio.create_subprocess_exec("sleep", "60")
    rig.servers = (*DOWN, ToolServerState("t", "ready", 0.0, pid=victim.pid))
    await rig.demo.act("kill-tool")
    assert await victim.wait() == -signal.SIGKILL
    assert rig.told() == f"kill-tool {victim.pid}\n"


@pytest.mark.parametrize(
    ("action", "why"), [("kill-tool", "being started again"), ("kill-everybody", "kill-gateway, kill-tool, model-away")]
)
async def test_what_can_not_be_done_is_refused_with_a_sentence(rig: Rig, action: str, why: str) -> None:
    with pytest.raises(NotNow, match=why):
        await rig.demo.act(action)


async def test_a_parent_that_does_not_listen_is_said_to_be_busy(rig: Rig) -> None:
    rig.parent.close()
    with pytest.raises(Temporary, match="Try again"):
        await rig.demo.act("kill-gateway")


async def test_the_model_is_away_for_a_while_also_in_the_next_life_and_then_it_is_back(rig: Rig) -> None:
    assert (await rig.demo.lent(PracticeModel(0)).call(HELLO, lambda _: None)).text
    await rig.demo.act("model-away")
    assert rig.told() == f"model-away {AWAY_S}\n"
    for demo in (rig.demo, rig.start()):
        assert demo.state()["away_until"] == demo.state()["now"] + AWAY_S
        with pytest.raises(ModelFailed, match="the demo has taken it away"):
            await demo.lent(PracticeModel(0)).call(HELLO, lambda _: None)
    rig.clock.advance(AWAY_S)
    assert (await rig.start().lent(PracticeModel(0)).call(HELLO, lambda _: None)).text


async def test_the_model_can_be_taken_away_in_mid_answer(rig: Rig) -> None:
    shown = asyncio.Event()
    calling = asyncio.create_task(rig.demo.lent(PracticeModel(0.001)).call(HELLO, lambda text: shown.set() if text else None))
    await asyncio.wait_for(shown.wait(), 20)
    await rig.demo.act("model-away")
    with pytest.raises(ModelFailed):
        await calling


def test_it_knows_all_its_lives(rig: Rig) -> None:
    rig.clock.advance(5)
    began = rig.clock.now()
    assert rig.start().state()["lives"] == [{"pid": os.getpid(), "at": began - 5}, {"pid": os.getpid(), "at": began}]


async def test_where_a_clock_was_set_back_the_model_is_not_away_for_ever(rig: Rig) -> None:
    (rig.folder / "model-away-until").write_text(str(rig.clock.now() + 10 * AWAY_S))
    assert (await rig.start().lent(PracticeModel(0)).call(HELLO, lambda _: None)).text


def test_without_the_variable_there_is_no_demo() -> None:
    assert Demo.of({}, tuple, ManualClock()) is None


def test_a_variable_without_a_parent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "input").open("w") as no_socket:
        monkeypatch.setattr(os, "dup", lambda _: os.open(no_socket.name, os.O_RDONLY))
        with pytest.raises(Config, match="Unset it"):
            Demo.of({"HOLDFAST_DEMO": str(tmp_path)}, tuple, ManualClock())


def test_it_ends_with_its_parent_whatever_it_does(tmp_path: Path) -> None:
    program = f"""
from holdfast.demo import Demo
from holdfast.testing.clock import ManualClock
assert Demo.of({{"HOLDFAST_DEMO": {str(tmp_path)!r}}}, tuple, ManualClock())
print("ready", flush=True)
while True: pass
"""
    ours, theirs = socket.socketpair()
    child = subprocess.Popen([sys.executable, "-c", program], stdin=theirs.fileno(), stdout=subprocess.PIPE)
    theirs.close()
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    ours.close()
    assert child.wait(5) == -signal.SIGKILL
    child.stdout.close()
