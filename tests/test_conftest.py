"""A skip is a sentence on a user's machine, and a failure where everything is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parent / "conftest.py"
TESTS = """
import pytest

@pytest.mark.needs("no-such-program")
def test_needs_a_program(): ...

@pytest.mark.xfail(reason="known")
def test_known_to_fail(): assert False
"""
MODULE = 'import pytest; pytest.importorskip("no_such_module")\n'


def run(folder: Path, everything: bool) -> str:
    """The output of pytest on these tests, in a project of their own."""
    tests = folder / "tests"
    tests.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = needs\n")
    (folder / "requirements").mkdir()
    (folder / "requirements/debian.txt").write_text("one\ntwo\n")
    (tests / "conftest.py").write_text(CONFTEST.read_text())
    (tests / "test_one.py").write_text(TESTS)
    (tests / "test_two.py").write_text(MODULE)
    environ = {**os.environ, "HOLDFAST_TEST_ALL": "1" if everything else ""}
    command = [sys.executable, "-m", "pytest", "-ra", "--continue-on-collection-errors", "-p", "no:cacheprovider", str(tests)]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=50, check=False).stdout


def test_a_missing_program_is_a_skip_that_says_what_to_install(tmp_path: Path) -> None:
    output = run(tmp_path, everything=False)
    assert "no-such-program not installed. On Debian: apt-get install one two" in output
    assert "2 skipped, 1 xfailed" in output


def test_a_skip_is_a_failure_where_everything_is_required(tmp_path: Path) -> None:
    output = run(tmp_path, everything=True)
    assert "was skipped, and HOLDFAST_TEST_ALL=1 requires every test." in output
    assert "1 xfailed, 2 errors in" in output.splitlines()[-1]
