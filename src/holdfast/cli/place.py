"""Where the gateway is that a command is about: its data folder, and its door.

For that the configuration need not be right: whoever broke it finds the gateway that still runs with the old one, and hears what is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from holdfast import config
from holdfast.cli.client import Client
from holdfast.errors import Config
from holdfast.web.wire import ACCOUNT, door_path


def data_dir_of(arguments: argparse.Namespace) -> Path:
    """The data folder. What is wrong elsewhere in the configuration is said. Raises `Config` if nobody can tell."""
    data_dir = config.data_dir_of(getattr(arguments, "config", None), os.environ)
    if wrong := wrong_with(arguments):
        print(f"holdfast: {wrong} No gateway starts with it; one that runs goes on with what it has.", file=sys.stderr)
    return data_dir


def wrong_with(arguments: argparse.Namespace) -> str:
    """Why no gateway starts with the configuration as it stands now; "" if one may."""
    try:
        config.load(getattr(arguments, "config", None), os.environ)
    except Config as wrong:
        return str(wrong)
    return ""


def accounts_of(arguments: argparse.Namespace) -> frozenset[str] | None:
    """The accounts of the configuration as it stands now; None if nobody can tell."""
    try:
        return frozenset({ACCOUNT, *config.load(getattr(arguments, "config", None), os.environ).accounts})
    except Config:
        return None


def client_of(arguments: argparse.Namespace) -> Client:
    return Client(door_of(data_dir_of(arguments)))


def door_of(data_dir: Path) -> Path:
    return door_path(data_dir, os.environ.get("XDG_RUNTIME_DIR"))
