"""The machine: the data folder, its disk, who may read what, the page's port, and what we run on. Nothing is changed, and no journal is opened."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import ssl
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from holdfast.checks.findings import Finding
from holdfast.config import Web
from holdfast.core.words import size
from holdfast.invoked import command
from holdfast.store.disk import FAR, FLEETING, kind_of
from holdfast.store.folder import BALLAST_NEEDS_FREE_BYTES, FREE_BYTES_LEAST
from holdfast.store.version import SOUND, sqlite_version

ELSEWHERE: Final = 'data_dir = "..."    (another place)'
SERVED: Final = {"web": "the page", "metrics": "the numbers"}
"""What a table is about that has a port."""
USUAL: Final = {"web": 8420, "metrics": 9464}
PRIVATE: Final = ("journal.db", "journal.db-wal", "journal.db-shm", "login.key", "files")


def check_folder(data_dir: Path) -> Iterator[Finding]:
    """Can it be written, is there room, does it stay, and is it ours alone?"""
    there = _first_there(data_dir)
    if not there.is_dir():
        yield Finding("error", "data.writable", "data_dir", f"{there} is no folder.", mend=ELSEWHERE)
        return
    what = f"The data folder {data_dir} can't be written."
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        yield Finding("error", "data.writable", "data_dir", what, "Its file system is mounted read-only.", ELSEWHERE)
        return
    if not os.access(there, os.W_OK | os.X_OK):
        mend = f"sudo chown -R {os.geteuid()} {shlex.quote(str(there))}"
        yield Finding(
            "error", "data.writable", "data_dir", what, f"It belongs to user {there.stat().st_uid}; this is user {os.geteuid()}.", mend
        )
        return
    yield from _room(data_dir, there)
    yield from _file_system(there)
    if there == data_dir:
        yield from _private([data_dir, *(data_dir / name for name in PRIVATE)], "data_dir")


def _first_there(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _room(data_dir: Path, there: Path) -> Iterator[Finding]:
    """What a folder that may be written is worth: on a full disk nothing."""
    made = "" if there == data_dir else " (it will be made at the first start)"
    room = os.statvfs(there)
    free = room.f_bavail * room.f_frsize
    if free < BALLAST_NEEDS_FREE_BYTES:
        what = f"The disk of the data folder {data_dir} is {'nearly ' if free else ''}full: {size(free)} are free."
        cause = "On a full disk nothing can be saved, and the gateway ends."
        mend = f"du -xh {shlex.quote(str(there))} | sort -h | tail    (shows what takes it)"
        yield Finding("error", "data.room", "data_dir", what, cause, mend, away=True)
        return
    yield Finding("ok", "data.writable", "data_dir", f"{data_dir} can be written{made}.")
    if free < FREE_BYTES_LEAST:
        what, mend = f"Only {size(free)} are free on its disk.", f"Free some: {size(FREE_BYTES_LEAST)} keep the gateway comfortable"
        yield Finding("warning", "data.room", "data_dir", what, "On a full disk nothing can be saved.", mend)
    else:
        yield Finding("ok", "data.room", "data_dir", f"{size(free)} are free on its disk.")


def _file_system(folder: Path) -> Iterator[Finding]:
    kind = kind_of(folder)
    mend = 'data_dir = "..."    (a folder on a disk of this machine)'
    if kind in FAR:
        what = f"The data folder is on another machine's disk ({kind})."
        yield Finding(
            "warning",
            "data.disk",
            "data_dir",
            what,
            "Locks and fsync promise less there than a journal needs: a power cut may damage it.",
            mend,
        )
    if kind in FLEETING:
        yield Finding(
            "warning",
            "data.disk",
            "data_dir",
            f"The data folder is in memory ({kind}).",
            "Everything is lost when the machine restarts.",
            mend,
        )


def _private(paths: Iterable[Path], about: str) -> Iterator[Finding]:
    """What only this user should be able to open."""
    open_to_others = [path for path in paths if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    for path in open_to_others:
        mode = 700 if path.is_dir() else 600
        yield Finding(
            "warning",
            "files.private",
            about,
            f"Other users of this machine can open {path}.",
            mend=f"chmod {mode} {shlex.quote(str(path))}",
        )
    if not open_to_others:
        yield Finding("ok", "files.private", about, "Nobody else on this machine can open it.")


def check_config_file(file: Path, holds_secrets: bool) -> Iterator[Finding]:
    """It names commands that are run, so nobody else may write it; nor read it, if there are secrets in it."""
    if not file.exists():
        return
    mode, mend = file.stat().st_mode, f"chmod 600 {shlex.quote(str(file))}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Finding(
            "warning",
            "config.private",
            "config",
            f"Other users of this machine can change {file}.",
            "It names commands that the gateway runs.",
            mend,
        )
    elif holds_secrets and mode & (stat.S_IRGRP | stat.S_IROTH):
        yield Finding(
            "warning",
            "config.private",
            "config",
            f"Other users of this machine can read {file}.",
            "There is a secret in it, in env of a tool server.",
            mend,
        )


def check_certificate(web: Web) -> Iterator[Finding]:
    """Do the page's certificate and key belong together, and is the key private?"""
    if web.certificate is None or web.certificate_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            web.certificate, web.certificate_key, password=""
        )  # else it would ask the terminal
    except OSError as error:  # what ssl raises is one, too
        what = f"The page can't use {web.certificate} with the key {web.certificate_key}."
        yield Finding(
            "error",
            "web.certificate",
            "web",
            what,
            f"{error.strerror or error}.",
            "certificate = ...    (in [web]; and certificate_key, of the same pair)",
        )
        return
    yield Finding("ok", "web.certificate", "web", "The page's certificate and key belong together.")
    yield from _private([Path(web.certificate_key)], "web")


