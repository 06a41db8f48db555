"""`holdfast config set` and `unset`: what is changed in the file, what stays, and what is refused."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from holdfast import config
from holdfast.cli.editing import Edited, put, with_settings, without
from holdfast.errors import Config, Request
from holdfast.tables import Mistake

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


def wrong_in(text: str) -> tuple[Mistake, ...]:
    environ = {"HOME": "/home/x"}
    found, mistakes = config.judged(FILE, text, environ)
    return mistakes + found.started(environ)[1]


def edited(text: str, *words: str) -> Edited:
    return with_settings(FILE, text, list(zip(words[::2], words[1::2], strict=True)), wrong_in)


def after(text: str, *words: str) -> str:
    return edited(text, *words).text


def left(text: str, *keys: str) -> str:
    return without(FILE, text, keys, wrong_in).text


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


# --- a file that is wrong already -----------------------------------------------------------------------------------------------------

TYPO = TEXT.replace("chain", "chian") + '[agnet]\nx = 1\n[tools.t]\nurl = "http://127.0.0.1:1/"\nheaders = { x = "env:NOWHERE" }\n'


def test_a_setting_that_is_wrong_is_mended() -> None:
    assert "port = 1" in after(TEXT.replace("port = 0", "port = true"), "web.port", "1")
    with pytest.raises(Config, match="not valid TOML"):
        after("[agent", "web.port", "1")


def test_what_is_wrong_elsewhere_stays_wrong_and_is_told_apart_from_what_was_typed() -> None:
    done = edited(TYPO, "web.port", "1")
    assert done.text == TYPO.replace("port = 0", "port = 1")
    assert [mistake.path for mistake in done.still] == [("agnet",), ("agent", "chian")]
    assert done.doubts == (), "that was there before"
    with pytest.raises(
        Config, match=r"With this change no gateway could start\. .*port must be .*not the number 99999\. Nothing was written"
    ):
        edited(TYPO, "web.port", "99999")
    with pytest.raises(Config, match="no setting 'chane' here"):
        edited(TYPO, "agent.chane", "main")


def test_the_same_place_may_be_wrong_no_more_and_may_not_be_wrong_in_another_way() -> None:
    text = TEXT.replace("port = 0", "port = true")
    with pytest.raises(Config, match="not the number 99999"):
        edited(text, "web.port", "99999")
    halves = TEXT + "[routes.b]\ntools = false\n"
    done = edited(halves, "routes.b.base_url", "http://127.0.0.1:1/v1")
    assert [mistake.path for mistake in done.still] == [("routes", "b")], "a route is mended setting by setting"
    named = TEXT.replace('["main"]', '["mian"]')
    done = edited(named, "routes.b.dialect", "practice")
    assert [mistake.path for mistake in done.still] == [("agent", "chain")], "although its sentence lists one route more"


def test_a_key_that_is_not_there_is_refused_where_we_can_tell_and_told_where_only_the_gateway_can(tmp_path: Path) -> None:
    with pytest.raises(Config, match=r"api_key is to be read from missing.*Create the file.* Nothing was written"):
        edited(TEXT, "routes.main.api_key", "file:missing")
    for reference in ("env:NOT_SET", "credential:none"):
        done = edited(TEXT, "routes.main.api_key", reference)
        assert [mistake.path for mistake in done.doubts] == [("routes", "main", "api_key")]
        assert reference in done.text
    (tmp_path / "key").write_text("k3y")
    assert not edited(TEXT, "routes.main.api_key", f"file:{tmp_path}/key").doubts
    with pytest.raises(Config, match="instructions_file is to be read from none, but that fails"):
        edited(TEXT, "agent.instructions_file", "none")


def test_many_settings_at_once_are_judged_a_few_times_only() -> None:
    judged = []

    def judge(text: str) -> tuple[Mistake, ...]:
        judged.append(text)
        return wrong_in(text)

    pairs = [(f"routes.r{number}.model", "7") for number in range(10)] + [
        (f"routes.r{number}.base_url", "http://[::1]/v1") for number in range(10)
    ]
    done = with_settings(FILE, '[routes.main]\ndialect = "practice"\n', pairs, judge)
    assert done.text.count('model = "7"') == 10
    assert len(judged) == 3


# --- unset ----------------------------------------------------------------------------------------------------------------------------

SAID = """\
# mine
data_dir = "data"

# what mail is for
[tools.mail]    # here
command = ["mail"]
# so much for that

[tools.mail.env]
TZ = "UTC"

# the model
[routes.main]
dialect = "practice"    # for now
price = { input = 0.5 }
# context_tokens = 1

# What the agent may use:
# [tools.clock]

[web]
port = 0
"""


def gone(text: str, *keys: str) -> list[str]:
    """The lines that are there no more."""
    rest = left(text, *keys).splitlines()
    return [line for line in text.splitlines() if line and line not in rest]


def test_a_setting_is_taken_out_and_everything_else_stays() -> None:
    assert gone(SAID, "web.port") == ["port = 0"]
    assert gone(SAID, "data_dir") == ['data_dir = "data"']
    assert gone(SAID, "routes.main.price") == ["price = { input = 0.5 }"]
    assert tomllib.loads(left(SAID, "routes.main.price.input"))["routes"]["main"]["price"] == {}
    assert gone(SAID, "web.port", "tools.mail.env.TZ") == ['TZ = "UTC"', "port = 0"]


def test_a_table_goes_with_the_words_about_it_and_those_about_others_stay() -> None:
    mail = ["# what mail is for", "[tools.mail]    # here", 'command = ["mail"]', "# so much for that", "[tools.mail.env]", 'TZ = "UTC"']
    assert gone(SAID, "tools.mail") == gone(SAID, "tools") == mail
    assert gone(SAID, "tools.mail.env") == mail[4:]
    assert gone(SAID, "routes.main") == ["# the model", "[routes.main]", *SAID.splitlines()[13:16]]
    assert "\n\n\n" not in left(SAID, "tools.mail")


@pytest.mark.parametrize(
    "text",
    [
        "tools = { mail = {}, x = { command = ['x'] } }\n",
        "[tools]\nmail = {}\nx.command = ['x']\n",
        "[tools.x]\ncommand = ['x']\n[tools]\nmail.env.A = 'a'\nmail.env.B = 'b'\n",
        "[tools.mail]\nenv = { A = '''\n[tools.x]\n''' }\n[tools.x]\ncommand = ['x']",
        "[agent]\ninstructions = '''\n[tools.mail]\n'''\n[tools.mail]\n[tools.x]\ncommand = ['x']\n",
    ],
)
def test_however_it_is_written_exactly_that_is_gone(text: str) -> None:
    expected = tomllib.loads(text)
    del expected["tools"]["mail"]
    assert tomllib.loads(left(text, "tools.mail")) == expected


def test_what_is_not_there_or_is_needed_is_not_taken_out() -> None:
    with pytest.raises(Request, match=r"web\.prot does not stand in config\.toml\. Did you mean 'port'\? Nothing was changed\."):
        left(SAID, "web.prot")
    with pytest.raises(Request, match="does not stand"):
        left(SAID, "web.port.x")
    with pytest.raises(Config, match=r"With this change no gateway could start\. .*base_url is missing"):
        left(SAID, "routes.main.dialect")


def test_a_typo_in_the_file_is_taken_out() -> None:
    done = without(FILE, TYPO, ["agnet", "agent.chian"], wrong_in)
    assert done.still == ()
    assert gone(TYPO, "agnet", "agent.chian") == ['chian = ["main"]  # only one', "[agnet]", "x = 1"]


# --- the file -------------------------------------------------------------------------------------------------------------------------


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
