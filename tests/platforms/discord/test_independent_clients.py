"""The server of our tests is driven by two libraries that we did not write: what it says is what they understand."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator
from typing import Any

import hikari
import pytest
import yarl

from holdfast.testing.discord_client import Discord

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports what it needs for voices alone
    import discord as library
    from discord import app_commands, gateway, http

SERVER, GENERAL, THREAD = "900000000000000001", "900000000000000002", "900000000000000003"
WITHIN_S = 20.0
INTENTS = library.Intents(guilds=True, messages=True, message_content=True)


@contextlib.asynccontextmanager
async def discord_py(server: Discord, monkeypatch: pytest.MonkeyPatch, **options: Any) -> AsyncIterator[_Client]:
    """Connected."""
    monkeypatch.setattr(http.Route, "BASE", server.api_url)
    monkeypatch.setattr(gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(server.base_url.replace("http", "ws")))
    client = _Client(**options)
    running = asyncio.create_task(client.start(server.token))
    try:
        ready = asyncio.create_task(client.begun.wait())
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED, timeout=WITHIN_S)
        ready.cancel()
        if running.done():
            running.result()
        assert client.begun.is_set()
        yield client
    finally:
        await client.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _Client(library.Client):
    def __init__(self, intents: library.Intents = INTENTS) -> None:
        super().__init__(intents=intents, guild_ready_timeout=0.1)
        self.begun = asyncio.Event()
        self.heard: asyncio.Queue[library.Message] = asyncio.Queue()
        self.changed: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.pressed: asyncio.Queue[str] = asyncio.Queue()
        self.tree = app_commands.CommandTree(self)

    async def on_ready(self) -> None:
        self.begun.set()

    async def on_message(self, message: library.Message) -> None:
        if not message.author.bot:
            await self.heard.put(message)

    async def on_raw_message_edit(self, payload: library.RawMessageUpdateEvent) -> None:
        await self.changed.put(("edited", payload.message.content))

    async def on_raw_message_delete(self, payload: library.RawMessageDeleteEvent) -> None:
        await self.changed.put(("deleted", str(payload.message_id)))

    async def next(self) -> library.Message:
        return await asyncio.wait_for(self.heard.get(), WITHIN_S)


async def test_discord_py_hears_and_is_heard(discord: Discord, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    async with discord_py(discord, monkeypatch) as client:
        await discord.write(ann, "Hello", file=await discord.upload("notes.txt", b"what was in it"))
        heard = await client.next()
        assert (heard.content, heard.guild, heard.attachments[0].filename) == ("Hello", None, "notes.txt")
        first = await heard.reply("Hello, Ann", nonce="key", allowed_mentions=library.AllowedMentions.none())
        again = await heard.channel.send("Hello, Ann", nonce="key")
        assert first.id == again.id
        await first.edit(content="Hello, Ann!")
        assert await discord.said(ann) == ["Hello, Ann!"]
        await discord.order("thread", thread=THREAD, parent=GENERAL)
        asked = await discord.write(THREAD, "<@424242424242424242> hello")
        heard = await client.next()
        assert isinstance(heard.channel, library.Thread)
        assert (str(heard.channel.parent_id), [user.name for user in heard.mentions]) == (GENERAL, ["Holdfast"])
        await discord.order("edit", message=asked, text="Never mind")
        assert await asyncio.wait_for(client.changed.get(), WITHIN_S) == ("edited", "Hello, Ann!")
        assert await asyncio.wait_for(client.changed.get(), WITHIN_S) == ("edited", "Never mind")
        await discord.order("remove", message=asked)
        assert await asyncio.wait_for(client.changed.get(), WITHIN_S) == ("deleted", asked)


async def test_discord_py_is_told_again_what_it_missed(discord: Discord, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with discord_py(discord, monkeypatch) as client:
        await discord.order("connections", what="cut")
        await discord.write(ann, "while cut off")
        assert (await client.next()).content == "while cut off"
        await discord.order("connections", what="reconnect")
        await discord.write(ann, "while it reconnects")
        assert (await client.next()).content == "while it reconnects"
        assert len(await discord.calls("resume")) == 2
        assert await discord.order("sessions") == 1


async def test_discord_py_gives_commands_and_buttons(discord: Discord, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with discord_py(discord, monkeypatch) as client:

        @client.tree.command(name="title", description="Gives it a name")
        async def title(interaction: library.Interaction, name: str) -> None:
            await interaction.response.send_message(f"It is called {name}.")

        await client.tree.sync()
        given = await discord.order("slash", channel=ann, command="title", value="alpha")
        await discord.until(lambda: _answered(discord, given))
        assert await discord.said(ann) == ["It is called alpha."]

        class Question(library.ui.View):
            @library.ui.button(label="Yes")
            async def yes(self, interaction: library.Interaction, _: Any) -> None:
                await interaction.response.defer()

        channel = await client.fetch_channel(int(ann))
        assert isinstance(channel, library.DMChannel)
        asked = await channel.send("May I?", view=Question())
        pressed = await discord.order("press", message=str(asked.id), option="Yes")
        await discord.until(lambda: _answered(discord, pressed))


async def _answered(discord: Discord, id_: str) -> bool:
    return any(one["id"] == id_ and one["answer"] for one in await discord.order("interactions"))


async def test_discord_py_is_kept_out_as_by_discord(discord: Discord, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await discord.order("about_bot", token=discord.token, intents=0)
    with pytest.raises(library.PrivilegedIntentsRequired):
        async with discord_py(discord, monkeypatch):
            pass
    await discord.order("reset")
    await discord.order("refuse", channel=ann)
    async with discord_py(discord, monkeypatch) as client:
        channel = await client.create_dm(library.Object(int("700000000000000007")))
        await discord.order("refuse", channel=str(channel.id))
        with pytest.raises(library.Forbidden, match="50007"):
            await channel.send("Hello?")
        await discord.order("refuse", channel=str(channel.id), code=0)
        with pytest.raises(library.HTTPException, match="50035"):
            await channel.send("x" * 2001)
    await discord.order("revoke", token=discord.token)
    with pytest.raises(library.LoginFailure):
        async with discord_py(discord, monkeypatch):
            pass


@contextlib.asynccontextmanager
async def hikari_bot(server: Discord) -> AsyncIterator[tuple[hikari.GatewayBot, asyncio.Queue[str]]]:
    """Connected, with what it hears."""
    intents = hikari.Intents.GUILDS | hikari.Intents.GUILD_MESSAGES | hikari.Intents.DM_MESSAGES | hikari.Intents.MESSAGE_CONTENT
    bot = hikari.GatewayBot(
        server.token, rest_url=server.api_url, banner=None, logs=None, intents=intents, suppress_optimization_warning=True
    )
    heard: asyncio.Queue[str] = asyncio.Queue()

    @bot.listen()
    async def _(event: hikari.MessageCreateEvent) -> None:
        if not event.is_bot:
            await heard.put(event.content or "")

    try:
        async with asyncio.timeout(WITHIN_S):
            await bot.start(check_for_updates=False)
        yield bot, heard
    finally:
        with contextlib.suppress(hikari.ComponentStateConflictError):
            await bot.close()


async def test_hikari_hears_is_heard_and_goes_on_after_a_cut(discord: Discord, ann: str) -> None:
    await discord.order("guild", guild=SERVER, channels=[GENERAL])
    async with hikari_bot(discord) as (bot, heard):
        await discord.write(ann, "Hello")
        await discord.write(GENERAL, "Hello, all")
        assert [await asyncio.wait_for(heard.get(), WITHIN_S) for _ in range(2)] == ["Hello", "Hello, all"]
        await discord.order("connections", what="cut")
        await discord.write(ann, "while cut off")
        assert await asyncio.wait_for(heard.get(), WITHIN_S) == "while cut off"
        first = await bot.rest.create_message(int(ann), "Hello, Ann", nonce="key")
        again = await bot.rest.create_message(int(ann), "Hello, Ann", nonce="key")
        assert first.id == again.id
        await bot.rest.edit_message(int(ann), first.id, "Hello, Ann!")
        history = await bot.rest.fetch_messages(int(ann)).limit(10)
        assert [one.content for one in history] == ["Hello, Ann!", "while cut off", "Hello"]
        assert len(await discord.calls("resume")) == 1


async def test_hikari_is_kept_out_as_by_discord(discord: Discord) -> None:
    await discord.order("about_bot", token=discord.token, intents=0)
    with pytest.raises(hikari.GatewayServerClosedConnectionError) as closed:
        async with hikari_bot(discord):
            pass
    assert closed.value.code == 4014
    await discord.order("revoke", token=discord.token)
    with pytest.raises(hikari.UnauthorizedError):
        async with hikari_bot(discord):
            pass
