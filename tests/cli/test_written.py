from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from holdfast import config
from holdfast.cli.discover import Choice
from holdfast.cli.menu import PRACTICE
from holdfast.cli.written import text_of, write

LOCAL = Choice("Ollama at 127.0.0.1:11434", "openai-chat", "http://127.0.0.1:11434/v1", "qwen3:8b")
KEYED = Choice("OpenAI", "openai-responses", "https://api.openai.com/v1", "gpt-5-mini", key="file:openai.key", secret="sk-secret")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("choice", [LOCAL, KEYED, PRACTICE], ids=["local", "keyed", "practice"])
def test_what_is_written_can_be_read(choice: Choice, tmp_path: Path) -> None:
    written = write(tmp_path / "holdfast" / "config.toml", choice, 4096)
    settings = config.load(written.file, {"HOME": str(tmp_path)}).start({"HOME": str(tmp_path)})
    assert (settings.routes["main"].dialect, settings.routes["main"].model) == (choice.dialect, choice.model)
    assert (mode(written.file), mode(written.file.parent)) == (0o600, 0o700)
    assert settings.warnings == ()


def test_the_key_is_in_a_private_file_beside_and_not_in_the_configuration(tmp_path: Path) -> None:
    written = write(tmp_path / "config.toml", KEYED, None)
    assert written.key == tmp_path / "openai.key"
    assert (written.key.read_text(), mode(written.key)) == ("sk-secret\n", 0o600)
    assert "sk-secret" not in written.file.read_text()
    route = config.load(written.file, {"HOME": "/"}).start({"HOME": "/"}).routes["main"]
    assert route.api_key is not None and route.api_key.value == "sk-secret"


def test_what_stood_there_is_kept_each_time(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("# mine\n")
    file.chmod(0o644)
    first = write(file, LOCAL, None)
    second = write(file, KEYED, None)
    assert [path.name for path in (*first.kept, *second.kept)] == ["config.toml.1", "config.toml.2"]
    assert first.kept[0].read_text() == "# mine\n"
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}


def test_a_write_that_fails_leaves_all_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text("# mine\n")

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="full"):
        write(file, LOCAL, None)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("config.toml", "# mine\n")]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "ä€😀", "a\x7fb", "a\tb", "a # b"])
def test_any_name_of_a_model_is_written_as_toml(name: str) -> None:
    assert tomllib.loads(text_of(Choice("p", "openai-chat", "http://h/v1", name), 1))["routes"]["main"]["model"] == name


def test_the_number_of_tokens_is_there_or_shown_how() -> None:
    assert "\ncontext_tokens = 4096    #" in text_of(LOCAL, 4096)
    assert "\n# context_tokens = " in text_of(LOCAL, None)
