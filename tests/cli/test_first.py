"""Process 1 of a container sees every orphan off; here by the kernel's word that orphans come to us, which needs no container."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from holdfast.testing.tool_rig import children, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Process 1 of a container is one of Linux, and so is this test.")

FIRST = """
import ctypes, os, signal, subprocess, sys, time
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
from holdfast.cli.first import go_on_in_a_child
go_on_in_a_child()
subprocess.run(["sh", "-c", "sleep 0.1 & sleep 0.2 & sleep 0.3 & echo orphans; exec >&-"], check=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
while True:
    time.sleep(60)
"""


async def first() -> asyncio.subprocess.Process:
    path = os.pathsep.join(filter(None, sys.path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FIRST, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert process.stdout
    assert await process.stdout.readline() == b"orphans\n"
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_orphans_are_seen_off_and_the_signal_to_end_is_passed_on_with_its_answer() -> None:
    process = await first()
    await eventually(lambda: len(children(process.pid)) == 1)  # a zombie would still be one
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 7


async def test_a_gateway_that_is_killed_ends_its_process_1() -> None:
    process = await first()
    await eventually(lambda: len(children(process.pid)) == 1)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    assert await process.wait() == 128 + signal.SIGKILL
