"""The contracts of imports can fail: each is broken by a planted import."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLANTED = {
    "holdfast/errors.py": "import holdfast.ports",
    "holdfast/core/text.py": "import asyncio",
    "holdfast/runtime/worker.py": "import openai, mcp, apsw, starlette, httpx2, rich, opentelemetry, nio",
    "holdfast/platforms/webhook/__init__.py": "import holdfast.platforms.slack",
}


def test_every_contract_of_imports_catches_an_import_that_breaks_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, line in PLANTED.items():
        file = tmp_path / "src" / name
        file.write_text(f"{file.read_text()}\n{line}\n")
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", "../pyproject.toml"]
    output = subprocess.run(lint, cwd=tmp_path / "src", capture_output=True, text=True, timeout=50, check=False).stdout
    assert "KEPT" not in output
    assert re.search(r"Contracts: 0 kept, \d+ broken", output), output


def test_everything_that_is_said_to_a_platform_goes_through_one_place() -> None:
    """LEDGER H-10: answers, notices, questions, reminders, files and previews are all entries, sent by `runtime/speech.py`. Strangers have no conversation: their
    code is told by whoever received them."""
    calls = re.compile(r"_platforms?(?:\[\w+\])?\.send\(")
    senders = {path.name for path in (ROOT / "src/holdfast/runtime").rglob("*.py") if calls.search(path.read_text())}
    assert senders == {"speech.py", "accounts.py"}
