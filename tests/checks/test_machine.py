"""The machine as a check sees it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from holdfast.checks import machine
from holdfast.checks.findings import Finding
from holdfast.checks.machine import check_certificate, check_config_file, check_folder, check_port, check_program
from holdfast.config import Web
from holdfast.store import disk


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.level for finding in findings}


def test_a_machine_that_does_not_tell_its_mounts_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "none")
    assert "data.disk" not in levels(list(check_folder(tmp_path)))


@pytest.mark.parametrize(("kind", "word"), [("nfs4", "another machine's disk"), ("cifs", "another machine's disk"), ("tmpfs", "in memory")])
def test_a_disk_that_promises_too_little_is_warned_of(kind: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"28 1 254:1 / / rw - {kind} x rw\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)
    (finding,) = [finding for finding in check_folder(tmp_path) if finding.check == "data.disk"]
    assert finding.level == "warning" and word in finding.what


def test_a_folder_of_our_own_is_well_and_stays_as_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "journal.db").touch(0o600)
    before = sorted((path, path.stat()) for path in tmp_path.rglob("*"))
    assert "error" not in levels(list(check_folder(data))).values()
    assert sorted((path, path.stat()) for path in tmp_path.rglob("*")) == before


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    findings = list(check_folder(tmp_path / "a" / "b"))
    assert findings[0].what == f"{tmp_path}/a/b can be written (it will be made at the first start)."
    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert levels(list(check_folder(tmp_path / "data"))) == {"data.writable": "error"}


def test_a_folder_that_can_not_be_written_is_an_error_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (finding,) = check_folder(tmp_path)
    assert (finding.level, finding.mend) == ("error", f"sudo chown -R {os.geteuid()} {tmp_path}")


@pytest.mark.parametrize(("free_mb", "level"), [(4, "error"), (100, "warning"), (1000, "ok")])
def test_room_on_the_disk(free_mb: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[4] = (free_mb << 20) // real.f_frsize  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    (finding,) = [finding for finding in check_folder(tmp_path) if finding.check == "data.room"]
    assert (finding.level, finding.away) == (level, level == "error")


@pytest.mark.parametrize(("free", "says"), [(0, "is full: 0 bytes are free."), (4 << 20, "is nearly full: 4.2 MB are free.")])
def test_of_a_full_disk_it_does_not_say_that_it_can_be_written(
    free: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[4] = free // real.f_frsize
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    found = [*check_folder(tmp_path)]
    assert "data.writable" not in levels(found)
    assert found[0].what == f"The disk of the data folder {tmp_path} {says}"
    assert found[0].cause == "On a full disk nothing can be saved, and the gateway ends."


def test_what_others_can_open_is_told_with_the_command(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "login.key").touch(0o600)
    (tmp_path / "login.key").chmod(0o644)
    (finding,) = [finding for finding in check_folder(tmp_path) if finding.check == "files.private"]
    assert (finding.level, finding.mend) == ("warning", f"chmod 600 {tmp_path}/login.key")
    tmp_path.chmod(0o755)
    assert f"chmod 700 {tmp_path}" in {finding.mend for finding in check_folder(tmp_path)}


@pytest.mark.parametrize(
    ("mode", "secrets", "warned"), [(0o600, True, False), (0o644, False, False), (0o644, True, True), (0o620, False, True)]
)
def test_a_configuration_that_others_may_change_or_must_not_read(mode: int, secrets: bool, warned: bool, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.touch()
    file.chmod(mode)
    assert [finding.mend for finding in check_config_file(file, secrets)] == ([f"chmod 600 {file}"] if warned else [])


def test_a_port_that_is_free_is_left_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert check_port("web", "127.0.0.1", port).level == "ok"
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_told_with_the_line_to_write() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = check_port("web", "localhost", port)
    assert (finding.level, finding.away, finding.mend) == ("error", False, f"port = {port + 1}    (in [web])")


def test_an_address_that_is_not_ours_is_an_error() -> None:
    assert check_port("web", "203.0.113.7", 8420).level == "error"


def test_any_port_is_any_port() -> None:
    assert check_port("web", "127.0.0.1", 0).what == "The page can have any free port."


def test_a_certificate_that_is_none_is_an_error(tmp_path: Path) -> None:
    assert not list(check_certificate(Web()))
    (tmp_path / "c.pem").write_text("no certificate")
    (finding,) = check_certificate(Web(certificate=str(tmp_path / "c.pem"), certificate_key=str(tmp_path / "k.pem")))
    assert finding.level == "error"


def test_an_old_sqlite_and_root_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "sqlite_version", lambda: (3, 46, 1))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert levels(list(check_program())) == {"program.sqlite": "warning", "program.root": "warning"}
    monkeypatch.setattr(machine, "sqlite_version", lambda: (3, 51, 3))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert levels(list(check_program())) == {"program.sqlite": "ok"}


def test_a_folder_on_a_read_only_file_system_is_no_matter_of_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = list(os.statvfs(tmp_path))
    fields[8] |= os.ST_RDONLY
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    (finding,) = check_folder(tmp_path / "data")
    assert (finding.level, finding.cause) == ("error", "Its file system is mounted read-only.")
    assert "data_dir" in finding.mend and "chown" not in finding.mend
