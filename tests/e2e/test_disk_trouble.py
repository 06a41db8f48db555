"""The disk under a gateway at work: full, read-only, gone, damaged. Nothing that was acknowledged is lost, and each says what to do (LEDGER H-59; part I
rows 16, 33)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, UserMessage
from holdfast.testing.gateway_rig import Parts
from holdfast.testing.process import Away, GatewayProcess

PRACTICE = '[routes.main]\ndialect = "practice"\n'
JOURNAL_FAILED = 70
CONFIG = 78


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, on which the data folder of a gateway will be."""
    path = tmp_path / "gateway"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(path)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", *options, str(folder)], check=True, capture_output=True)


async def send_until_away(gateway: GatewayProcess) -> list[str]:
    """The keys that were saved. Raises `AssertionError` if the gateway takes them all."""
    saved: list[str] = []
    for number in range(2000):
        try:
            await gateway.door.send("a", f"k{number}", "x" * 2000)
        except Away:
            return saved
        saved.append(f"k{number}")
    raise AssertionError("it took everything")


async def holds(gateway: GatewayProcess, keys: list[str]) -> bool:
    """Is all of it in the journal?"""
    entries = (await gateway.journal())["web:local:a"]
    return set(keys) <= {entry.body.id for entry in entries if isinstance(entry.body, UserMessage)}


async def test_a_disk_that_becomes_full_ends_it_with_a_sentence_and_it_goes_on_when_there_is_room(parts: Parts, small_disk: Path) -> None:
    gateway = await parts.gateway(PRACTICE)
    assert "is in memory (tmpfs)" in gateway.said()
    other = small_disk / "somebody else's"
    other.write_bytes(bytes(21 << 20))
    saved = await send_until_away(gateway)
    assert await gateway.ended() == JOURNAL_FAILED
    assert (
        "is full: nothing more can be saved. Whatever was acknowledged is kept. Free some space, then start Holdfast again."
        in gateway.said()
    )
    other.unlink()
    assert await holds(gateway, saved)
    await gateway.start()
    await gateway.ready()
    await gateway.door.send("b", "b1", "Thanks")
    await gateway.told("b", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))


async def can_be_read(gateway: GatewayProcess) -> None:
    """While it is stopped, nobody who only reads needs room, or may write."""
    for arguments in (("show",), ("show", "a"), ("why",), ("queue",), ("search", "Thanks"), ("usage",), ("export", "a"), ("verify",)):
        done = await gateway.run(*arguments)
        assert (done.exit, done.err) == (0, ""), arguments
    assert '"running": false' in (await gateway.run("status", "--json")).out


@pytest.mark.parametrize("ended", ["killed", "stopped"])
@pytest.mark.parametrize("trouble", ["full", "read-only"])
async def test_on_a_disk_in_trouble_all_that_was_said_can_be_read_while_it_is_stopped(
    parts: Parts, small_disk: Path, trouble: str, ended: str
) -> None:
    gateway = await parts.gateway(PRACTICE)
    await gateway.door.send("a", "k0", "Thanks")
    await gateway.told("a", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    if ended == "killed":
        gateway.kill()
        await gateway.ended()
    else:
        assert await gateway.stop() == 0
    if trouble == "full":
        fill(small_disk / "somebody else's")
    else:
        mount(small_disk, "remount,ro")
    await can_be_read(gateway)
    if trouble == "full":
        forgot = await gateway.run("forget", "--yes", "a")
        assert (forgot.exit, forgot.err) == (0, "")
        assert (await gateway.run("search", "Thanks")).out == "Nobody has said “Thanks” here.\n"
    else:
        mount(small_disk, "remount,rw")


def fill(file: Path) -> None:
    """Until there is no room for a byte."""
    room = os.statvfs(file.parent)
    file.write_bytes(bytes(room.f_bavail * room.f_frsize))
    assert not os.statvfs(file.parent).f_bavail


async def test_a_disk_that_is_read_only_refuses_the_start_with_what_to_do(parts: Parts, small_disk: Path) -> None:
    gateway = await parts.gateway(PRACTICE)
    await gateway.door.send("a", "k0", "Thanks")
    assert await gateway.stop() == 0
    mount(small_disk, "remount,ro")
    done = await gateway.run("run")
    assert done.exit == CONFIG
    assert "can't be used: Read-only file system. Make it a folder that this user may write to, or set data_dir to another one." in done.err
    mount(small_disk, "remount,rw")
    assert await holds(gateway, ["k0"])


@pytest.mark.parametrize("name", ["journal.db", "lock"])
async def test_a_file_that_is_deleted_under_it_ends_it_before_anything_more_is_called_saved(parts: Parts, name: str) -> None:
    """H-35: without the lock's name, a second gateway could take the folder."""
    gateway = await parts.gateway(PRACTICE)
    await gateway.door.send("a", "k0", "Thanks")
    await gateway.told("a", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    (gateway.data_dir / name).unlink()
    with pytest.raises(Away):
        await gateway.door.send("a", "k1", "Thanks")
    assert await gateway.ended() == JOURNAL_FAILED
    assert "was deleted or replaced while it was in use" in gateway.said()
    await gateway.start()
    await gateway.ready()
    if name == "journal.db":
        assert "A new journal is begun; put a copy in its place if you have one." in gateway.said()
    else:
        assert len(await gateway.door.entries("a")) >= 2


async def test_a_journal_that_is_damaged_says_so_and_a_backup_takes_its_place(parts: Parts) -> None:
    """What a new user does who finds it: verify, restore, go on."""
    gateway = await parts.gateway(PRACTICE)
    await gateway.door.send("a", "k0", "Thanks")
    await gateway.told("a", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    backup = str(gateway.folder / "b.tar")
    assert (await gateway.run("backup", backup)).exit == 0
    assert await gateway.stop() == 0
    journal = gateway.data_dir / "journal.db"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

    await gateway.start()
    assert await gateway.ended() in {JOURNAL_FAILED, CONFIG}
    assert "is damaged" in gateway.said()
    assert "`holdfast restore FILE`" in gateway.said()
    assert (await gateway.run("verify")).exit == 5
    assert (await gateway.run("restore", backup, "--yes")).exit == 0
    await gateway.start()
    await gateway.ready()
    assert any(isinstance(entry.body, AssistantMessage) for entry in await gateway.door.entries("a"))
    assert list(gateway.data_dir.glob("journal-until-*.db"))


async def test_backups_that_can_not_be_made_are_told_and_hold_nothing_up(parts: Parts, tmp_path: Path) -> None:
    gateway = await parts.gateway(f'{PRACTICE}[backup]\ndir = "{tmp_path}/no disk/backups"\n')
    told = await gateway.told("Holdfast", lambda entries: len(entries) > 0)
    assert "The backup could not be made. The folder" in str(told[0].body)
    (part,) = [part for part in (await gateway.door.status())["parts"] if part["name"] == "backup"]
    assert part["state"] == "waiting"
    assert "No such file or directory" in part["why"]
    assert (await gateway.run("chat", "-q", "Thanks")).exit == 0
