"""A real systemd stops, kills, starves and restarts the service, in the middle of conversations: nothing is lost, asked twice, or told that need not be.

Each way once; with HOLDFAST_LONG=1 twenty times. LEDGER H-29, H-30, H-31, H-32, H-33, H-35, H-36, H-39; part I row 16.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.core import words
from holdfast.core.entries import Notice, Question, ToolResult
from holdfast.testing.process import effects_in
from holdfast.testing.systemd import Machine, unavailable
from holdfast.testing.systemd_rig import ASK, CONFIG, DATA, EFFECTS, HANG, HOLDFAST, IDLE, LONG, UNIT, WAIT, Service, World

TIMES = 20 if os.environ.get("HOLDFAST_LONG") == "1" else 1
RESUMED_S_MAX = 1.0
"""From readiness to the first step of an answer that was interrupted."""
STOPPED_S_MAX = 15.0
"""Ten seconds in all for the gateway, and what systemd takes besides."""

pytestmark = [pytest.mark.skipif(bool(unavailable()), reason=unavailable()), pytest.mark.timeout(120 * TIMES)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Machine(tmp_path_factory.mktemp("machine") / "m") as machine:
        service = Service(machine)
        service.drop_in(
            "test", "Environment=HOLDFAST_SAFE_MODE=never", "WatchdogSec=6", "TimeoutAbortSec=1"
        )  # it is killed often, on purpose
        service.install()
        yield service


# --- ways to end it -------------------------------------------------------------------------------------------------------------------


def killed_in_the_drain(service: Service) -> None:
    """SIGTERM, and SIGKILL in the middle of what it does then: a tool does not hear that it should end."""
    service.drop_in("impatient", "TimeoutStopSec=2")
    service.systemctl("restart", UNIT)
    service.drop_in("impatient")
    assert service.last_log("State 'stop-sigterm' timed out. Killing."), service.log()


def restarted(service: Service) -> None:
    """However long its turns take, it goes within its time, and they go on after it."""
    began = time.monotonic()
    service.systemctl("restart", UNIT)
    assert time.monotonic() - began < STOPPED_S_MAX


def killed(service: Service) -> None:
    service.systemctl("daemon-reload")  # changes nothing of a service that runs
    service.systemctl("kill", "--signal=KILL", "--kill-who=main", UNIT)


def out_of_memory(service: Service) -> None:
    """The kernel kills it: the group that it was put into has no memory left."""
    group = Path(f"/sys/fs/cgroup/memory/holdfast-test-{os.getpid()}")
    if not group.parent.is_dir():
        pytest.skip("A memory controller of cgroups, version 1, is needed at /sys/fs/cgroup/memory.")
    group.mkdir()
    try:
        pid = service.pid
        (group / "cgroup.procs").write_text(str(pid))
        (group / "memory.limit_in_bytes").write_text("65536")
        end = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            service.machine.run(HOLDFAST, "show", "--config", CONFIG, check=False)  # makes it need some
        assert "oom_kill 1" in (group / "memory.oom_control").read_text()
    finally:
        group.rmdir()


def starved(service: Service) -> None:
    """It reports no more, as if it hung."""
    os.kill(service.pid, signal.SIGSTOP)


def without_power(service: Service) -> None:
    service.machine.cut_power()
    service.machine.boot()


def shut_down(service: Service) -> None:
    service.machine.power_off()
    service.machine.boot()


WAYS: dict[Callable[[Service], None], tuple[str, ...]] = {
    killed_in_the_drain: (LONG, HANG, ASK, WAIT),
    restarted: (LONG, HANG, ASK, WAIT),
    killed: (LONG, ASK, WAIT),
    out_of_memory: (LONG, ASK, WAIT),
    starved: (LONG, ASK, WAIT),
    without_power: (LONG, ASK, WAIT),
    shut_down: (LONG, ASK, WAIT),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_whatever_ends_it_all_are_answered_once_and_the_idle_hear_nothing(
    service: Service, way: Callable[[Service], None], record_property: Callable[[str, object], None]
) -> None:
    """H-29, H-35: no marker, no lock that is left. H-31, H-32, H-33: what was begun goes on, where it was, and nothing else does. H-30: idle chats.
    H-36: a restart waits for no turn. H-39: one process goes, one comes."""
    async with World(service) as world:
        await world.say(IDLE, f"{IDLE} {way.__name__}")
        idle = await world.answered(IDLE)
        resumed = [await _through(service, world, way, f"{way.__name__}-{number}") for number in range(TIMES)]
        assert await world.answered(IDLE) == idle
    print(f"{way.__name__}: the first interrupted answer went on {', '.join(f'{one * 1000:.0f}' for one in resumed)} ms after readiness")
    record_property("resumed_s", resumed)
    assert max(resumed) < max(RESUMED_S_MAX, 5 * _import_s()), service.log()


def _import_s() -> float:
    """How long this machine takes just now for what has to be imported before a model can be called; 0.15 s where nothing else goes on."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import holdfast.models.anthropic"], check=True)
    return time.monotonic() - began


