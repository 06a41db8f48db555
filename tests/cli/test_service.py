"""What `holdfast service` writes and says, without a service manager. (tests/service has a real one.)"""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # one call, whose value is looked at as it is

from holdfast import config
from holdfast.cli import main, service
from holdfast.cli.service import launchd, steps, systemd, unit
from holdfast.errors import Config, Temporary

ROUTE = '[routes.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n'
SECRETS = f"""
{ROUTE}api_key = "credential:main"
headers = {{ "x-one" = "credential:main", "x-two" = "env:TWO" }}
[tools.wiki]
url = "http://127.0.0.1:2/mcp"
api_key = "credential:wiki"
[platforms.telegram.mybot]
token = "env:TELEGRAM"
"""
LOADED = "\tpid = 4711\n\tlast exit code = (never exited)\n"
ENDED = "\tstate = spawn scheduled\n\tlast exit code = 78: EX_CONFIG\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody without a service manager."""
    for name in ("HOLDFAST_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", *service.WAYS, *map(str.lower, service.WAYS)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(systemd, "runs_here", lambda: False)
    return tmp_path


def configured(home: Path, text: str = ROUTE, name: str = "config.toml") -> config.Config:
    file = home / ".config/holdfast" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return config.load(file, {"HOME": str(home)})


# --- the files --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("user", ["", "root"])
def test_systemd_finds_nothing_wrong_with_the_unit(home: Path, user: str) -> None:
    settings = configured(home, SECRETS, 'my "own" 100% $HOME\\config.toml')
    text = unit.systemd_unit(settings, user=user, path='/usr/bin:/odd "one"/%n', lingers=not user)
    (home / "holdfast.service").write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", home / "holdfast.service"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = text.splitlines()
    assert f'ExecStart={unit.program()[0]} run --config "{home}/.config/holdfast/my \\"own\\" 100%% $$HOME\\\\config.toml"' in lines
    assert 'Environment="PATH=/usr/bin:/odd \\"one\\"/%%n"' in lines
    assert [line for line in lines if line.startswith("LoadCredential=")] == [
        f"LoadCredential={name}:{home}/.config/holdfast/credentials/{name}" for name in ("main", "wiki")
    ]
    assert {"Type=notify", "NotifyAccess=main", "TimeoutStopSec=30", "Restart=always", "RestartPreventExitStatus=78"} <= set(lines)
    assert {"StartLimitIntervalSec=0", "UMask=0077", "NoNewPrivileges=yes", "KillMode=mixed", "OOMPolicy=continue"} <= set(lines)
    assert "\n\n\n" not in text
    assert (unit.LINGERS in text) == (not user)


def test_the_property_list_of_launchd_can_be_read(home: Path) -> None:
    settings = configured(home)
    agent = plistlib.loads(launchd.Launchd().text(settings).encode())
    assert agent["ProgramArguments"] == [*unit.program(), "run", "--config", str(settings.file)]
    assert agent["KeepAlive"] is agent["RunAtLoad"] is True
    assert agent["Umask"] == 0o77
    with pytest.raises(Config, match="credential:main, but launchd passes no credentials"):
        launchd.Launchd().text(configured(home, SECRETS))


def test_the_compose_file_can_be_read_and_holds_every_credential(home: Path) -> None:
    file: Any = yaml.safe_load(unit.compose(configured(home, SECRETS)))
    assert file["services"]["holdfast"]["secrets"] == ["main", "wiki"]
    assert file["secrets"] == {name: {"file": f"./credentials/{name}"} for name in ("main", "wiki")}
    assert file["services"]["holdfast"]["stop_grace_period"] == "30s"
    plain: Any = yaml.safe_load(unit.compose(configured(home)))
    assert "secrets" not in plain | plain["services"]["holdfast"]
    assert plain["volumes"] == {"data": None}


def test_the_image_is_made_of_files_that_there_are() -> None:
    """By eye: nobody here can build it."""
    root = Path(__file__).parents[2]
    copied = [word for line in unit.image().splitlines() if line.startswith("COPY ") for word in line.split()[1:-1]]
    named = [word for line in unit.image().splitlines() for word in line.split() if word.startswith("requirements/")]
    assert copied and named
    assert all((root / name).exists() for name in (*copied, *named))
    assert unit.image().splitlines()[-1] == 'CMD ["holdfast", "run", "--config", "/etc/holdfast/config.toml"]'


@pytest.mark.parametrize("kind", ["systemd", "launchd", "compose", "image"])
def test_every_kind_is_printed_and_nothing_else_done(home: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    if kind != "image":  # the same for everybody
        configured(home)
    before = sorted(home.rglob("*"))
    assert main(["service", "install", "--print", kind]) == 0
    text = capsys.readouterr().out
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert sorted(home.rglob("*")) == before


# --- the words --------------------------------------------------------------------------------------------------------------------------


def test_without_systemd_it_says_what_to_do_instead(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured(home)
    assert main(["service", "install", "--yes"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "holdfast: systemd does not run here. Holdfast needs nothing of it: whatever starts programs on this machine can run `holdfast run`, and "
        "start it again when it ends, except with exit code 78. For Docker: `holdfast service install --print compose`.\n"
    )
    for act in ("status", "logs", "uninstall"):  # whoever asks is not sent to install, which sends them away
        assert main(["service", act]) == 2
        assert capsys.readouterr().err == (
            "holdfast: systemd does not run here, so Holdfast is no service of this machine. Whatever starts `holdfast run` also stops it, and has its "
            "log; `holdfast status` says how it is.\n"
        )
    assert main(["service", "install", "--print"]) == 2
    assert capsys.readouterr().err == (
        "holdfast: systemd does not run here. Say what it is for: holdfast service install --print systemd (or launchd, compose, image)\n"
    )


def test_where_systemd_runs_and_it_is_not_installed_it_says_what_does_that(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(systemd, "runs_here", lambda: True)
    assert main(["service", "status"]) == 2
    assert capsys.readouterr().err == "holdfast: Holdfast is not installed as a service here. `holdfast service install` does that.\n"


def test_without_a_configuration_it_says_what_makes_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install", "--print", "systemd"]) == 78
    assert capsys.readouterr().err == (
        f"holdfast: There is no configuration yet at {home}/.config/holdfast/config.toml. `holdfast init` makes one.\n"
    )


def test_what_a_shell_has_and_a_service_has_not_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(home, f'{ROUTE}[tools.clock]\ncommand = ["no-such-program"]\n[tools.shell]\ncommand = ["sh"]\n')
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    said = list(service._hints(settings, "/bin"))
    file = home / ".config/holdfast/environment"
    assert said == [
        "The tool server 'clock' will not start: no-such-program is not in /bin. Give its full path in [tools.clock].",
        f"HTTPS_PROXY is set here, but not for a service. If it is needed, write it into {file}.",
    ]
    file.write_text("# the way out\nhttps_proxy=http://127.0.0.1:3128\n")
    assert len(list(service._hints(settings, "/bin"))) == 1


def test_variables_that_are_missing_are_named_before_anything_is_done(home: Path) -> None:
    settings = configured(home, SECRETS)
    with pytest.raises(Config, match="takes TWO, TELEGRAM from the environment") as failure:
        service._check_environment(settings)
    assert "Write TWO=... and TELEGRAM=... into" in str(failure.value)
    unit.environment_file(settings).write_text("TWO=2\nTELEGRAM=3\n")
    service._check_environment(settings)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"Result": "oom-kill"}, "It was killed, since the machine's memory was used up."),
        ({"Result": "watchdog"}, "It hung, and was killed."),
        ({"Result": "signal", "ExecMainCode": "2", "ExecMainStatus": "9"}, "It was ended by SIGKILL."),
        ({"Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "70"}, "It ended with exit code 70: the journal can't commit."),
        ({"Result": "exit-code", "ExecMainCode": "1", "ExecMainStatus": "1"}, "It ended with exit code 1."),
    ],
)
def test_why_it_is_down_is_a_sentence(state: dict[str, str], sentence: str) -> None:
    assert systemd._ended({"ExecMainCode": "1", "ExecMainStatus": "0", **state}) == sentence


# --- the steps --------------------------------------------------------------------------------------------------------------------------


def test_a_command_that_fails_ends_it_unless_it_may(tmp_path: Path) -> None:
    fails = (sys.executable, "-c", "import sys; sys.exit('not\\nallowed')")
    with pytest.raises(Temporary, match="failed: not allowed"):
        steps.do(steps.Run(fails))
    assert steps.do(steps.Run(fails, "So it goes on.")) == "So it goes on. (not allowed)"
    with pytest.raises(Config, match="can't be run"):
        steps.do(steps.Run((str(tmp_path / "nowhere"),)))
    (tmp_path / "file").touch()
    with pytest.raises(Config, match="can't be written: File exists"):
        steps.do(steps.Write(tmp_path / "file/below", ""))
    with pytest.raises(Config, match="can't be removed: Is a directory"):
        steps.do(steps.Remove(tmp_path))
    assert steps.do(steps.Remove(tmp_path / "gone")) == ""


@pytest.mark.skipif(shutil.which("sh") is None, reason="a shell is needed")
@pytest.mark.parametrize(
    ("printed", "says", "code"), [(LOADED, "Holdfast is up as a service (process 4711).", 0), (ENDED, "78: EX_CONFIG", 75)]
)
def test_launchd_is_asked_as_its_manual_says(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], printed: str, says: str, code: int
) -> None:
    """Untried on a Mac: this is what we would say to it, and understand."""
    program = home / "bin/launchctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" >> {home}/said\n[ \"$1\" != print ] || printf '%s' '{printed}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")  # the path of a test is too long for a door
    monkeypatch.setattr(service, "ON_MACOS", True)
    configured(home)
    assert main(["service", "install", "--yes"]) == code
    assert says in capsys.readouterr().out
    assert main(["service", "uninstall", "--yes"]) == 0
    assert f"Its log stays in {home}/Library/Logs/holdfast.log." in capsys.readouterr().out
    words = [line.split()[0] for line in (home / "said").read_text().splitlines()]
    assert [word for word in words if word != "print"] == ["bootout", "bootstrap", "bootout"]
