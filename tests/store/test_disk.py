"""What a journal can rely on, and what is said where it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.store import disk
from holdfast.store.disk import doubts, file_system

MOUNTS = """\
22 28 0:21 / /proc rw,nosuid - proc proc rw
28 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw
31 28 0:30 / /home rw - nfs4 server:/home rw
32 31 0:31 / /home/ann/fast\\040disk rw - tmpfs tmpfs rw
33 28 0:32 / /mnt rw - ext4 /dev/vdb1 rw
34 33 0:33 / /mnt rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/var/x", "ext4"), ("/home/ann", "nfs4"), ("/home/ann/fast disk/data", "tmpfs"), ("/homely", "ext4"), ("/mnt/x", "cifs")],
)
def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(folder: str, kind: str) -> None:
    assert file_system(Path(folder), MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "says"),
    [("nfs4", "on another machine's disk (nfs4)"), ("fuse.sshfs", "another machine's disk"), ("tmpfs", "in memory (tmpfs)")],
)
def test_a_gateway_on_a_disk_that_promises_too_little_says_so_and_what_to_do(
    kind: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"28 1 254:1 / / rw - {kind} x rw\n")
    monkeypatch.setattr(disk, "MOUNTS", mounts)
    (doubt,) = doubts(tmp_path)
    assert says in doubt
    assert "Set data_dir to a folder on a disk" in doubt


def test_an_old_sqlite_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "none")
    assert list(doubts(tmp_path)) == []
    monkeypatch.setattr(disk, "sqlite_version", lambda: (3, 46, 1))
    (doubt,) = doubts(tmp_path)
    assert doubt.startswith("SQLite is 3.46.1. Before 3.51.3 ")
