"""What the person who started this program can type to start it again."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def command(name: str, config_path: Path | None = None) -> str:
    """A command of ours: with the program's name if the shell would find it, else with its path."""
    program = sys.argv[0]
    found = shutil.which(Path(program).name)
    called = Path(program).name if found and Path(found).samefile(program) else os.path.relpath(program)
    return f"{shlex.quote(called)} {name}{f' --config {shlex.quote(str(config_path))}' if config_path else ''}"
