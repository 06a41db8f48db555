"""Ann's chat with the account on a real XMPP server, as the contract suites see it. She uses slixmpp with its plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError

from holdfast.core.incoming import Place
from holdfast.platforms.xmpp import TRAITS
from holdfast.platforms.xmpp.stream import RESOURCE
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.process import GatewayProcess
from holdfast.testing.prosody import Prosody, User

WITHIN_S: Final = 30.0
PLUGINS: Final = (
    "xep_0030",
    "xep_0045",
    "xep_0059",
    "xep_0066",
    "xep_0191",
    "xep_0199",
    "xep_0308",
    "xep_0313",
    "xep_0363",
    "xep_0424",
    "xep_0461",
)


class Person:
    """Somebody with a client."""

    def __init__(self, user: User, nick: str = "Ann") -> None:
        self.user, self.jid, self.nick = user, user.jid, nick
        self.heard: list[Any] = []
        """The messages that came live, since the client was connected."""
        self._client: Any = None

    async def client(self) -> Any:
        """Signed in, anew if need be."""
        if self._client is None or not self._client.is_connected():
            await self.close()
            client = self._client = ClientXMPP(
                f"{self.jid}/{self.nick}",
                self.user.password,
                plugin_config={"feature_mechanisms": {"unencrypted_scram": True, "unencrypted_plain": True}},
            )
            for plugin in PLUGINS:
                client.register_plugin(plugin)
            client.enable_direct_tls = False
            started = asyncio.get_running_loop().create_future()
            client.add_event_handler("session_start", lambda _: started.set_result(None))
            client.add_event_handler("message", self.heard.append)
            client.connect("127.0.0.1", self.user.server.port)
            await asyncio.wait_for(started, WITHIN_S)
            client.send_presence()
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            client.cancel_connection_attempt()
            client.abort()
            for name in list(client.scheduled_events):
                client.cancel_schedule(name)
            client._run_out_filters.cancel()  # noqa: SLF001 nobody else ends it

    async def send(self, to: str, text: str, kind: str = "chat", **changed: Any) -> str:
        """Returns the message's id once the server has it. `changed`: what a plugin puts into it."""
        client = await self.client()
        message = client.make_message(to, text, mtype=kind)
        for name, value in changed.items():
            if name == "oob":
                message["oob"]["url"] = value
            elif name == "replace":
                message["replace"]["id"] = value
        message.send()
        await client.plugin["xep_0199"].ping()
        return str(message["id"])

    async def hears(self, jid: str) -> None:
        """Return when that client answers, be it that it knows no pings."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    await (await self.client()).plugin["xep_0199"].send_ping(jid, timeout=WITHIN_S)
                except IqError as error:
                    if error.condition == "service-unavailable":
                        continue  # says the server, if nobody is there
                return

    async def upload(self, name: str, data: bytes) -> str:
        client = await self.client()
        slot = await client.plugin["xep_0363"].request_slot("upload.localhost", name, len(data), "text/plain")
        put = slot["http_upload_slot"]["put"]
        headers = {header["name"]: header["value"] for header in put["headers"]} | {"content-type": "text/plain"}
        async with httpx2.AsyncClient(trust_env=False) as http:
            (await http.put(put["url"], content=data, headers=headers)).raise_for_status()
        return str(slot["http_upload_slot"]["get"]["url"])

    async def archive(self, of: str = "", with_: str = "") -> list[Any]:
        """The messages that her archive has, or a room's."""
        client = await self.client()
        plugin = client.plugin["xep_0313"]
        return [
            one["mam_result"]["forwarded"]["stanza"]
            async for one in plugin.iterate(jid=of or None, with_jid=with_ or None, rsm={"max": 50})
        ]

    async def said(self, who: str) -> list[str]:
        """What somebody said to her, but for links to files."""
        return [one["body"] for one in await self.archive(with_=who) if one["from"].bare == who and one["body"] and not one["oob"]["url"]]

    async def files(self, who: str) -> list[bytes]:
        urls = [one["oob"]["url"] for one in await self.archive(with_=who) if one["from"].bare == who and one["oob"]["url"]]
        async with httpx2.AsyncClient(trust_env=False) as http:
            return [(await http.get(url)).raise_for_status().content for url in urls]

    async def retract(self, to: str, message: str, kind: str = "chat") -> None:
        client = await self.client()
        client.plugin["xep_0424"].send_retraction(to, message, mtype=kind)
        await client.plugin["xep_0199"].ping()

    async def kick(self, room: str, nick: str) -> None:
        """Out of a room that is hers."""
        await (await self.client()).plugin["xep_0045"].set_role(room, nick, "none")

    async def join(self, room: str) -> None:
        client = await self.client()
        await client.plugin["xep_0045"].join_muc_wait(room, self.nick, maxstanzas=0, timeout=WITHIN_S)


class XmppChat:
    """See `contracts.chat.Chat`."""

    def __init__(self, server: Prosody, ann: Person, bot: User) -> None:
        self.server, self.ann, self.bot = server, ann, bot
        self.place = Place(ann.jid)
        self._last = ""

    async def write(self, text: str) -> None:
        self._last = await self.ann.send(self.bot.jid, text)

    async def edit(self, text: str) -> None:
        await self.ann.send(self.bot.jid, text, replace=self._last)

    async def attach(self, name: str, data: bytes) -> None:
        url = await self.ann.upload(name, data)
        await self.ann.send(self.bot.jid, url, oob=url)

    async def press(self, option: str) -> None:
        raise NotImplementedError(f"nobody can press {option}: there are no buttons")

    async def shown(self) -> list[str]:
        return await self.ann.said(self.bot.jid)

    async def files(self) -> list[bytes]:
        return await self.ann.files(self.bot.jid)

    async def block(self) -> None:
        await (await self.ann.client()).plugin["xep_0191"].block([self.bot.jid])

    async def limit(self, seconds: int) -> None:  # noqa: ARG002 nobody can say it
        self.bot.refused("wait", "resource-constraint")

    async def revoke(self) -> None:
        """Once nothing is under way: prosody does not always say why it ends a connection on which it was just asked something."""
        for _ in range(3):
            await self.ann.hears(f"{self.bot.jid}/{RESOURCE}")
        await asyncio.to_thread(self.bot.revoke)

    async def leave(self) -> None:
        self.server.kill()


class XmppService:
    """See `contracts.through_gateway.Service`."""

    def __init__(self, server: Prosody, ann: Person, bot: User) -> None:
        self.server = server
        self.chat: Chat = XmppChat(server, ann, bot)
        self.traits: Traits = TRAITS
        self.table = table(bot)
        self.environ: Mapping[str, str] = {"PASSWORD": bot.password}

    async def come_back(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def listens(self, gateway: GatewayProcess) -> None:
        """It connects by itself, and is told whatever was written meanwhile."""


def table(bot: User) -> str:
    return f'\n[platforms.xmpp.home]\njid = "{bot.jid}"\npassword = "env:PASSWORD"\nhost = "127.0.0.1"\nport = {bot.server.port}\n'