async def _through(service: Service, world: World, way: Callable[[Service], None], tag: str) -> float:
    """Once through this. Returns how long after readiness the interrupted answer went on."""
    kinds = WAYS[way]
    before = service.show("InvocationID")["InvocationID"]
    await world.talks(tag, *kinds)
    await asyncio.to_thread(way, service)
    up = await service.up(other_than=before)
    flaws = await world.ends(tag, *kinds)
    assert not flaws, f"{flaws}\n{service.log()}"
    for kind in (ASK, WAIT):
        entries = await world.answered(f"{kind}-{tag}")
        assert words.goes_on() not in [entry.body.text for entry in entries if isinstance(entry.body, Notice)]
    assert len(world.asked[f"{LONG} {tag}"]) == 2
    assert len(service.processes("toolserver.py")) < 2, "tool servers of a life that is over"
    return world.asked[f"{LONG} {tag}"][1] - up.ready_at


async def test_a_daemon_reload_changes_nothing(service: Service) -> None:
    async with World(service) as world:
        await world.talks("reloaded", LONG)
        pid = service.pid
        await asyncio.to_thread(service.systemctl, "daemon-reload")
        assert service.pid == pid
        assert len(world.asked[f"{LONG} reloaded"]) == 1
        await asyncio.to_thread(killed, service)
        assert not await world.ends("reloaded", LONG)


async def test_a_tool_that_ends_the_gateway_is_not_run_again(service: Service) -> None:
    """H-34: a turn that restarts its gateway, for ever. Its person is asked what became of it."""
    async with World(service) as world:
        before = service.show("InvocationID")["InvocationID"]
        await world.say("restarts", 'use t__crash {"process": "parent"}')
        await service.up(other_than=before)
        entries = await world.answered("restarts")
    assert [entry.body.outcome for entry in entries if isinstance(entry.body, ToolResult)] == ["unknown"]
    assert [entry.body.about for entry in entries if isinstance(entry.body, Question)] != []
    assert effects_in(service.machine.path(EFFECTS))["crash", ""] == 1


# --- exit codes -----------------------------------------------------------------------------------------------------------------------


