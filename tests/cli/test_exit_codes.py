"""The exit codes of the table in the documents: each is had from the program, as a user would get it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TABLE = (Path(__file__).parents[2] / "docs/when-something-breaks.md").read_text().partition("\n## Exit codes\n")[2].partition("\n## ")[0]
AWAY = '[routes.spare]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n[tools.mail]\ncommand = ["/nowhere/mail"]\n'
PATIENCE_S = 30
ON_A_FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from holdfast.cli import main
sys.exit(main())
"""
LINE = '{"conversation": "%s", "role": "user", "text": "Hello"}\n'


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Any]) -> Iterator[Any]:
    """A gateway whose agent asks, and answers."""
    home = new_home(tmp_path_factory.mktemp("asks"))
    home.start()
    home.holdfast("chat", "-q", "word " * 10_000)
    yield home
    home.end()


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Any]) -> Iterator[Any]:
    """A gateway whose model is away, and with a tool server that only a person can mend."""
    home = new_home(tmp_path_factory.mktemp("waits"))
    home.start_real(AWAY)
    home.holdfast("chat", "-q", "/model spare", "--conversation", "terminal")
    yield home
    home.end()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Any]) -> Iterator[Any]:
    """No gateway runs; there is a journal, a backup of it, and half a backup."""
    home = new_home(tmp_path_factory.mktemp("stopped"))
    (home.folder / "one.jsonl").write_text(LINE % "one")
    (home.folder / "two.jsonl").write_text(LINE % "two")
    (home.folder / "half.jsonl").write_text(LINE % "half" + '{"conversation": "other", "role": 7}\n')
    assert home.holdfast("import", "jsonl", str(home.folder / "one.jsonl"), "--yes").returncode == 0
    assert home.holdfast("backup", str(home.folder / "whole.tar")).returncode == 0
    (home.folder / "half.tar").write_bytes((home.folder / "whole.tar").read_bytes()[:-20_000])
    yield home
    home.end()


def owing(home: Any) -> bool:
    return bool(json.loads(home.holdfast("queue", "--json").stdout))


def stop(home: Any) -> int:
    """A message that waits for the model, and `/stop` from elsewhere."""
    waiting = home.begin("chat", "-q", "Is anybody there?")
    until = time.monotonic() + PATIENCE_S
    while not owing(home):
        assert time.monotonic() < until
    assert home.holdfast("chat", "-q", "/stop").returncode == 0
    return int(waiting.wait(PATIENCE_S))


def end(home: Any, number: int) -> int:
    watching = home.begin("status", "--watch", "--json")
    watching.stdout.readline()
    watching.send_signal(number)
    return int(watching.wait(PATIENCE_S))


def leave(home: Any) -> int:
    showing = home.begin("show", "terminal")
    showing.stdout.close()
    return int(showing.wait(PATIENCE_S))


def to_a_full_output(home: Any) -> int:
    with Path("/dev/full").open("wb") as full:
        return int(home.begin("show", stdout=full.fileno()).wait(PATIENCE_S))


def on_a_full_disk(home: Any) -> int:
    words = (sys.executable, "-c", ON_A_FULL_DISK, "import", "jsonl", str(home.folder / "two.jsonl"), "--yes")
    return subprocess.run(words, env=home.environ, capture_output=True, timeout=PATIENCE_S, check=False).returncode


def export_to_a_full_disk(home: Any) -> int:
    conversation = {"conversation": "long", "role": "user", "text": "word " * 2_000}
    (home.folder / "long.jsonl").write_text(json.dumps(conversation))
    home.holdfast("import", "jsonl", str(home.folder / "long.jsonl"), "--yes")
    words = (sys.executable, "-c", ON_A_FULL_DISK, "export", "--to", str(home.folder / "all.jsonl"))
    return subprocess.run(words, env=home.environ, capture_output=True, timeout=PATIENCE_S, check=False).returncode


def back_up_what_is_damaged(home: Any) -> int:
    """Of a copy of the data folder."""
    shutil.copytree(home.data_dir, home.folder / "damaged")
    with (home.folder / "damaged/journal.db").open("r+b") as journal:
        journal.seek(4096)
        journal.write(b"x" * 100_000)
    (home.folder / "damaged.toml").write_text('data_dir = "damaged"\n')
    return int(home.holdfast("backup", str(home.folder / "of-damaged.tar"), "--config", str(home.folder / "damaged.toml")).returncode)


def with_a_broken_configuration(home: Any) -> int:
    (home.folder / "broken.toml").write_text("data_dri = 1\n")
    return int(home.holdfast("check", "--config", str(home.folder / "broken.toml")).returncode)


def code(*words: str) -> Callable[[Any], int]:
    """What this command ends with; {} is the home's folder."""
    return lambda home: int(home.holdfast(*(word.replace("{}", str(home.folder)) for word in words)).returncode)


WAYS: tuple[tuple[int, str, Callable[[Any], int]], ...] = (
    (0, "asks", code("chat", "-q", "Hello")),
    (0, "stopped", code("verify", "{}/whole.tar")),
    (0, "stopped", code("verify", "{}/data")),
    (2, "asks", code("show", "nobody")),
    (2, "asks", code("no-such-command")),
    (2, "stopped", code("verify", "{}/nowhere.tar")),
    (2, "stopped", code("import", "jsonl", "{}/nowhere.jsonl")),
    (2, "stopped", code("export", "--to", "{}/nowhere/all.jsonl")),
    (2, "stopped", code("import", "jsonl", "{}/two.jsonl")),
    (2, "stopped", code("import", "jsonl", "{}/half.jsonl", "--yes")),
    (2, "stopped", code("backup", "{}/nowhere/b.tar")),
    (2, "asks", code("backup", "{}/nowhere/b.tar")),
    (2, "stopped", code("verify", "{}")),
    (2, "stopped", code("forget", "one")),
    (2, "stopped", code("service", "status")),
    (3, "asks", code("chat", "-q", "ask me", "--conversation", "asked")),
    (4, "waits", stop),
    (5, "stopped", code("verify", "{}/half.tar")),
    (5, "stopped", code("verify", "{}/one.jsonl")),
    (5, "stopped", back_up_what_is_damaged),
    (6, "waits", code("status")),
    (70, "stopped", on_a_full_disk),
    (74, "asks", to_a_full_output),
    (74, "stopped", export_to_a_full_disk),
    (75, "stopped", code("status")),
    (75, "stopped", code("chat", "-q", "Hello", "--wait", "0")),
    (78, "stopped", with_a_broken_configuration),
    (130, "waits", lambda home: end(home, signal.SIGINT)),
    (130, "waits", lambda home: end(home, signal.SIGTERM)),
    (141, "asks", leave),
)


@pytest.mark.parametrize(("code", "home", "way"), WAYS)
def test_the_command_ends_with_the_code_of_the_table(
    code: int, home: str, way: Callable[[Any], int], request: pytest.FixtureRequest
) -> None:
    assert way(request.getfixturevalue(home)) == code


def test_the_table_has_these_and_no_others() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", TABLE, re.MULTILINE)] == sorted({code for code, _, _ in WAYS})
