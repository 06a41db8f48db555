"""Commands are shown as the person who started this can type them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from holdfast.invoked import command


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of ours in a folder with a space in its name, from where it is started."""
    path = tmp_path / "my own" / "holdfast"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "check"])
    return path


def test_a_program_that_the_shell_would_not_find_is_named_with_its_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert command("init") == "'my own/holdfast' init"
    monkeypatch.setenv("PATH", str(program.parent))
    assert command("init") == "holdfast init"


def test_from_the_root_the_path_has_its_slash(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir("/")
    assert command("init") == f"'{program}' init"


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("given", [["--config", "a b.toml"], ["--config=a b.toml"]])
def test_the_configuration_that_was_named_is_named_again(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["holdfast", *given, "check"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert command("run") == "holdfast run --config 'a b.toml'"
    assert command("run", Path("other.toml")) == "holdfast run --config other.toml"


@pytest.mark.parametrize("program", ["-c", "/somewhere/__main__.py", "/bin/pytest"])
def test_what_is_no_program_of_ours_is_not_named(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    assert command("run") == "holdfast run"
