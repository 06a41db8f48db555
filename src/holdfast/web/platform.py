"""The web as a platform: what was committed is what its readers read, so a send is nothing but a nod."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Place
from holdfast.ports import Files, Inbox, Message, Receipt, Traits
from holdfast.web.wire import ACCOUNT


class Listener:
    """One reader's slots for what is being written, and for how far each call has come: the newest text replaces one not yet taken, so nobody waits for
    a slow reader."""

    def __init__(self) -> None:
        self.changed: Final = asyncio.Event()
        self.progressed: Final = asyncio.Event()
        self._newest = ("", "")
        self._calls: dict[str, str] = {}

    def put(self, name: str, text: str) -> None:
        self._newest = (name, text)
        self.changed.set()

    def take(self) -> tuple[str, str]:
        """The name and text put last."""
        self.changed.clear()
        return self._newest

    def put_progress(self, call: str, text: str) -> None:
        self._calls[call] = text
        self.progressed.set()

    def take_progress(self) -> dict[str, str]:
        """How far each call has come that said so since the last time."""
        self.progressed.clear()
        taken, self._calls = self._calls, {}
        return taken


class WebPlatform:
    """The account `web:local`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.account: str = ACCOUNT
        self.traits: Traits = Traits(key_holds_s=float("inf"), edits=True)
        self._listeners: dict[str, set[Listener]] = {}

    async def run(self, inbox: Inbox) -> None:  # noqa: ARG002 messages come in through the door
        await asyncio.Event().wait()

    async def send(self, place: Place, message: Message) -> Receipt:  # noqa: ARG002 the readers have it from the journal
        return Receipt(id=message.edit or message.key)

    async def find(self, place: Place, message: Message, since: float) -> str | None:  # noqa: ARG002 what is committed is there, under its key
        return message.key or None

    async def fetch(self, attachment: Attachment) -> str:
        """The bytes were sent before the message: they are here."""
        await self._files.head(attachment.source)
        return attachment.source

    def pace_s(self, place: Place) -> float | None:  # noqa: ARG002 `show` needs no edits
        return None

    async def typing(self, place: Place) -> None:
        """The readers see what the conversation does."""

    async def close(self) -> None:
        """There is nothing to let go of."""

    def show(self, conversation: str, name: str, text: str) -> None:
        for listener in self._listeners.get(conversation, ()):
            listener.put(name, text)

    def progress(self, conversation: str, call: str, text: str) -> None:
        for listener in self._listeners.get(conversation, ()):
            listener.put_progress(call, text)

    @property
    def listeners(self) -> int:
        """How many there are."""
        return sum(map(len, self._listeners.values()))

    @contextmanager
    def listen(self, conversation: str) -> Iterator[Listener]:
        """Within, the listener gets what `show` is told about this conversation."""
        listener = Listener()
        self._listeners.setdefault(conversation, set()).add(listener)
        try:
            yield listener
        finally:
            listeners = self._listeners[conversation]
            listeners.discard(listener)
            if not listeners:
                del self._listeners[conversation]
