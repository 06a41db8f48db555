"""`holdfast run`: the gateway itself."""

from __future__ import annotations

import argparse

from holdfast import app


def run(arguments: argparse.Namespace) -> int:
    return app.run(getattr(arguments, "config", None))
