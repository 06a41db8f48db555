"""Installing it, looking at it and taking it away, as typed by a person at a terminal, with a real systemd; and the words that they read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from holdfast.testing.systemd import Machine, unavailable
from holdfast.testing.systemd_rig import HOLDFAST
from holdfast.testing.terminal import Terminal

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

HOME = "/home/ada"
UNIT = f"{HOME}/.config/systemd/user/holdfast.service"
CONFIG = f"{HOME}/.config/holdfast/config.toml"
PRACTICE = "[web]\nport = 0\n"
POLKIT = "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"
LINGERS = "/var/lib/systemd/linger/ada"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine") / "m") as machine:
        machine.run("useradd", "--create-home", "--shell", "/bin/bash", "ada")
        yield machine


@pytest.fixture(autouse=True)
def _nothing_installed(machine: Machine) -> Iterator[None]:
    configure(machine, PRACTICE)
    yield
    for user in ("ada", ""):
        machine.run(HOLDFAST, "service", "uninstall", "--yes", user=user, check=False)
    machine.run("loginctl", "disable-linger", "ada")


def configure(machine: Machine, text: str) -> None:
    machine.write(CONFIG, text)
    machine.run("chown", "-R", "ada:", f"{HOME}/.config")


def read(machine: Machine, *words: str, user: str = "ada") -> tuple[int, str]:
    """What a command says, with its name as it would be if it were on the PATH, and without what changes from day to day."""
    done = machine.run(HOLDFAST, *words, user=user, check=False)
    return done.returncode, plain(done.stdout + done.stderr)


def plain(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TODAY", re.sub(r"[^\s`]*/holdfast (?=service|status|init)", "holdfast ", text))


INSTALLED = f"""\
Holdfast will run as a service, configured by {CONFIG}, and keep everything in {HOME}/.local/share/holdfast. This does it:
    write   {UNIT}
    run     systemctl --user daemon-reload
    run     systemctl --user enable holdfast.service
    run     loginctl enable-linger ada
    run     systemctl --user restart holdfast.service
"""
UP = """\
Holdfast is up as a service since TODAY: Serving.
It starts with this machine.
What it does: holdfast status. What it logs: holdfast service logs
"""


def test_a_person_installs_it_looks_at_it_and_takes_it_away(machine: Machine) -> None:
    assert read(machine, "service") == (2, "holdfast: Holdfast is not installed as a service here. `holdfast service install` does that.\n")
    with Terminal(machine.command(HOLDFAST, "service", "install", user="ada"), {}, columns=200) as terminal:
        terminal.until("Do this? [yes]")
        terminal.type("no\r")
        assert terminal.ended() == 2
        assert plain(terminal.text) == f"{INSTALLED}Do this? [yes] no\nholdfast: Nothing was done."
    assert not machine.path(UNIT).exists()
    with Terminal(machine.command(HOLDFAST, "service", "install", user="ada"), {}, columns=200) as terminal:
        terminal.until("Do this? [yes]")
        terminal.type("\r")
        assert terminal.ended() == 0
        assert plain(terminal.text) + "\n" == f"{INSTALLED}Do this? [yes]\n{UP}"
    assert machine.path(LINGERS).exists()
    assert read(machine, "service", "status") == (0, UP)
    assert "Hello! I'm the practice model" in machine.run(HOLDFAST, "chat", "-q", "Hello", user="ada").stdout
    code, log = read(machine, "service", "logs", "--since", "1 hour ago")
    assert code == 0
    assert "Holdfast is ready. Model: main (practice)." in log
    taken = read(machine, "service", "uninstall", "--yes")
    assert taken == (
        0,
        f"""\
Holdfast will not run as a service any more. This does it:
    run     systemctl --user disable --now holdfast.service
    remove  {UNIT}
    run     systemctl --user daemon-reload
    run     loginctl disable-linger ada
