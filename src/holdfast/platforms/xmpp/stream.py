"""One connection to the server: slixmpp, without its own reconnecting, and with every end of it as one of our errors.

A password is shown to nobody over a connection that is not encrypted, or whose certificate is not the server's; except on this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import Any, Final
from xml.etree import ElementTree as ET

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.xmlstream import NotConnectedError

from holdfast import accounts, environment
from holdfast.errors import Config, HoldfastError, Temporary
from holdfast.platforms.xmpp import wire

RESOURCE: Final = "holdfast"
"""Always the same: whoever else signs in as us ends this connection, and both are told."""
CONNECT_S_MAX: Final = 30.0
ASK_S_MAX: Final = 20.0
PING_S_MAX: Final = 20.0
GOODBYE_S_MAX: Final = 1.0
DIRECT_TLS: Final = frozenset({443, 5223})
"""Ports behind which TLS begins at once. Elsewhere it is asked for."""


logging.getLogger("slixmpp").setLevel(logging.WARNING)  # below, it writes down passwords


class Refused(Exception):
    """The server, or a room, said no to what was asked: the condition, what to do about it, and what was said."""

    def __init__(self, condition: str, kind: str, why: str) -> None:
        super().__init__(f"{condition}: {why}" if why else condition)
        self.condition, self.kind = condition, kind


class _Client(ClientXMPP):
    """slixmpp's client, which gives up instead of trying for ever."""

    def __init__(self, jid: str, password: str, *, here: bool) -> None:
        unencrypted = {"unencrypted_scram": here, "unencrypted_plain": here, "unencrypted_digest": here}
        super().__init__(f"{jid}/{RESOURCE}", password, plugin_config={"feature_mechanisms": unencrypted})
        self.gave_up: Callable[[], None] = lambda: None
        self.auto_subscribe = False
        if here:  # whoever listens there gets the password anyway
            self.ssl_context.check_hostname = False
            self.ssl_context.verify_mode = ssl.CERT_NONE

    def reschedule_connection_attempt(self) -> None:
        self.cancel_connection_attempt()
        self.gave_up()

    def reconnect(self, wait: float = 2.0, reason: str = "") -> None:
        """Nor does it go where it is sent."""

    def end(self) -> None:
        self.cancel_connection_attempt()
        self.abort()
        for name in list(self.scheduled_events):
            self.cancel_schedule(name)
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()