async def test_a_wrong_configuration_is_not_tried_again_and_status_says_what_to_change(service: Service) -> None:
    """Part I row 16: a missing key, and a start every few seconds."""
    service.machine.write(CONFIG, service.configuration() + "[agnet]\n")
    assert service.machine.run("systemctl", "restart", UNIT, check=False).returncode
    assert service.show("ActiveState", "ExecMainStatus", "NRestarts") == {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    status = service.machine.run(HOLDFAST, "service", check=False)
    assert status.returncode == 78
    assert status.stdout.startswith(
        "Holdfast is down. It ended with exit code 78: its configuration has to be changed first. Then start it:"
    )
    assert "Did you mean 'agent'?" in status.stdout
    service.machine.write(CONFIG, service.configuration())
    service.systemctl("start", UNIT)
    assert service.machine.run(HOLDFAST, "service").stdout.startswith("Holdfast is up as a service since ")


async def test_while_another_one_has_the_folder_it_is_tried_again(service: Service) -> None:
    """H-35: exit code 75; the lock is the kernel's, and goes with its process."""
    with service.machine.path(f"{DATA}/lock").open() as lock:
        service.systemctl("stop", UNIT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        service.machine.run("systemctl", "start", UNIT, check=False)
        await service.becomes(ExecMainStatus="75", SubState="auto-restart")
        status = service.machine.run(HOLDFAST, "service", check=False)
        assert status.returncode == 75
        assert status.stdout.startswith("Holdfast is down. It ended with exit code 75: another Holdfast runs on its data folder")
    await service.becomes(ActiveState="active")


async def test_a_journal_that_can_not_commit_ends_it_and_it_is_started_again(service: Service) -> None:
    """Exit code 70. Nothing was acknowledged that is not kept."""
    async with World(service) as world:
        before = service.show("InvocationID")["InvocationID"]
        await world.say("first", "idle first")
        await world.answered("first")
        journal = service.machine.path(f"{DATA}/journal.db")
        copy = journal.with_name("copy.db")
        service.machine.run("cp", "--preserve=all", f"{DATA}/journal.db", f"{DATA}/copy.db")
        copy.rename(journal)  # it is not the file any more that the process writes to
        with contextlib.suppress(AssertionError, TimeoutError):
            await world.say("second", "idle second")
        await service.up(other_than=before)
        assert service.last_log("status=70")
        await world.answered("second")


async def test_reload_is_asked_for_by_systemctl_and_refused_where_the_configuration_is_wrong(service: Service) -> None:
    pid = service.pid
    service.machine.write(CONFIG, service.configuration() + "[agnet]\n")
    assert service.machine.run("systemctl", "reload", UNIT, check=False).returncode
    service.machine.write(CONFIG, service.configuration().replace("[agent]", '[agent]\ninstructions = "Be short."'))
    service.systemctl("reload", UNIT)
    await service.becomes(ActiveState="active")
    assert service.pid == pid, "it starts again in place"
    service.machine.write(CONFIG, service.configuration())
    service.systemctl("reload", UNIT)
    await service.becomes(ActiveState="active")


# --- what is left out of the hardening ------------------------------------------------------------------------------------------------


@pytest.mark.needs("mcp-server-filesystem", "git")
async def test_tool_servers_of_every_day_work_and_reach_the_folders_that_the_configuration_names(service: Service) -> None:
    """Node compiles as it runs, and asks for the machine's addresses; git works in a folder of its own; none may write to /usr."""
    service.machine.run("install", "--directory", "--owner=holdfast", "/srv/notes")
    service.machine.run("git", "init", "--quiet", "/srv/notes")
    service.machine.run("chown", "-R", "holdfast:", "/srv/notes")
    files, git = (
        [shutil.which("mcp-server-filesystem"), "/srv/notes"],
        [sys.executable, "-m", "mcp_server_git", "--repository", "/srv/notes"],
    )
    tools = "".join(
        f'[tools.{name}]\ncommand = {json.dumps(words)}\npolicy = "allow"\n' for name, words in {"files": files, "git": git}.items()
    )
    service.machine.write(CONFIG, service.configuration() + tools)
    before = service.show("InvocationID")["InvocationID"]
    service.systemctl("restart", UNIT)
    await service.up(other_than=before)
    async with World(service) as world:
        for name, call in {
            "writes": 'use files__write_file {"path": "/srv/notes/tide.txt", "content": "High water at noon."}',
            "asks": 'use git__git_status {"repo_path": "/srv/notes"}',
        }.items():
            await world.say(name, call)
            results = [entry.body for entry in await world.answered(name) if isinstance(entry.body, ToolResult)]
            assert [result.outcome for result in results] == ["ok"], results
        assert "tide.txt" in results[0].text
    written = service.machine.path("/srv/notes/tide.txt")
    assert written.read_text() == "High water at noon."
    assert written.stat().st_mode & 0o777 == 0o600
    status = service.process_status
    assert (status["CapBnd"], status["NoNewPrivs"], status["Umask"]) == ("0000000000000000", "1", "0077")
    service.machine.write(CONFIG, service.configuration())