Done. Your conversations stay in {HOME}/.local/share/holdfast, the configuration in {CONFIG}.
""",
    )
    assert not machine.path(UNIT).exists() and not machine.path(LINGERS).exists()
    assert machine.path(f"{HOME}/.local/share/holdfast/journal.db").exists()


def test_who_may_not_linger_is_told_what_that_means(machine: Machine) -> None:
    """Where nobody decides about rights (polkit), only root may."""
    machine.path(POLKIT).unlink(missing_ok=True)
    machine.run("systemctl", "stop", "polkit", check=False)
    machine.run("systemctl", "reload", "dbus")
    with Terminal(machine.command("bash", user="ada"), {}, columns=200) as terminal:  # she is logged in meanwhile
        terminal.until("$")
        code, said = read(machine, "service", "install", "--yes")
        assert code == 0
        assert (
            "It ends when you log out, since you may not change that. Whoever administers this machine can: sudo loginctl enable-linger ada"
            in said
        )
        assert "It starts when you log in, and ends when you log out: sudo loginctl enable-linger ada changes that.\n" in said
        machine.run("loginctl", "enable-linger", "ada")
        assert read(machine, "service") == (0, UP)


def test_who_has_not_logged_in_is_told_so(machine: Machine) -> None:
    """As by sudo, su without a login, or cron."""
    ada = machine.run("id", "--user", "ada").stdout.strip()
    machine.run("systemctl", "stop", f"user@{ada}")
    words = ("runuser", "--user", "ada", "--", "env", f"HOME={HOME}", HOLDFAST, "service", "install", "--yes")
    done = machine.run(*words, check=False)
    assert done.returncode == 75
    assert done.stderr.startswith("holdfast: The systemd of your services can't be asked: ")
    assert done.stderr.endswith("Log in as ada (with su, write su - ada), or: sudo loginctl enable-linger ada\n")
    machine.run("loginctl", "enable-linger", "ada")
    machine.run("su", "-", "ada", "-c", "true")  # its systemd is up when this returns
    done = machine.run(*words)
    assert plain(done.stdout).endswith(UP)


def test_a_key_is_passed_as_a_credential_and_one_from_the_environment_as_the_file_beside_says(machine: Machine) -> None:
    machine.run("loginctl", "enable-linger", "ada")
    route = 'base_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n'
    configure(machine, f'[routes.main]\n{route}api_key = "credential:main"\n[routes.other]\n{route}api_key = "env:OTHER_KEY"\n{PRACTICE}')
    code, said = read(machine, "service", "install", "--yes")
    assert code == 78
    assert said.startswith(
        "holdfast: The configuration takes OTHER_KEY from the environment, and a service does not have yours. Write OTHER_KEY=... into"
    )
    machine.write(f"{HOME}/.config/holdfast/environment", "OTHER_KEY=another secret\n")
    code, said = read(machine, "service", "install", "--yes")
    assert code == 78
    assert said == (
        f"holdfast: The configuration names credential:main, but there is no {HOME}/.config/holdfast/credentials/main. Write the key there, alone "
        f"on one line: install -D -m 600 /dev/stdin {HOME}/.config/holdfast/credentials/main\n"
    )
    machine.write(f"{HOME}/.config/holdfast/credentials/main", "a secret\n")
    configure(machine, machine.path(CONFIG).read_text())
    code, said = read(machine, "service", "install", "--yes")
    assert code == 0, said


def test_it_does_not_start_beside_another_one_nor_over_a_unit_of_somebody_else(machine: Machine) -> None:
    machine.run("loginctl", "enable-linger", "ada")
    machine.run("systemd-run", "--user", "--unit=by-hand", HOLDFAST, "run", user="ada")
    assert "Hello!" in machine.run(HOLDFAST, "chat", "-q", "Hello", user="ada").stdout
    code, said = read(machine, "service", "install", "--yes")
    assert (code, said) == (
        2,
        (
            f"holdfast: Holdfast runs already, on {HOME}/.local/share/holdfast. Stop it first (Ctrl+C where you started it): the service goes on "
            "where it was.\n"
        ),
    )
    machine.run("systemctl", "--user", "stop", "by-hand", user="ada")
    machine.write(UNIT, "[Service]\nExecStart=/bin/true\n")
    for act in ("install", "uninstall"):
        code, said = read(machine, "service", act, "--yes")
        assert (code, said) == (
            78,
            f"holdfast: {UNIT} was not written by `holdfast service install`. Move it away first, if it is not needed.\n",
        )
    machine.path(UNIT).unlink()


def test_one_of_the_whole_machine_runs_as_a_user_of_its_own_whom_it_outlives(machine: Machine) -> None:
    said = machine.run(HOLDFAST, "service", "install", "--system", check=False)
    assert said.returncode == 78
    assert "There is no configuration yet at /etc/holdfast/config.toml." in said.stderr
    machine.write("/etc/holdfast/config.toml", PRACTICE)
    said = machine.run(HOLDFAST, "service", "install", "--system", check=False)
    assert 'For a service of the whole machine write data_dir = "/var/lib/holdfast" at the top of /etc/holdfast/config.toml.' in said.stderr
    machine.write("/etc/holdfast/config.toml", f'data_dir = "/var/lib/holdfast"\n{PRACTICE}')
    assert read(machine, "service", "install", "--system")[1] == (
        "holdfast: A service of the whole machine can only be changed by root: put sudo before it. Without --system it is your own.\n"
    )
    said = machine.run(HOLDFAST, "service", "install", "--system", "--yes")
    assert plain(said.stdout) == (
        """\
