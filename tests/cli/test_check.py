from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.checks.findings import Finding
from holdfast.cli import check
from holdfast.testing.llama import Llama, Options, Script, unavailable
from holdfast.testing.terminal import Terminal

HOLDFAST = (sys.executable, "-c", "import sys; from holdfast.cli import main; sys.exit(main())")
KEY = "sk-the-right-key-which-nobody-may-see"


@pytest.fixture
def llama(tmp_path: Path) -> Iterator[Llama]:
    if why := unavailable():
        pytest.skip(why)
    script = Script(tool="current_time", arguments='{"place": "Lisbon"}')
    with Llama(tmp_path, script, Options(context_tokens=16384, api_key=KEY)) as llama:
        yield llama


def configure(home: Any, text: str) -> None:
    (home.folder / "config.toml").write_text(f'data_dir = "{home.data_dir}"\n[web]\nport = 0\n{text}\n')


def route(base_url: str, more: str = "") -> str:
    return f'[routes.main]\nbase_url = "{base_url}"\nmodel = "scripted"\n{more}\n'


def test_a_real_model_is_tried_and_well(home: Any, llama: Llama) -> None:
    (home.folder / "key").write_text(KEY)
    (home.folder / "key").chmod(0o600)
    configure(home, route(llama.base_url, 'api_key = "file:key"\ncontext_tokens = 16384'))
    done = home.holdfast("check")
    out = done.stdout.decode()
    assert done.returncode == 0, out
    assert 'answered "Hello from a scripted llama"' in out
    assert "scripted makes real tool calls" in out
    assert out.index("Configuration") < out.index("[routes.main]") < out.index("Data folder")
    assert out.splitlines()[-1].startswith("Nothing stands in the way; ")
    assert KEY not in out + done.stderr.decode()


def test_a_wrong_key_is_78_and_not_shown(home: Any, llama: Llama) -> None:
    (home.folder / "key").write_text("sk-a-wrong-key")
    (home.folder / "key").chmod(0o600)
    configure(home, route(llama.base_url, 'api_key = "file:key"'))
    done = home.holdfast("check")
    out = done.stdout.decode()
    assert done.returncode == 78
    assert "does not accept the key from file:key." in out
    assert "-> Put a valid key into key" in out
    assert "sk-a-wrong-key" not in out


def test_nobody_there_is_75_and_says_how_to_start_it(home: Any) -> None:
    configure(home, route("http://127.0.0.1:1/v1"))
    code = "from holdfast.checks import servers; servers.USUAL_PORTS = {}; from holdfast.cli import main; raise SystemExit(main(['check']))"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, env=home.environ, check=False)  # somebody may be at those
    assert done.returncode == 75
    assert done.stdout.decode().splitlines()[-1].endswith("What is away may come back by itself; nothing has to be changed for that.")


@pytest.mark.parametrize("text", ["data_dri = 1", "[routes.main]\nmodle = 'x'", "[web", '[routes.main]\nbase_url = "x"'])
def test_a_configuration_that_can_not_be_read_is_78(home: Any, text: str) -> None:
    (home.folder / "config.toml").write_text(text)
    done = home.holdfast("check")
    assert done.returncode == 78
    assert b"ERROR" in done.stdout and b"Traceback" not in done.stderr


def test_programs_get_a_list_of_findings(home: Any) -> None:
    configure(home, "")
    done = home.holdfast("check", "--json")
    findings = json.loads(done.stdout)
    assert done.stderr == b""
    assert {frozenset(finding) for finding in findings} == {frozenset({"level", "check", "about", "what", "cause", "mend", "away"})}
    assert {finding["level"] for finding in findings} <= {"ok", "warning", "error"}
    assert {"config.read", "gateway.running", "data.writable", "route.answers", "web.port"} <= {finding["check"] for finding in findings}


def test_the_running_gateway_is_asked_and_its_journal_left_alone(home: Any) -> None:
    configure(home, "")
    home.start()
    home.holdfast("chat", "-q", "Hello")
    before = {path.name: path.stat().st_mtime_ns for path in home.data_dir.iterdir()}
    done = home.holdfast("check")
    assert done.returncode == 0
    assert b"It runs, version " in done.stdout
    assert {path.name: path.stat().st_mtime_ns for path in home.data_dir.iterdir()} == before


def test_without_a_gateway_it_says_so_and_makes_no_file(home: Any) -> None:
    configure(home, "")
    assert b"The gateway is not running." in home.holdfast("check").stdout
    assert list(home.data_dir.iterdir()) == []


def test_on_a_narrow_terminal_words_stay_whole(home: Any) -> None:
    configure(home, "[agnt]\n")
    with Terminal((*HOLDFAST, "check"), home.environ, columns=40) as terminal:
        assert terminal.ended() == 78
        lines = terminal.text.splitlines()
    told = [line for line in lines if line.startswith(("  ERROR ", " " * 11))]
    assert len(told) > 3
    assert "there is no setting" in " ".join(line[11:] for line in told)


def test_a_full_disk_needs_a_person_who_is_told_to_free_some() -> None:
    room = Finding("error", "data.room", "data_dir", "The disk is full.", away=True)
    assert check._sum([room]) == "1 error. Free some of the disk, then: holdfast check"
