"""Starting again: in place with another configuration, by a signal or a command; and in safe mode, after too many short lives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import AssistantMessage, Entry, Notice
from holdfast.testing.process import GatewayProcess

PRACTICE = '[routes.main]\ndialect = "practice"\n'


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    async with GatewayProcess(tmp_path / "gateway", PRACTICE) as process:
        await process.ready()
        yield process


async def started(gateway: GatewayProcess) -> float:
    return float((await gateway.door.status())["started"])


async def another_life(gateway: GatewayProcess, before: float) -> None:
    async def look() -> bool:
        return await started(gateway) != before

    await gateway.eventually(look)


async def test_a_new_configuration_is_taken_in_place_and_a_turn_goes_on(gateway: GatewayProcess) -> None:
    """The process stays the same, so that a service manager sees no end."""
    pid, before = gateway.process.pid, await started(gateway)
    await gateway.door.send("c", "k1", "Hello")
    await gateway.in_mid_answer("c")
    gateway.configure(PRACTICE + '[agent]\ninstructions = "Be brief."\n')
    said = await gateway.run("reload")
    assert (said.exit, said.err) == (0, "")
    assert 'agent.instructions: "You are a helpful assistant." -> "Be brief."' in said.out
    assert "started again" in said.out
    assert await started(gateway) != before
    assert gateway.process.pid == pid and gateway.process.returncode is None
    entries = await gateway.told("c", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    assert len([entry for entry in entries if isinstance(entry.body, AssistantMessage)]) == 1


async def test_a_bad_configuration_is_refused_with_its_sentence_and_the_old_one_goes_on(gateway: GatewayProcess) -> None:
    before = await started(gateway)
    gateway.configure(PRACTICE + '[agent]\ninstruction = "Be brief."\n')
    said = await gateway.run("reload")
    assert said.exit == 78
    assert "instruction" in said.err
    gateway.configure(PRACTICE + '[platforms.telegram.bot]\ntoken = "env:NOBODY_SET_THIS"\n')
    gateway.send_signal(signal.SIGHUP)

    async def refused() -> bool:
        return "NOBODY_SET_THIS" in (await gateway.door.status())["configuration refused"]

    await gateway.eventually(refused)
    assert await started(gateway) == before
    gateway.configure(PRACTICE)
    gateway.send_signal(signal.SIGHUP)

    async def settled() -> bool:
        return not (await gateway.door.status())["configuration refused"]

    await gateway.eventually(settled)
    said = await gateway.run("reload")
    assert (said.exit, said.err, said.out.split(":")[0]) == (0, "", "Nothing has changed")
    assert await started(gateway) == before, "nothing new, no other life"


def answered(name: str, entries: Sequence[Entry]) -> bool:
    return any(isinstance(entry.body, Notice) and f"“{name}”" in entry.body.text for entry in entries)


async def said(gateway: GatewayProcess, name: str, text: str) -> None:
    """As a client does: again under the same key, until it is acknowledged."""

    async def accepted() -> bool:
        await gateway.door.send(name, text, text)
        return True

    await gateway.eventually(accepted)


async def test_no_message_is_lost_over_reloads_good_and_bad(gateway: GatewayProcess) -> None:
    reloads = 50 if os.environ.get("HOLDFAST_LONG") else 6
    for number in range(reloads):
        gateway.configure(PRACTICE + (f'[agent]\ninstructions = "Be brief, {number}."\n' if number % 2 else "[agent]\nwrong = 1\n"))
        before = await started(gateway)
        saying = asyncio.create_task(said(gateway, f"c{number % 3}", f"/title name{number}."))
        gateway.send_signal(signal.SIGHUP)
        if number % 2:
            await another_life(gateway, before)
        await saying
        await gateway.told(f"c{number % 3}", partial(answered, f"name{number}."))
    entries = [entry for number in range(3) for entry in await gateway.door.entries(f"c{number}")]
    assert [sum(answered(f"name{number}.", (entry,)) for entry in entries) for number in range(reloads)] == [1] * reloads


class Manager:
    """The end of a service manager that is notified."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def environ(self, watchdog_s: float) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}

    async def hears(self, what: str) -> None:
        async with asyncio.timeout(30):
            while not any(what in heard for heard in self.heard):
                self.heard.append((await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode())

    def close(self) -> None:
        self._socket.close()


async def test_a_service_manager_hears_of_everything(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "gateway", PRACTICE)
    manager = Manager(tmp_path)
    try:
        await gateway.start(environ=manager.environ(0.9))
        for what in ("READY=1\nSTATUS=Serving.", "WATCHDOG=1"):
            await manager.hears(what)
        manager.heard.clear()
        await gateway.ready()
        gateway.configure(PRACTICE + "tools = false\n")
        gateway.send_signal(signal.SIGHUP)
        for what in ("RELOADING=1\nMONOTONIC_USEC=", "READY=1"):
            await manager.hears(what)
        manager.heard.clear()
        gateway.send_signal(signal.SIGSTOP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await manager.hears("never")
        count = len(manager.heard)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await manager.hears("never")
        assert len(manager.heard) == count, "who is stopped gives no sign of life"
        gateway.send_signal(signal.SIGCONT)
        await manager.hears("WATCHDOG=1")
        assert await gateway.stop() == 0
        await manager.hears("STOPPING=1")
    finally:
        await gateway.end()
        manager.close()


async def test_after_three_short_lives_everything_is_saved_and_no_turn_runs_until_somebody_says_so(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "gateway", PRACTICE)
    rests: dict[str, Any] = {"HOLDFAST_SAFE_MODE": ""}
    try:
        for _ in range(3):
            await gateway.start(environ=rests)
            await gateway.ready()
            assert (await gateway.door.status())["safe mode"] is None
            gateway.kill()
            await gateway.ended()
        await gateway.start(environ=rests)
        await gateway.ready()
        assert "rests" in (await gateway.door.status())["safe mode"]["why"]
        await gateway.door.send("c", "k1", "/title saved")
        assert "no turn runs" in (await gateway.run("why", "c")).out
        gateway.kill()
        await gateway.ended()
        await gateway.start(environ=rests)
        await gateway.ready()
        assert (await gateway.door.status())["safe mode"], "it was not left"
        said = await gateway.run("safe-mode")
        assert (said.exit, said.err) == (0, "")
        await gateway.told("c", lambda entries: any("saved" in str(entry.body) for entry in entries[1:]))
        assert (await gateway.door.status())["safe mode"]["trying"]
        assert await gateway.stop() == 0
        await gateway.start(environ=rests)
        await gateway.ready()
        assert (await gateway.door.status())["safe mode"] is None, "somebody stopped it in order"
        assert (await gateway.run("safe-mode")).exit != 0
    finally:
        await gateway.end()
