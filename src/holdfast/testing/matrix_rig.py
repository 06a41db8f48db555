"""What tests of the Matrix adapter share: an account that receives, and patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from holdfast import accounts
from holdfast.core.incoming import Wrote
from holdfast.ports import Platform
from holdfast.secrets import Secret
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.synapse import Person, Synapse

WITHIN_S: Final = 30.0
LOOK_S: Final = 0.05
"""Between two looks at what the server says."""

Open = Callable[..., Platform]
"""Opens an account of the bot, as another process would. What it is given is set in the account's table."""


def secret(value: str) -> Secret:
    return Secret("env:SECRET", value)


def settings_of(synapse: Synapse, bot: Person, **more: Any) -> accounts.Matrix:
    """A table of an account that talks to everybody."""
    way = {} if "access_token" in more else {"password": secret(bot.password)}
    return accounts.Matrix(**{"homeserver": synapse.url, "user": bot.id, "allow": ("*",), "groups": ("*",), **way, **more})


@asynccontextmanager
async def connected(platform: Platform, inbox: RecordingInbox | None = None) -> AsyncIterator[RecordingInbox]:
    """Within, it receives."""
    inbox = inbox or RecordingInbox()
    before = inbox.begun
    running = asyncio.create_task(platform.run(inbox))
    began = asyncio.create_task(inbox.wait_for(lambda inbox: inbox.begun > before and bool(inbox.cursor), WITHIN_S))
    try:
        await asyncio.wait({running, began}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield inbox
    finally:
        running.cancel()
        began.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def eventually(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Until it is so, asked of the server."""
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 nobody tells us
            await asyncio.sleep(LOOK_S)


async def texts(inbox: RecordingInbox, *wanted: str) -> None:
    """Until exactly these were received, in this order."""

    def said() -> list[str]:
        return [event.did.text for event in inbox.messages if isinstance(event.did, Wrote)]

    await inbox.wait_for(lambda _: len(said()) >= len(wanted), WITHIN_S)
    assert said() == list(wanted)
