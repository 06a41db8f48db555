"""What the data folder lies on, and whether a journal can rely on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.store.version import SOUND, sqlite_version

MOUNTS: Final = Path("/proc/self/mountinfo")
FAR: Final = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
)
"""File systems of other machines: their locks and their fsync promise less than SQLite needs."""
FLEETING: Final = ("tmpfs", "ramfs")


def doubts(folder: Path) -> Iterator[str]:
    """What a gateway says at its start of things that it can run on, and nobody should rely on: sentences."""
    kind = kind_of(folder)
    if kind in FAR:
        yield (
            f"The data folder {folder} is on another machine's disk ({kind}). Locks and fsync promise less there than a journal needs: a power cut may damage "
            "it, and a second gateway elsewhere might not be noticed. Set data_dir to a folder on a disk of this machine, and make backups."
        )
    if kind in FLEETING:
        yield f"The data folder {folder} is in memory ({kind}): everything is lost when the machine restarts. Set data_dir to a folder on a disk."
    if (version := sqlite_version()) < SOUND:
        yield (
            f"SQLite is {'.'.join(map(str, version))}. Before {'.'.join(map(str, SOUND))} a rare race could damage a journal: `pip install --upgrade apsw`, and "
            "make backups."
        )


def kind_of(folder: Path) -> str:
    """The type of the file system that a folder is on; "" if that can't be told."""
    return file_system(folder, MOUNTS.read_text() if MOUNTS.exists() else "")


def file_system(folder: Path, mounts: str) -> str:
    """The type of the file system that a folder is on, out of the text of mountinfo; "" if that does not tell."""
    path = folder.resolve()
    found: list[tuple[int, str]] = []
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split()[4].encode().decode("unicode_escape"))
        if point == path or point in path.parents:
            found.append((len(point.parts), rest.split()[0]))
    return max(reversed(found), key=lambda one: one[0], default=(0, ""))[1]  # of several at one place the last is seen
