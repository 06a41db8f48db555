"""`holdfast service`: has the service manager of this machine run the gateway. `install` and `uninstall` say what they do before they do it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from holdfast import cli, config
from holdfast.cli.client import Away, Client
from holdfast.cli.questions import agree, say
from holdfast.cli.service import systemd, unit
from holdfast.cli.service.launchd import Launchd
from holdfast.cli.service.steps import Step, do
from holdfast.cli.service.systemd import Systemd
from holdfast.errors import Config, Request
from holdfast.invoked import command
from holdfast.web.wire import door_path

ON_MACOS: Final = sys.platform == "darwin"
LINES: Final = 50
NOTHING_DONE: Final = "Nothing was done."
WAYS: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What an environment says of the way to providers and platforms."""

Manager = Systemd | Launchd


def run(arguments: argparse.Namespace) -> int:
    match arguments.act:
        case "install" if arguments.print:
            return _print(arguments)
        case "install":
            return _install(arguments)
        case "uninstall":
            return _uninstall(arguments)
        case "logs":
            return _logs(arguments)
        case _:
            return _status(_there(arguments))


# --- installing -------------------------------------------------------------------------------------------------------------------------


def _install(arguments: argparse.Namespace) -> int:
    manager, settings = _wanted(arguments), _settings(arguments)
    _check_environment(settings)
    steps = manager.install(settings, linger=not arguments.no_linger)
    _check_nothing_else_runs(manager, settings)
    say(f"Holdfast will run as a service, configured by {settings.file}, and keep everything in {settings.data_dir}. This does it:")
    _say_steps(steps)
    for hint in _hints(settings, manager.path):
        say(hint)
    agree("Do this?", NOTHING_DONE, yes=arguments.yes, default="yes")
    _do(steps)
    return _status(manager)


def _uninstall(arguments: argparse.Namespace) -> int:
    manager = _there(arguments)
    steps, file = manager.uninstall(), manager.config
    say("Holdfast will not run as a service any more. This does it:")
    _say_steps(steps)
    agree("Do this?", NOTHING_DONE, yes=arguments.yes, default="yes")
    _do(steps)
    say(f"Done. {_kept(file)} {manager.left}".rstrip())
    return cli.ANSWERED


def _kept(file: Path | None) -> str:
    try:
        return f"Your conversations stay in {config.load(file, os.environ).data_dir}, the configuration in {file}."
    except Config:  # broken or gone: no reason not to uninstall
        return f"Your conversations stay where they are; {file} does not say where that is."


def _print(arguments: argparse.Namespace) -> int:
    """What would be written, and nothing else: also where no service manager runs, if a kind is named."""
    match arguments.print:
        case "image":
            text = unit.image()
        case "compose":
            text = unit.compose(_settings(arguments))
        case "launchd":
            text = Launchd().text(_settings(arguments))
        case "systemd":
            text = Systemd(system=arguments.system, user=arguments.user).text(_settings(arguments))
        case _ if not (ON_MACOS or systemd.runs_here()):
            raise Request(
                f"systemd does not run here. Say what it is for: {command('service')} install --print systemd (or launchd, compose, image)"
            )
        case _:
            text = _wanted(arguments).text(_settings(arguments))
    sys.stdout.write(text)
    return cli.ANSWERED


def _wanted(arguments: argparse.Namespace) -> Manager:
    """The service that is meant. Raises `Request` if there can be none here, or not by this user."""
    if ON_MACOS:
        if arguments.system:
            raise Request("On macOS Holdfast runs as an agent of the person who installs it: leave out --system.")
        return Launchd()
    if not systemd.runs_here():
        raise Request(
            f"systemd does not run here. Holdfast needs nothing of it: whatever starts programs on this machine can run `{command('run')}`, and "
            f"start it again when it ends, except with exit code 78. For Docker: `{command('service')} install --print compose`."
        )
    _may_change(system=arguments.system)
    if not arguments.system and not os.getuid():
        raise Request(
            "You are root, and an agent with your rights could do anything. With --system Holdfast runs under a user of its own; "
            "for a service of a person, do this as that person."
        )
    return Systemd(system=arguments.system, user=arguments.user)


def _may_change(*, system: bool) -> None:
    """Raises `Request` if this user may not."""
    if system and os.getuid():
        raise Request("A service of the whole machine can only be changed by root: put sudo before it. Without --system it is your own.")


