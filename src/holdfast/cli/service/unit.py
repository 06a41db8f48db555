"""The files that service managers read, made of the templates beside and the configuration."""

from __future__ import annotations

import plistlib
import re
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from holdfast import secrets
from holdfast.config import Config

OURS: Final = re.compile(r"# Written by `holdfast service install` for (.+)\.\n")
"""So a unit begins, with its configuration: another one is not ours to replace or remove."""

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LABEL: Final = "holdfast"
"""What launchd calls it."""


# --- what it needs of the configuration -----------------------------------------------------------------------------------------------


def named(settings: Config, kind: str) -> tuple[str, ...]:
    """The names of all secrets of this kind (`env`, `file`, `credential`), each once."""
    of_routes = [route.api_key.reference for route in settings.routes.values() if route.api_key]
    of_routes += [text for route in settings.routes.values() for text in route.headers.values() if re.match(secrets.REFERENCE, text)]
    of_tools = [secret.reference for server in settings.tools.values() for secret in server.secrets]
    of_accounts = [secret.reference for account in settings.accounts.values() for secret in account.secrets]
    parts = (reference.partition(":") for reference in (*of_routes, *of_tools, *of_accounts))
    return tuple(dict.fromkeys(name for of_kind, _, name in parts if of_kind == kind))


def credential(settings: Config, name: str) -> Path:
    """Where a credential is, for whoever passes it to us."""
    return settings.file.parent / "credentials" / name


def environment_file(settings: Config) -> Path:
    """Where what the service finds in its environment is written."""
    return settings.file.parent / "environment"


def program() -> tuple[str, ...]:
    """How this very program is started, from anywhere."""
    script = Path(sys.executable).with_name("holdfast")
    return (str(script),) if script.exists() else (sys.executable, "-m", "holdfast.cli")


# --- systemd --------------------------------------------------------------------------------------------------------------------------


def systemd_unit(settings: Config, *, user: str, path: str, lingers: bool) -> str:
    """The unit: of the whole machine for this user; with "" of the person who installs it."""
    credentials = (f"LoadCredential={name}:{_specifiers(str(credential(settings, name)))}" for name in named(settings, "credential"))
    text = _filled(
        "holdfast.service",
        settings=str(settings.file),
        edit=f"systemctl {'' if user else '--user '}edit holdfast",
        unit="# It stops before the network does, so that what is being sent arrives.\nAfter=network.target" if user else "",
        program=" ".join(map(_word, program())),
        config=_word(str(settings.file)),
        who=f"User={user}" if user else "",
        path_from="" if user else ": the PATH of your shell, when this was written",
        path=_quoted(f"PATH={path}"),
        environment_file=_specifiers(str(environment_file(settings))),
        credentials="\n".join(credentials),
        sandbox=_template("system.conf" if user else "user.conf").rstrip(),
        wanted_by="multi-user.target" if user else "default.target",
    )
    return text + (LINGERS if lingers else "")


LINGERS: Final = """
[X-Holdfast]
# `holdfast service install` turned lingering on for this user; `uninstall` turns it off again.
Linger=yes
"""


def _word(text: str) -> str:
    """One word of a command."""
    return _quoted(text.replace("$", "$$")) if re.search(r"""[^\w@%+=:,./-]""", text) else _specifiers(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_specifiers(escaped)}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


# --- others ---------------------------------------------------------------------------------------------------------------------------


def launchd_agent(settings: Config, *, path: str, log: Path) -> str:
    """The property list of a launch agent. launchd knows no exit code after which it is not to start again: it waits half a minute between starts."""
    agent = {
        "Label": LABEL,
        "ProgramArguments": [*program(), "run", "--config", str(settings.file)],
        "EnvironmentVariables": {"PATH": path, "PYTHONFAULTHANDLER": "1"},
        "WorkingDirectory": str(Path.home()),
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 30,
        "ExitTimeOut": 30,
        "Umask": 0o77,
        "ProcessType": "Interactive",  # others are slowed down while nobody is at the machine
        "StandardOutPath": str(log),
        "StandardErrorPath": str(log),
    }
    return plistlib.dumps(agent).decode()


def compose(settings: Config) -> str:
    """A Compose file; its secrets are the credentials that the configuration names."""
    names = named(settings, "credential")
    used = "\n".join(("    secrets:", *(f"      - {name}" for name in names))) if names else ""
    where = "\n".join(("secrets:", *(f"  {name}:\n    file: ./credentials/{name}" for name in names))) if names else ""
    return _filled("compose.yaml", secrets_used=used, secrets=where)


def image() -> str:
    """The definition of the image that the Compose file names."""
    return _template("Dockerfile")


def _filled(name: str, **values: str) -> str:
    """The template with these values in it; a line that would hold nothing else is left out where the value is empty."""
    lines = (line for line in _template(name).splitlines(keepends=True) if values.get(line.strip().removeprefix("$"), "some"))
    return Template("".join(lines)).substitute(values)


def _template(name: str) -> str:
    return (files("holdfast.cli.service") / "templates" / name).read_text()
