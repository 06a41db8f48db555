"""Of an account that is called: its life, and what it takes."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Final

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Unread
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.tencent.api import Api, Refused
from holdfast.platforms.tencent.calls import fields
from holdfast.platforms.tencent.outcomes import Codes, refuses, trouble
from holdfast.platforms.tencent.reading import read
from holdfast.ports import Clock, Files, HookReply, Inbox

KEPT_S: Final = 15.0
"""They call three times, five seconds apart. Then they have forgotten it."""
LOOK_S_MAX: Final = 4.0
"""How long it is asked at the beginning whether it knows us: it may be calling already."""
SAID_AGAIN_S: Final = 60.0

log = logging.getLogger("holdfast.platforms")


class Receiving:
    """What people did, from the calls of their platform into the inbox."""

    def __init__(self, account: str, api: Api, codes: Codes, files: Files, clock: Clock) -> None:
        self._account, self._api, self._codes, self._files, self._clock = account, api, codes, files, clock
        self._inbox: Inbox | None = None
        self._stopped: asyncio.Queue[str] = asyncio.Queue(1)
        self._said = 0.0

    async def run(self, inbox: Inbox, identity: str) -> None:
        """Until a send shows that only a person can mend it. Who can't be asked now can call us all the same, and what is brought is not brought again later."""
        while not self._stopped.empty():
            self._stopped.get_nowait()
        try:
            async with asyncio.timeout(LOOK_S_MAX):
                await self._api.token()
        except (Failure, Refused, TimeoutError) as failure:
            found = None if isinstance(failure, TimeoutError) else trouble(failure, self._codes)
            if isinstance(found, Config):
                raise found from None
            why = found or f"{self._codes.who} says nothing."
            log.warning("%s: %s It can be called meanwhile, and what it has to say waits.", self._account, why)
        await inbox.begin(identity)
        self._inbox = inbox
        try:
            why = await self._stopped.get()
        finally:
            self._inbox = None
        raise Config(why)

    def stop(self, why: str) -> None:
        if self._stopped.empty():
            self._stopped.put_nowait(why)

    async def take(self, xml: bytes, done: bytes) -> HookReply:
        """`done` says that it is kept, once it is."""
        if self._inbox is None:
            return HookReply(HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            event = read(fields(xml))
        except (ValueError, KeyError) as error:
            found = Unread(xml.decode("utf-8", "replace"), f"{self._codes.who} sent something unexpected: {error!r}")
            await self._inbox.take([found])
        else:
            if event is not None:
                await self._inbox.take([event])
        self._inbox.alive()
        return HookReply(body=done)

    def forged(self, why: object) -> HookReply:
        """Nothing of it is taken; at most once a minute the log says so."""
        if self._clock.now() - self._said > SAID_AGAIN_S:
            self._said = self._clock.now()
            log.warning("%s was called, and nothing of it taken: %s.", self._account, why)
        return HookReply(HTTPStatus.FORBIDDEN)

    async def fetch(self, attachment: Attachment) -> str:
        """See `ports.Platform`."""
        try:
            return await self._files.put(self._api.download(attachment.source))
        except (Failure, Refused) as failure:
            if refuses(failure, self._codes):
                raise Request(f"{self._codes.who} does not have it: {failure}. It keeps files for three days.") from None
            found = trouble(failure, self._codes)
            raise found if isinstance(found, Temporary) else Temporary(str(found)) from None
