"""`holdfast config set`: what is changed in the file, what stays, and what is refused."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from holdfast.cli.editing import edited, put
from holdfast.errors import Config, Request

FILE = Path("config.toml")
TEXT = """\
# mine
data_dir = "data"   # here

[agent]
chain = ["main"]  # only one
# a word between

[routes.main]
dialect = "practice"   # for now
price = { input = 0.5 }
[web]
port = 0
"""


def after(text: str, *words: str) -> str:
    return edited(FILE, text, list(zip(words[::2], words[1::2], strict=True)), {"HOME": "/home/x"})


def changed(text: str, *words: str) -> list[str]:
    """The lines that are other, or new."""
    return [line for line in after(text, *words).splitlines() if line not in text.splitlines()]


def test_a_setting_is_changed_in_its_place_and_everything_else_stays() -> None:
    assert after(TEXT, "routes.main.price.output", "1.5") == TEXT.replace("{ input = 0.5 }", "{ input = 0.5, output = 1.5}")
    assert after(TEXT, "web.port", "8421") == TEXT.replace("port = 0", "port = 8421")
    assert after(TEXT, "data_dir", "elsewhere") == TEXT.replace('"data"', '"elsewhere"')
    assert after(TEXT, "agent.chain", '["main"]') == TEXT


def test_what_is_not_there_yet_is_added_with_its_table() -> None:
    assert changed(TEXT, "owner.notify", '["web"]') == ["[owner]", 'notify = ["web"]']
    assert changed(TEXT, "agent.time_zone", "Europe/Berlin") == ['time_zone = "Europe/Berlin"']
    assert changed(TEXT, "agent.budget", "{ steps = 7 }") == ["budget = {steps = 7}"]
    assert tomllib.loads(after("", "web.port", "0")) == {"web": {"port": 0}}


def test_what_belongs_together_is_set_together() -> None:
    with pytest.raises(Config, match=r"\[routes.b\] model is missing.* Nothing was written"):
        after(TEXT, "routes.b.base_url", "http://127.0.0.1:1/v1")
    assert changed(TEXT, "routes.b.base_url", "http://127.0.0.1:1/v1", "routes.b.model", "7") == [
        "[routes.b]",
        'base_url = "http://127.0.0.1:1/v1"',
        'model = "7"',
    ], "a number where only a text is right is a text"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("web.port", "99999"), "must be a whole number from 0 to 65535"),
        (("web.port", "many"), "not the text 'many'"),
        (("web.prot", "1"), "Did you mean 'port'"),
        (("agent.chain", '["none"]'), r"there is no \[routes.none\]"),
        (("routes.main", "3"), "must be a table of its own"),
    ],
)
def test_what_no_gateway_could_start_with_is_refused(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(Config, match=why):
        after(TEXT, *words)


def test_a_key_is_never_taken_nor_shown() -> None:
    with pytest.raises(Config) as refused:
        after(TEXT, "routes.main.api_key", "sk-secret")
    assert "sk-secret" not in str(refused.value)
    assert "never the key itself" in str(refused.value)


@pytest.mark.parametrize("key", ["", "a b", "a..b", "a = 1\nb", "[agent]", "agent.chain # x"])
def test_what_is_no_key_is_said(key: str) -> None:
    with pytest.raises((Request, Config)):
        after(TEXT, key, "1")


def test_a_value_can_bring_nothing_else_with_it() -> None:
    assert tomllib.loads(after(TEXT, "agent.instructions", "1\n[web]\nport = 1"))["agent"]["instructions"] == "1\n[web]\nport = 1"


def test_a_file_that_is_wrong_already_is_mended_or_refused() -> None:
    assert "port = 1" in after(TEXT.replace("port = 0", "port = true"), "web.port", "1")
    with pytest.raises(Config, match="not valid TOML"):
        after("[agent", "web.port", "1")


def test_as_it_was_it_is_kept_and_its_rights_stay(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert put(file, "a = 1\n") is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    assert put(file, "a = 2\n") == put(file, "a = 3\n") == tmp_path / "config.toml.bak"
    assert (file.read_text(), (tmp_path / "config.toml.bak").read_text()) == ("a = 3\n", "a = 2\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "config.toml.bak"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("a = 1\n")
    (tmp_path / "config.toml").symlink_to("real.toml")
    put(tmp_path / "config.toml", "a = 2\n")
    assert (tmp_path / "config.toml").is_symlink()
    assert (tmp_path / "real.toml").read_text() == "a = 2\n"


def test_a_write_that_fails_leaves_the_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text("a = 1\n")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(Config, match="No space left"):
        put(file, "a = 2\n")
    assert file.read_text() == "a = 1\n"
