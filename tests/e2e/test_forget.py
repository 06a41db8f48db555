"""A conversation is forgotten while the gateway works on it."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.entries import AssistantMessage, Forgotten, UserMessage
from holdfast.testing.gateway_rig import Parts

CONFIG = '[routes.main]\ndialect = "practice"\n[backup]\ndir = "backups"\n'


async def test_a_turn_under_way_is_ended_erased_and_what_is_written_then_is_a_fresh_start(parts: Parts) -> None:
    """Of the neighbour nothing is touched, and the conversation keeps its name, its place and the numbers of its answers."""
    gateway = await parts.gateway(CONFIG)
    await gateway.door.send("kitchen", "k1", "Thanks for MARZIPAN")
    await gateway.told("kitchen", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    await gateway.door.send("kitchen", "k2", "tell me a long story of MARZIPAN")
    await gateway.door.send("garden", "g1", "tell me a long story")
    await gateway.in_mid_answer("kitchen")

    refused = await gateway.run("forget", "kitchen")
    assert (refused.exit, refused.err) == (2, "holdfast: Nothing was erased. Without a terminal to ask on, say --yes.\n")
    done = await gateway.run("forget", "kitchen", "--yes")
    assert done.exit == 0, done.err
    assert done.out.startswith("Forgotten: web:local:kitchen. ")
    assert "holdfast-" in done.out
    (line,) = await gateway.door.entries("kitchen")
    assert line.body == Forgotten(n=1)
    assert not [path for path in (gateway.data_dir).glob("journal.db*") if b"MARZIPAN" in path.read_bytes()]

    assert not (await gateway.door.send("kitchen", "k2", "tell me a long story of MARZIPAN")).new
    await gateway.door.send("kitchen", "k3", "Hello")
    entries = await gateway.told("kitchen", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    kinds = [entry.body for entry in entries if isinstance(entry.body, Forgotten | UserMessage | AssistantMessage)]
    assert [type(body) for body in kinds] == [Forgotten, UserMessage, AssistantMessage]
    assert isinstance(kinds[2], AssistantMessage)
    assert kinds[2].name == "a2"
    await gateway.told("garden", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    story = await gateway.run("show", "kitchen")
    assert "everything before this was erased, by order of whoever runs this" in story.out


async def test_while_the_gateway_is_stopped_it_is_forgotten_all_the_same(parts: Parts, tmp_path: Path) -> None:
    gateway = await parts.gateway(CONFIG)
    await gateway.door.send("kitchen", "k1", "Thanks for MARZIPAN")
    await gateway.told("kitchen", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    gateway.kill()
    await gateway.ended()
    (gateway.data_dir / "typed").write_text('"MARZIPAN"\n')
    done = await gateway.run("forget", "kitchen", "--yes")
    assert done.exit == 0, done.err
    assert "What was typed in terminals" in done.out
    assert not [path for path in gateway.data_dir.iterdir() if path.is_file() and b"MARZIPAN" in path.read_bytes()]
    assert (await gateway.run("forget", "nowhere", "--yes")).exit == 2
    await gateway.start()
    await gateway.ready()
    (line,) = await gateway.door.entries("kitchen")
    assert isinstance(line.body, Forgotten)
