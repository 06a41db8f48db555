"""`holdfast run`: the gateway itself."""

from __future__ import annotations

import argparse
import os

from holdfast.cli.first import go_on_in_a_child


def run(arguments: argparse.Namespace) -> int:
    if arguments.dry:
        from holdfast.cli import dry  # noqa: PLC0415 - a start does without

        return dry.run(getattr(arguments, "config", None))
    if os.getpid() == 1:
        go_on_in_a_child()
    from holdfast import app  # noqa: PLC0415 - process 1 of a container does without

    return app.run(getattr(arguments, "config", None))
