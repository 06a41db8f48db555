"""What the person who started this program can type to start it again."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "holdfast"


def command(name: str, config_path: Path | None = None) -> str:
    """A command of ours: with the program's name if the shell would find it, else with its path.

    The configuration is the one named here, else the one that this program was started with.
    """
    config = str(config_path) if config_path else _named_config(sys.argv)
    return f"{shlex.quote(_program(sys.argv[0]))} {name}{f' --config {shlex.quote(config)}' if config else ''}"


def _program(path: str) -> str:
    if path == NAME or Path(path).name != NAME:  # python -c, python -m, a test
        return NAME
    found = shutil.which(NAME)
    if found and Path(found).samefile(path):
        return NAME
    near = os.path.relpath(path)
    if Path.cwd() == Path("/") or near.startswith(os.pardir):  # a service is somewhere, and its reader elsewhere
        return str(Path(path).absolute())
    return near


def _named_config(arguments: list[str]) -> str:
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--config":
            return following
        if word.startswith("--config="):
            return word.removeprefix("--config=")
    return ""
