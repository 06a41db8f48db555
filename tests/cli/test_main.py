"""The command line as a whole (`cli/__init__.py`)."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from holdfast import cli
from holdfast.cli import main
from holdfast.errors import AlreadyRunning, Config, HoldfastError, JournalFull, Request, Temporary

HELP_S_MAX = 0.15


def test_help_comes_at_once() -> None:
    """Measured in the processor's time, so that a busy machine fails nothing."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run((sys.executable, "-c", "from holdfast.cli import main; main(['--help'])"), check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < HELP_S_MAX


def test_help_imports_nothing_but_the_standard_library() -> None:
    code = "import sys; from holdfast.cli import main\ntry: main(['--help'])\nfinally: print(*{name.partition('.')[0] for name in sys.modules})"
    output = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout
    assert set(output.splitlines()[-1].split()) <= set(sys.stdlib_module_names) | {"holdfast", "__main__", "site"} | _at_start()


def _at_start() -> set[str]:
    """What this environment imports at every start, such as hooks of editable installs."""
    output = subprocess.run((sys.executable, "-c", "import sys; print(*sys.modules)"), capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in output.split()}


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    words = capsys.readouterr().out.split()
    assert {"run", "chat", "show", "--version", "--config"} <= {word.strip(",") for word in words}


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "see it break and go on" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("holdfast")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Config("Set it."), 78),
        (AlreadyRunning("Another one."), 75),
        (Temporary("Later."), 75),
        (Request("Not so."), 2),
        (JournalFull("Full."), 70),
    ],
)
def test_each_foreseen_error_is_a_sentence_and_a_code(
    error: HoldfastError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class _Command:
        @staticmethod
        def run(_: Any) -> int:
            raise error

    monkeypatch.setattr(cli, "import_module", lambda _: _Command)
    assert main(["run"]) == code
    assert capsys.readouterr().err == f"holdfast: {error}\n"


@pytest.mark.parametrize("arguments", [["--config", "F", "show"], ["show", "--config", "F"]])
def test_the_configuration_is_named_before_or_after_the_command(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 78
    assert str(tmp_path / "F") in capsys.readouterr().err


@pytest.mark.parametrize("command", [["chat", "-q", "Hello"], ["show"], ["run"]])
def test_a_bad_configuration_is_a_sentence(home: Any, command: list[str]) -> None:
    (home.folder / "config.toml").write_text("data_dri = 1\n")
    done = home.holdfast(*command)
    assert done.returncode == 78
    assert b"data_dir" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_who_leaves_is_no_error(home: Any) -> None:
    home.start()
    home.holdfast("chat", "-q", "word " * 10_000)
    showing = home.begin("show", "terminal")
    showing.stdout.close()
    assert showing.wait(30) == 141
    assert showing.stderr.read() == b""


TELLING = """
import sys, types
from holdfast import cli
cli.import_module = lambda _: types.SimpleNamespace(run=lambda _: sys.stdout.write("x" * 1_000_000) and 0)
sys.exit(cli.main(["show"]))
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_noticed_also_without_a_buffer(unbuffered: str) -> None:
    with subprocess.Popen(
        (sys.executable, "-c", TELLING), stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": unbuffered}
    ) as command:
        assert command.stdout is not None
        assert command.stdout.read(5) == b"xxxxx"
        command.stdout.close()
    assert command.returncode == cli.NOBODY_READS


def test_with_its_output_closed_a_command_still_does_its_work() -> None:
    assert subprocess.run(("sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, TELLING), check=False).returncode == 0


@pytest.mark.parametrize("command", [["show"], ["show", "terminal"], ["export"], ["chat", "-q", "Hello"]])
def test_an_output_that_cannot_be_written_is_a_sentence_and_a_code(home: Any, command: list[str]) -> None:
    home.start()
    home.holdfast("chat", "-q", "Hello")
    with Path("/dev/full").open("wb") as full:
        telling = home.begin(*command, stdout=full.fileno())
        assert telling.stderr.read() == b"holdfast: The output can't be written: No space left on device.\n"
        assert telling.wait(30) == cli.OUTPUT_FAILED


def test_trouble_that_is_not_the_outputs_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: Any) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(cli, "import_module", lambda _: types.SimpleNamespace(run=run))
    with pytest.raises(OSError, match="Input/output error"):
        main(["show"])
