"""`holdfast status`, `queue`, `search`, `config`, `usage` and `run --dry`, with a gateway that runs, is stopped, or has a configuration that is broken."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MORE = """
[routes.spare]
base_url = "http://127.0.0.1:1/v1"
model = "m"
[tools.mail]
command = ["/nowhere/mail"]
"""
PATIENCE_S = 30
ON_A_FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from holdfast.cli import main
sys.exit(main())
"""


def eventually(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Any]) -> Iterator[Any]:
    """One conversation is answered, one waits for a model that is away, and a tool server is misconfigured. Killed at the end."""
    home = new_home(tmp_path_factory.mktemp("status"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_OF_THE_SERVICE", "k3y")  # commands don't have it
        home.start_real(MORE)
    home.holdfast("chat", "-q", "Hello from the kitchen")
    home.holdfast("chat", "-q", "/model spare", "--conversation", "waits")
    home.begin("chat", "-q", "Is anybody there?", "--conversation", "waits")
    eventually(lambda: any(row["state"] == "waiting" for row in json.loads(home.holdfast("queue", "--json").stdout)))
    yield home
    home.end()


def words(home: Any, *arguments: str) -> str:
    """What a command prints, on one line."""
    return " ".join(home.holdfast(*arguments).stdout.decode().split())


def test_status_is_one_screen_with_what_needs_you(lived: Any) -> None:
    done = lived.holdfast("status")
    screen = done.stdout.decode()
    assert done.returncode == 6
    assert all(len(line) <= 80 for line in screen.splitlines())
    assert "1 waiting    (holdfast queue)" in screen
    assert "Tool servers    1 misconfigured" in screen
    assert "      holdfast tools retry mail\n" in screen
    assert "The route spare is away:" in screen[screen.index("Worth knowing:") :]
    told = json.loads(lived.holdfast("status", "--json").stdout)
    assert (told["running"], told["needs you"], told["longest"]["name"]) == (True, True, "waits")
    assert told["conversations"]["waiting"] + told["conversations"]["running"] + told["conversations"]["due"] == 1
    assert told["journal"]["size"] > 0


def test_what_is_owed_is_listed_with_why(lived: Any) -> None:
    eventually(lambda: "waiting" in lived.holdfast("queue").stdout.decode())
    head, first, *more = lived.holdfast("queue").stdout.decode().splitlines()
    assert head.split() == ["CONVERSATION", "SINCE", "FOR", "STATE"]
    assert first.startswith("waits") and all(line.startswith("    ") for line in more)


def test_what_was_said_is_found(lived: Any) -> None:
    assert "Hello from the kitchen" in words(lived, "search", "FROM", "the")
    assert lived.holdfast("search", "nobody said this").stdout.decode() == "Nobody has said “nobody said this” here.\n"
    assert lived.holdfast("search", " ").returncode == 2


def test_on_a_pipe_a_watch_tells_once_until_something_changes(lived: Any) -> None:
    watch = lived.begin("status", "--watch", "--json")
    first = json.loads(watch.stdout.readline())
    assert first["running"]
    lived.holdfast("chat", "-q", "/queue interrupt", "--conversation", "other")
    lived.begin("chat", "-q", "/model spare", "--conversation", "more").wait(PATIENCE_S)
    lived.begin("chat", "-q", "Hello?", "--conversation", "more")
    while json.loads(watch.stdout.readline())["conversations"]["waiting"] < 2:
        pass
    watch.kill()


def test_usage_is_told_for_each_person_as_a_table_and_as_csv(lived: Any) -> None:
    month = f"{time.gmtime().tm_year}-{time.gmtime().tm_mon:02}"
    lived.configure(MORE + "[routes.main.price]\noutput = 1000000\n")
    (row,) = csv.DictReader(lived.holdfast("usage", "--csv").stdout.decode().splitlines())
    assert (row["month"], row["account"], row["person"], row["route"], row["answers"]) == (month, "web:local", "local", "main", "1")
    assert float(row["cost"]) == float(row["tokens_written"]) > 0
    assert words(lived, "usage").split("COST ")[1].startswith("web:local local 1")
    assert lived.holdfast("usage", "--month", "2001-01").stdout == b"Nobody had an answer in 2001-01.\n"
    assert lived.holdfast("usage", "--month", "2001-13").returncode == 2
    lived.configure(MORE)


def test_the_configuration_is_compared_with_what_the_gateway_has(lived: Any) -> None:
    assert words(lived, "config", "check").endswith("is good: 2 routes, 1 tool server, 0 accounts. The running gateway has it.")
    lived.holdfast("config", "set", "agent.instructions", "Be brief.")
    told = words(lived, "config", "check")
    assert 'agent.instructions: "You are a helpful assistant." -> "Be brief."' in told and "holdfast reload" in told
    assert "is not in use yet" in words(lived, "status")
    assert words(lived, "config", "unset", "agent.instructions").startswith("Written")
    assert "is not in use yet" not in words(lived, "status"), "the file is newer, and says the same"
    assert words(lived, "reload") == "Nothing has changed: the gateway has all that the configuration says, and goes on."
    lived.configure(MORE)


def test_a_change_that_no_gateway_could_start_with_is_not_written_and_one_that_mends_a_part_is(lived: Any) -> None:
    refused = lived.holdfast("config", "set", "routes.main.api_key", "file:missing")
    assert refused.returncode == 78 and b"Nothing was written." in refused.stderr
    said = words(lived, "config", "set", "routes.main.api_key", "env:NOT_SET")
    assert "Beware" in said and "variable NOT_SET is not set" in said and "reload" not in said
    assert "Beware" not in words(lived, "config", "set", "routes.main.api_key", "env:KEY_OF_THE_SERVICE"), "the gateway that runs has it"
    lived.configure("[agnet]\n" + MORE)
    said = words(lived, "config", "set", "agent.instructions", "Be kind.")
    assert "Written" in said and "This was wrong before, and still is:" in said and "agnet" in said
    assert words(lived, "config", "unset", "agnet", "agent.instructions").startswith("Written")
    assert words(lived, "config", "check").endswith("The running gateway has it.")
    lived.configure(MORE)


def test_with_a_configuration_that_is_broken_the_gateway_is_found_all_the_same(lived: Any) -> None:
    """LEDGER H-59: nothing is ignored in silence; the last good configuration goes on, and says so."""
    good = lived.file.read_text()
    for broken in ("[agnt]\n", "[agent\n"):
        lived.file.write_text(good + broken)
        for command in ("status", "why", "show", "queue", "routes", "tools", "platforms"):
            done = lived.holdfast(command)
            assert done.stdout and done.returncode in {0, 6}, (command, done)
            assert broken[1:5] in (done.stdout + done.stderr).decode() or "TOML" in (done.stdout + done.stderr).decode()
        assert "with the configuration as it stands now" in words(lived, "status") or "was not taken" in words(lived, "status")
        refused = lived.holdfast("reload")
        assert refused.returncode == 78
        assert refused.stderr.decode().count("config.toml") == 1
        assert refused.stderr.endswith(b"The gateway goes on with the one it has.\n")
        assert "The new configuration was not taken, and the old one goes on" in words(lived, "status")
        assert lived.holdfast("config", "check").returncode == 78
    lived.file.write_text(good)
    assert "The running gateway has it." in words(lived, "config", "check")


def test_a_dry_run_beside_a_gateway_is_refused_as_a_start_would_be(lived: Any) -> None:
    done = lived.holdfast("run", "--dry")
    assert (done.returncode, done.stdout) == (75, b"")


def test_a_gateway_that_was_killed_has_left_everything_to_be_seen(lived: Any) -> None:
    """The last of these: it is killed here."""
    lived.kill(lived.gateway)
    done = lived.holdfast("status")
    assert done.returncode == 75
    screen = " ".join(done.stdout.decode().split())
    assert "Holdfast is stopped. It did not end in order, some time after" in screen
    assert "To start it: holdfast run" in screen and "waits, for" in screen
    assert "waits" in words(lived, "queue") and "kitchen" in words(lived, "search", "kitchen")
    assert "web:local local 1" in words(lived, "usage")
    before = sorted((path.name, path.stat().st_size) for path in lived.data_dir.iterdir() if path.name == "journal.db")
    dry = words(lived, "run", "--dry")
    assert "It is not done: nothing is received, sent, called or changed." in dry
    assert re.search(r"(1 conversation has|\d conversations have) something to be done or said: waits:", dry)
    assert "It would listen on a free port of 127.0.0.1 for the page. Whether" in dry, "nobody calls it"
    assert "route spare m at http://127.0.0.1:1/v1" in dry and "tool server mail /nowhere/mail" in dry
    assert sorted((path.name, path.stat().st_size) for path in lived.data_dir.iterdir() if path.name == "journal.db") == before
    assert json.loads(lived.holdfast("status", "--json").stdout)["running"] is False
    watch = lived.begin("status", "--watch")
    assert "stopped" in watch.stdout.readline().decode()
    watch.kill()


# --- without a gateway ------------------------------------------------------------------------------------------------------------------


def test_before_the_first_start_nothing_is_made(home: Any) -> None:
    home.data_dir.rmdir()
    done = home.holdfast("status")
    assert done.returncode == 75
    assert words(home, "status").startswith(f"Holdfast is stopped. It has not run on {home.data_dir} yet.")
    assert "A journal would be begun" in words(home, "run", "--dry")
    assert words(home, "queue") == "Nothing is owed: everything is answered, and nobody is asked."
    assert words(home, "search", "x") == "Nobody has said “x” here."
    assert not home.data_dir.exists()


def test_a_dry_run_says_what_ends_a_start(home: Any) -> None:
    """LEDGER I 16: such a start ends at once, with the code after which no service manager starts it again and again."""
    (home.folder / "config.toml").write_text('[platforms.telegram.bot]\ntoken = "env:NOBODY_SET_THIS"\n')
    for words in (("run", "--dry"), ("run",)):
        done = home.holdfast(*words)
        assert done.returncode == 78 and b"NOBODY_SET_THIS" in done.stderr


def test_a_dry_run_on_a_full_disk_ends_as_a_start(home: Any) -> None:
    for words in (("run", "--dry"), ("run",)):
        program = (sys.executable, "-c", ON_A_FULL_DISK, *words)
        done = subprocess.run(program, env=home.environ, capture_output=True, timeout=PATIENCE_S, check=False)
        assert (done.returncode, done.stdout) == (70, b""), done
        assert words == ("run",) or not list(home.data_dir.iterdir())


def test_a_dry_run_says_where_platforms_would_call(home: Any) -> None:
    (home.folder / "key").write_text("0123456789abcdef" * 2)
    home.configure('[platforms.webhook.bell]\nsecret = "file:key"\n')
    assert "Platforms would call it on 127.0.0.1:8421, for webhook:bell." in words(home, "run", "--dry")


def test_the_whole_configuration_is_shown_without_a_secret(home: Any, tmp_path: Path) -> None:
    (home.folder / "config.toml").write_text(
        '[agent]\nchain = ["main"]\n[routes.main]\ndialect = "practice"\napi_key = "env:KEY"\n[tools.mail]\ncommand = ["mail"]\nenv = { A_TOKEN = "hush", TZ = "UTC" }\n'
        '[platforms.telegram.bot]\ntoken = "file:token"\n'
    )
    shown = home.holdfast("config", "show").stdout.decode()
    assert "hush" not in shown
    for line in (
        'chain = ["main"]', "built_in_tools = true    # the default", 'api_key = "env:KEY"', 'env = { A_TOKEN = "[secret]", TZ = "UTC" }',
        "[platforms.telegram.bot]", 'token = "file:token"', "port = 8420    # the default",
    ):  # fmt: skip
        assert line in shown.splitlines(), line
    as_shown = tmp_path / "shown.toml"
    as_shown.write_text(shown)
    assert home.holdfast("config", "show", "--config", str(as_shown)).returncode == 0, "it is a configuration"
    assert json.loads(home.holdfast("config", "show", "--json").stdout)["tools"]["mail"]["env"]["A_TOKEN"] == "[secret]"
    assert json.loads(home.holdfast("config", "schema").stdout)["title"] == "Holdfast's configuration"


def test_a_check_tells_all_that_is_wrong_at_once(home: Any) -> None:
    home.file.write_text(f'data_dir = "{home.data_dir}"\ncolour = 1\n[web]\nport = 99999\n')
    done = home.holdfast("config", "check")
    first, also = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (78, b"")
    assert first.startswith(f"holdfast: {home.file}: there is no setting 'colour' here.")
    assert also.startswith(f"Also: {home.file}: [web] port must be a whole number")
    home.file.write_text(
        f'data_dir = "{home.data_dir}"\n[routes.a]\nmodel = "m"\nbase_url = "http://127.0.0.1:1"\napi_key = "file:a"\n[traces]\nurl = "file:b"\n'
    )
    assert len(home.holdfast("config", "check").stderr.decode().splitlines()) == 2


def test_settings_are_written_where_there_is_no_file_yet(home: Any) -> None:
    (home.folder / "config.toml").unlink()
    done = home.holdfast("config", "set", "data_dir", str(home.data_dir), "web.port", "0")
    assert done.returncode == 0 and (home.folder / "config.toml").stat().st_mode & 0o777 == 0o600
    assert b"says so already" in home.holdfast("config", "set", "web.port", "0").stdout
    assert home.holdfast("config", "set", "web.port").returncode == 2
    refused = home.holdfast("config", "set", "web.port", "-1")
    assert refused.returncode == 78 and b"Nothing was written" in refused.stderr
    assert words(home, "config", "check").endswith(f"No gateway runs on {home.data_dir} now: the next start takes it.")


def test_another_data_folder_is_set_with_what_to_do_then(home: Any) -> None:
    other = home.folder / "other"
    assert words(home, "config", "set", "data_dir", str(other)).endswith(
        f"stop the gateway if it runs, move {home.data_dir} to {other}, start it."
    )
    assert f"No gateway runs on {other}" in home.holdfast("reload").stderr.decode()
    other.mkdir()
    (other / "journal.db").touch()
    home.configure()
    assert words(home, "config", "set", "data_dir", str(other)).endswith(f"It goes on with the journal that is in {other} already.")