Holdfast will run as a service, configured by /etc/holdfast/config.toml, and keep everything in /var/lib/holdfast. This does it:
    run     useradd --system --user-group --home-dir /var/lib/holdfast --no-create-home --shell /usr/sbin/nologin holdfast
    run     install --directory --owner=holdfast --mode=700 /var/lib/holdfast
    write   /etc/systemd/system/holdfast.service
    run     systemctl daemon-reload
    run     systemctl enable holdfast.service
    run     systemctl restart holdfast.service
Holdfast is up as a service since TODAY: Serving.
It starts with this machine.
What it does: holdfast status --config /etc/holdfast/config.toml. What it logs: holdfast service logs
"""
    )
    machine.run("systemctl", "stop", "holdfast")
    down = machine.run(HOLDFAST, "service", check=False)
    assert down.returncode == 75
    assert down.stdout.startswith("Holdfast is down. It was stopped. This starts it: systemctl start holdfast.service\n")
    machine.run("systemctl", "start", "holdfast")
    assert "Hello!" in machine.run(HOLDFAST, "chat", "-q", "Hello", "--config", "/etc/holdfast/config.toml").stdout
    left = machine.run(HOLDFAST, "service", "uninstall", "--yes").stdout
    assert left.endswith(
        "Done. Your conversations stay in /var/lib/holdfast, the configuration in /etc/holdfast/config.toml. The user holdfast, whose they are, stays.\n"
    )
    assert machine.run(HOLDFAST, "service", "install", "--system", "--user", "bob", check=False).stderr == (
        "holdfast: There is no user 'bob' on this machine.\n"
    )
    machine.write("/etc/holdfast/config.toml", f'data_dir = "{HOME}/holdfast"\n{PRACTICE}')
    machine.write("/etc/systemd/system/holdfast.service.d/mine.conf", "[Service]\nUMask=0027\n")
    machine.run(HOLDFAST, "service", "install", "--system", "--user", "ada", "--yes")
    code, refused = read(machine, "service", "uninstall", "--yes")
    assert (code, refused) == (
        2,
        "holdfast: A service of the whole machine can only be changed by root: put sudo before it. Without --system it is your own.\n",
    )
    left = machine.run(HOLDFAST, "service", "uninstall", "--yes").stdout
    assert left.endswith(
        f"Done. Your conversations stay in {HOME}/holdfast, the configuration in /etc/holdfast/config.toml. Your own changes of the unit stay in "
        "/etc/systemd/system/holdfast.service.d.\n"
    )
    machine.write("/etc/holdfast/config.toml", f'data_dir = "{HOME}/.local/share/holdfast"\n')
    said = machine.run(HOLDFAST, "service", "install", "--system", "--yes", check=False)
    assert f"The data folder {HOME}/.local/share/holdfast belongs to another user than holdfast." in said.stderr