def check_port(table: str, host: str, port: int) -> Finding:
    """Can what this table serves have its port? Asked only while no gateway of ours has it."""
    what = SERVED[table]
    if not port:
        return Finding("ok", f"{table}.port", table, f"{what.capitalize()} can have any free port.")
    address = "127.0.0.1" if host.lower() == "localhost" else host
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError as error:
            return _no_port(table, host, port, error)
    return Finding("ok", f"{table}.port", table, f"{what.capitalize()} can have {host}:{port}.")


def _no_port(table: str, host: str, port: int, error: OSError) -> Finding:
    what, check = SERVED[table], f"{table}.port"
    if error.errno == errno.EADDRINUSE:
        says = f"Another program has port {port} already; everything but {what} would work."
        return Finding("error", check, table, says, f"ss -ltnp 'sport = :{port}' shows which.", f"port = {port + 1}    (in [{table}])")
    mend = f"port = {USUAL[table]}    (in [{table}])" if error.errno == errno.EACCES else f'host = "127.0.0.1"    (in [{table}])'
    return Finding("error", check, table, f"{what.capitalize()} can't be served at {host}:{port}.", f"{error.strerror or error}.", mend)


def check_program() -> Iterator[Finding]:
    """What we run on, and as whom."""
    version = sqlite_version()
    if version < SOUND:
        needs = ".".join(map(str, SOUND))
        what = f"SQLite is {'.'.join(map(str, version))}."
        yield Finding(
            "warning",
            "program.sqlite",
            "program",
            what,
            f"Before {needs} a rare race could damage a journal.",
            "pip install --upgrade apsw",
        )
    else:
        yield Finding("ok", "program.sqlite", "program", f"SQLite is {'.'.join(map(str, version))}.")
    if os.geteuid() == 0:
        what = "This is root: so would be every tool that the agent runs."
        yield Finding(
            "warning",
            "program.root",
            "program",
            what,
            "A mistake of a tool could reach the whole machine.",
            f"sudo -u SOMEBODY {command('run')}",
        )