def _there(arguments: argparse.Namespace) -> Manager:
    """The service that is there; a person's own before that of the machine. Raises `Request` if there is none."""
    if ON_MACOS:
        if Launchd().file.exists():
            return Launchd()
    elif systemd.runs_here():
        kinds = (True,) if arguments.system or not os.getuid() else (False, True)
        for system in kinds:
            if systemd.installed(system=system):
                if arguments.act == "uninstall":
                    _may_change(system=system)
                return Systemd.there(system=system)
    else:
        raise Request(
            f"systemd does not run here, so Holdfast is no service of this machine. Whatever starts `{command('run')}` also stops it, and has its log; "
            f"`{command('status')}` says how it is."
        )
    raise Request(f"Holdfast is not installed as a service here. `{command('service')} install` does that.")


def _settings(arguments: argparse.Namespace) -> config.Config:
    """The configuration, which has to be in a file: a service is told where it is. Raises `errors.Config`."""
    named: Path | None = getattr(arguments, "config", None) or (Path(name) if (name := os.environ.get("HOLDFAST_CONFIG")) else None)
    usual = systemd.SYSTEM_CONFIG if arguments.system else config.usual_place(os.environ)
    file = (named or usual).absolute()
    if not file.exists():
        raise Config(f"There is no configuration yet at {file}. `{command('init', file if arguments.system else None)}` makes one.")
    return config.load(file, os.environ)


# --- before it is done ------------------------------------------------------------------------------------------------------------------


def _check_environment(settings: config.Config) -> None:
    """Does a service find what the configuration takes from the environment? Raises `errors.Config`."""
    file = unit.environment_file(settings)
    there = _variables(file)
    missing = [name for name in unit.named(settings, "env") if name not in there]
    if missing:
        raise Config(
            f"The configuration takes {', '.join(missing)} from the environment, and a service does not have yours. Write "
            f"{' and '.join(f'{name}=...' for name in missing)} into {file}, each on a line, and chmod 600 it; or put each key into a file, and "
            "write file:PATH."
        )


def _variables(file: Path) -> set[str]:
    try:
        lines = file.read_text().splitlines() if file.exists() else []
    except OSError as error:
        raise Config(f"{file} can't be read: {error.strerror}.") from error
    return {line.partition("=")[0].strip() for line in lines if "=" in line and not line.lstrip().startswith(("#", ";"))}


def _check_nothing_else_runs(manager: Manager, settings: config.Config) -> None:
    """The service could not start beside another gateway. Raises `Request`."""
    if manager.file.exists() and manager.runs:
        return
    try:
        Client(door_path(settings.data_dir, os.environ.get("XDG_RUNTIME_DIR"))).status()
    except Away:
        return
    raise Request(
        f"Holdfast runs already, on {settings.data_dir}. Stop it first (Ctrl+C where you started it): the service goes on where it was."
    )


def _hints(settings: config.Config, path: str) -> Iterator[str]:
    """What is as it should be in this shell, and would not be in the service."""
    beside = str(Path(sys.executable).parent)
    for name, server in settings.tools.items():
        if server.command and shutil.which(server.command[0], path=f"{path}{os.pathsep}{beside}") is None:
            yield f"The tool server {name!r} will not start: {server.command[0]} is not in {path}. Give its full path in [tools.{name}]."
    there = _variables(unit.environment_file(settings))
    if ways := [name for name in WAYS if (os.environ.get(name) or os.environ.get(name.lower())) and not {name, name.lower()} & there]:
        yield (
            f"{', '.join(ways)} {'is' if len(ways) == 1 else 'are'} set here, but not for a service. If it is needed, write it into "
            f"{unit.environment_file(settings)}."
        )


# --- doing it ---------------------------------------------------------------------------------------------------------------------------


def _say_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        say(f"    {step}")


def _do(steps: Sequence[Step]) -> None:
    for step in steps:
        if trouble := do(step):
            say(trouble)


# --- looking ----------------------------------------------------------------------------------------------------------------------------


def _status(manager: Manager) -> int:
    lines, code = manager.status()
    say("\n".join(lines))
    if code == cli.ANSWERED:
        file = manager.config if manager.config != config.usual_place(os.environ) else None
        say(f"What it does: {command('status', file)}. What it logs: {command('service')} logs")
    return code


def _logs(arguments: argparse.Namespace) -> int:
    since = [f"--since={arguments.since}"] if arguments.since else []
    lines = [] if since and not arguments.lines else [f"--lines={arguments.lines or LINES}"]
    _there(arguments).logs([*lines, *since, *(["--follow"] if arguments.follow else [])])
    return cli.ANSWERED
