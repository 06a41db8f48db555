"""What became of a message: a room shows it to us again; for a person, the server answers a ping only once it has dealt with what came before."""

from __future__ import annotations

import asyncio
from typing import Final

from holdfast.core.incoming import Place
from holdfast.errors import Config, Temporary
from holdfast.platforms.xmpp import wire
from holdfast.platforms.xmpp.rooms import Rooms
from holdfast.platforms.xmpp.stream import Refused, Stream
from holdfast.ports import Receipt

SEND_S_MAX: Final = 20.0
WAIT_S: Final = 10.0
"""Servers that want us to wait do not say for how long."""
AWAY_S: Final = 60.0
"""When another server can't be reached."""
_SHUT: Final = frozenset(
    {
        "forbidden",
        "gone",
        "item-not-found",
        "jid-malformed",
        "not-allowed",
        "recipient-unavailable",
        "registration-required",
        "remote-server-not-found",
        "service-unavailable",
    }
)
"""What concerns no message, but the chat: any would be refused."""


class Sending:
    """It is told of every message that comes."""

    def __init__(self, stream: Stream, rooms: Rooms) -> None:
        self._stream, self._rooms = stream, rooms
        self._waited_for: dict[str, asyncio.Future[wire.Element]] = {}

    def heard(self, message: wire.Element) -> None:
        waited_for = self._waited_for.get(message.get("id", ""))
        if waited_for is not None and not waited_for.done() and message.get("type") in {"error", "groupchat"}:
            waited_for.set_result(message)

    async def send(self, place: Place, message: wire.Element) -> Receipt:
        """Never raises for what the server does; bounded in time."""
        room, id_ = self._rooms.room(place.chat), message.get("id", "")
        if room is not None and room.state == "asked":
            return Receipt("retry", why=f"{room.jid} has not let us in yet", retry_after_s=WAIT_S)
        if message.get("type") == "groupchat" and (room is None or room.state == "out"):
            return Receipt("blocked", why=f"we are not in {place.chat}")
        answered = self._waited_for[id_] = asyncio.get_running_loop().create_future()
        try:
            self._stream.send(message)
        except (Temporary, Config) as over:
            del self._waited_for[id_]
            return not_sent(over)
        try:
            if room is None:
                await self._stream.ping()
            else:
                await asyncio.wait({answered, self._stream.over}, timeout=SEND_S_MAX, return_when=asyncio.FIRST_COMPLETED)
                self._stream.check()
        except (Temporary, Config) as over:
            return Receipt("unknown", why=str(over), account="stopped" if isinstance(over, Config) else "away")
        finally:
            del self._waited_for[id_]
        if not answered.done():
            return Receipt(id=id_) if room is None else Receipt("unknown", why=f"{room.jid} did not answer within {SEND_S_MAX:g} s")
        return Receipt(id=id_) if answered.result().get("type") == "groupchat" else refusal(*wire.condition(answered.result()))


def not_sent(why: Temporary | Config) -> Receipt:
    return Receipt("retry", why=str(why), account="stopped" if isinstance(why, Config) else "away")


def refused(why: Refused) -> Receipt:
    return refusal(why.condition, why.kind, str(why))


def refusal(condition: str, kind: str, why: str) -> Receipt:
    """A message that was sent back."""
    why = f"the server says: {condition}" + (f" ({why})" if why and why != condition else "")
    if condition == "remote-server-timeout":
        return Receipt("retry", why=why, retry_after_s=AWAY_S)
    if kind == "wait":
        return Receipt("retry", why=why, retry_after_s=WAIT_S)
    if condition == "not-acceptable":
        return Receipt("retry", why=why, retry_after_s=AWAY_S)  # a room that has forgotten us: we come in again
    return Receipt("blocked" if condition in _SHUT else "refused", why=why)
