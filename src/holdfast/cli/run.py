"""`holdfast run`: the gateway itself."""

from __future__ import annotations

import argparse


def run(arguments: argparse.Namespace) -> int:
    from holdfast import app  # noqa: PLC0415 the whole gateway

    return app.run(getattr(arguments, "config", None))