class Stream:
    """Signed in as `jid`, until `over` has the reason why it ended: a `Temporary` or a `Config`."""

    def __init__(self, account: str, settings: accounts.Xmpp, heard: Callable[[wire.Element], None]) -> None:
        assert settings.password is not None, "what was loaded was checked"
        self._account, self._settings = account, settings
        self.jid: Final = wire.bare(settings.jid)
        self.domain: Final = self.jid.partition("@")[2]
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = loop.create_future()
        self.over.add_done_callback(lambda over: over.cancelled() or over.exception())  # whoever waits for nothing need not look
        self._started: asyncio.Future[None] = loop.create_future()
        self._failure = ""
        here = is_here(settings)
        self._client = client = _Client(settings.jid, settings.password.value, here=here)
        client.enable_plaintext = False
        if settings.host:
            client.enable_direct_tls = settings.port in DIRECT_TLS
            client.enable_starttls = not client.enable_direct_tls
        client.gave_up = lambda: self._end(Temporary(f"{account}: {self._where} can't be reached: {self._failure or 'no answer'}."))
        for name, heeds in self._events().items():
            client.add_event_handler(name, heeds)
        for kind in ("message", "presence"):
            client.register_handler(Callback(f"our {kind}", MatchXPath(f"{{{wire.CLIENT}}}{kind}"), lambda stanza: heard(stanza.xml)))

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}" if self._settings.host else self.domain

    async def open(self) -> None:
        """Raises `Temporary` or `Config`; then it is over."""
        self._client.connect(self._settings.host or None, self._settings.port if self._settings.host else None)
        await asyncio.wait({self._started, self.over}, timeout=CONNECT_S_MAX, return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            self._end(Temporary(f"{self._account}: {self._where} took longer than {CONNECT_S_MAX:g} s to sign us in."))
        self.check()

    def check(self) -> None:
        """Raises the reason if it is over."""
        if self.over.done():
            self.over.result()

    def send(self, stanza: wire.Element) -> None:
        """Write it. Raises the reason if the connection is over: then it was certainly not written."""
        self.check()
        try:
            self._client.send_raw(ET.tostring(stanza, encoding="unicode"))
        except NotConnectedError:
            raise Temporary(f"{self._account}: the connection to {self._where} is over.") from None

    async def ask(self, kind: str, payload: wire.Element, to: str = "", within_s: float = ASK_S_MAX) -> wire.Element:
        """What is answered (`kind` is "get" or "set"). Raises `Refused`, or the reason if the connection ends meanwhile."""
        self.check()
        iq = self._client.make_iq(ito=to or None, itype="get" if kind == "get" else "set")
        iq.append(payload)
        answered = iq.send(timeout=within_s)  # type: ignore[no-untyped-call] # slixmpp has no types there
        try:
            await asyncio.wait({answered, self.over}, return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                self.check()
            found: wire.Element = answered.result().xml
        except IqTimeout:
            raise Temporary(f"{self._account}: {to or self._where} did not answer within {within_s:g} s.") from None
        except IqError as error:
            raise Refused(error.condition, error.etype, error.text) from None
        else:
            return found
        finally:
            answered.cancel()

    async def ping(self) -> None:
        """Return when the server has seen whatever was written before. (An error is an answer, too.)"""
        with contextlib.suppress(Refused):
            await self.ask("get", wire.element(wire.PING, "ping"), self.domain, PING_S_MAX)

    async def close(self) -> None:
        self._end(Temporary(f"{self._account} is not connected."))
        try:
            async with asyncio.timeout(GOODBYE_S_MAX):
                await self._client.disconnect(GOODBYE_S_MAX, ignore_send_queue=True)
        except TimeoutError:
            pass
        finally:
            self._client.end()

    # --- how it ends ------------------------------------------------------------------------------------------------------------------------

    def _end(self, why: HoldfastError) -> None:
        if not self.over.done():
            self.over.set_exception(why)

    def _events(self) -> dict[str, Callable[[Any], None]]:
        return {
            "session_start": self._begin,
            "connection_failed": self._failed,
            "ssl_invalid_chain": lambda why: self._end(Temporary(f"{self._account}: the certificate of {self._where} is not good: {why}.")),
            "failed_auth": lambda failure: setattr(self, "_failure", failure["condition"]),
            "failed_all_auth": lambda _: self._end(self._not_let_in()),
            "stream_error": lambda error: self._end(self._thrown_out(error["condition"], error["text"])),
            "disconnected": lambda why: self._end(
                Temporary(f"{self._account}: {self._where} ended the connection{f': {why}' if why else ''}.")
            ),
        }

    def _begin(self, _: object) -> None:
        if not self._started.done():
            self._started.set_result(None)

    def _failed(self, why: object) -> None:
        self._failure = str(why)

    def _not_let_in(self) -> HoldfastError:
        again = f"Then: holdfast platforms retry {self._account}."
        if self._failure == "temporary-auth-failure":
            return Temporary(f"{self._account}: {self._where} can't check passwords just now.")
        if not self._failure:
            return Config(
                f"{self._where} offers no encrypted connection, so {self._account} did not show it the password. Correct host, or switch TLS on there. {again}"
            )
        return Config(f"{self._where} does not take jid and password of {self._account} ({self._failure}). Correct them. {again}")

    def _thrown_out(self, condition: str, text: str) -> HoldfastError:
        again = f"Then: holdfast platforms retry {self._account}."
        match condition:
            case "conflict":
                return Config(
                    f"Somebody else signed in as {self.jid}/{RESOURCE}, so {self._account} was signed out: another gateway? Give each a user of its own. {again}"
                )
            case "not-authorized":
                return Config(f"{self._where} has signed {self._account} out ({text or condition}). Correct jid and password. {again}")
            case _:
                return Temporary(f"{self._account}: {self._where} ended the connection: {text or condition}.")


def is_here(settings: accounts.Xmpp) -> bool:
    """Is the server said to be on this machine?"""
    return environment.is_here(f"//[{settings.host}]" if ":" in settings.host else f"//{settings.host}")
