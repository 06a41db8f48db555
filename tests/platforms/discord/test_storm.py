"""Everything at once: connections are cut, sessions ended, servers and gateways killed, while people write. `HOLDFAST_LONG=1`: for longer."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from holdfast.core.incoming import Incoming, Moved, Place, Unread, Wrote, dedupe
from holdfast.errors import Temporary
from holdfast.platforms.discord import reception
from holdfast.platforms.discord.account import DiscordPlatform
from holdfast.ports import Message
from holdfast.testing.discord_client import BOT, Discord
from holdfast.testing.recording_inbox import RecordingInbox

LONG = os.environ.get("HOLDFAST_LONG") == "1"
SEEDS = range(20) if LONG else (3,)
STEPS = 250 if LONG else 80
WITHIN_S = 60.0

SERVER, GENERAL, THREAD = "900000000000000001", "900000000000000002", "900000000000000003"


class _Journal:
    """What has been taken, by its names; and how far."""

    def __init__(self) -> None:
        self.cursor = ""
        self.taken: dict[str, Incoming] = {}

    def texts(self, place: Place) -> list[str]:
        return [one.did.text for one in self.taken.values() if one.place == place and isinstance(one.did, Wrote)]


class _Inbox(RecordingInbox):
    """Of one life, on the journal of all."""

    def __init__(self, journal: _Journal) -> None:
        super().__init__(journal.cursor)
        self._journal = journal
        self.places = list(dict.fromkeys(one.place for one in reversed(journal.taken.values())))

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        await asyncio.sleep(random.random() * 0.004)
        new = {dedupe("discord:mybot", one): one for one in events if isinstance(one, Incoming)}
        new = {name: one for name, one in new.items() if name not in self._journal.taken}
        self._journal.taken |= new
        if cursor is not None:
            assert int(cursor) >= int(self._journal.cursor or 0), "it never goes back"
            self._journal.cursor = cursor
        return list(new.values())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_breaks_everything_arrives_once_and_in_order(
    discord: Discord, account: Callable[..., DiscordPlatform], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """LEDGER H-07, I 17, I 18, I 29, I 32."""
    monkeypatch.setattr(reception, "READ_AGAIN_S", 0.1)
    random.seed(seed)
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    await discord.order("thread", thread=THREAD, parent=GENERAL)
    direct = [await discord.direct(person) for person in ("7000", "7001")]
    places = {**{channel: Place(channel) for channel in direct}, GENERAL: Place(GENERAL), THREAD: Place(GENERAL, THREAD)}
    written: dict[str, list[str]] = {channel: [] for channel in places}
    journal, answers = _Journal(), 0
    platform = account(groups=("*",))

    async def supervised() -> None:
        while True:
            with suppress(Temporary):
                await platform.run(_Inbox(journal))
            await asyncio.sleep(0.02)

    async def write(channel: str, text: str) -> None:
        await discord.write(channel, text if channel in direct else f"<@{BOT}> {text}")
        written[channel].append(text)

    async def arrived() -> bool:
        assert not receiving.done(), receiving.exception()
        return all(journal.texts(place) == written[channel] for channel, place in places.items())

    receiving = asyncio.create_task(supervised())
    await discord.until(lambda: _known(discord, journal), WITHIN_S)
    for channel in places:
        await write(channel, "before")
    await discord.until(arrived, WITHIN_S)  # from here on they are known
    for step in range(STEPS):
        match random.choices(range(8), (70, 6, 6, 4, 3, 4, 4, 3))[0]:
            case 0:
                await write(random.choice(list(places)), f"message {step}")
            case 1:
                await discord.order("connections", what=random.choice(["cut", "reconnect"]))
            case 2:
                await discord.order("connections", what="close", code=random.choice([4000, 4007, 4009]))
            case 3:
                await discord.order("connections", what="invalid", code=random.choice([0, 1]))
            case 4:
                await discord.order("end_sessions")
            case 5:
                discord.kill()
                await discord.start()
            case 6:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
                platform = account(groups=("*",))
                receiving = asyncio.create_task(supervised())
            case _:
                kind, method = (
                    random.choice(["status", "drop", "garbage"]),
                    random.choice(["history", "channel", "gateway", "create_message"]),
                )
                await discord.fault(kind, method, value=503)
                if method == "create_message":
                    answers += 1
                    sent = [await platform.send(Place(direct[0]), Message(f"answer {step}", key=f"a{step}/0")) for _ in range(3)]
                    assert sent[1] == sent[2]
        await asyncio.sleep(random.random() * 0.02)
    await discord.order("heal")
    await discord.until(arrived, WITHIN_S)
    said = await discord.said(direct[0])
    assert len(said) == len(set(said)) == answers
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)


async def _known(discord: Discord, journal: _Journal) -> bool:
    return bool(journal.cursor) and bool(await discord.order("sessions"))
