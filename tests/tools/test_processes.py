from __future__ import annotations

import os
import subprocess
import sys

import pytest

from holdfast.tools.processes import PROCESSES_MAX, memory_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere the kernel does not tell, and the figure is left out.")

HOLDS_20_MB = "import sys; held = bytearray(20_000_000); print('held', flush=True); sys.stdin.read()"
STARTS_ONE = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS_20_MB!r}])"


def test_what_a_process_started_counts_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS_ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        assert 25_000_000 < (memory_bytes(process.pid) or 0) < 100_000_000
        process.communicate()
    assert memory_bytes(process.pid) is None


def test_processes_without_end_are_not_counted_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.tools.processes._children", lambda pid: [pid + 1, pid + 2])
    monkeypatch.setattr("holdfast.tools.processes._resident", lambda pid: 1)
    assert memory_bytes(os.getpid()) in {PROCESSES_MAX, PROCESSES_MAX + 1}
