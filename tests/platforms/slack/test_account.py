"""The account: how it connects, by which way it hears, and what ends it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus

import pytest
from aiohttp import web

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Incoming, Moved, Place, Unread
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.slack import account, socket
from holdfast.platforms.slack.account import SCOPES, SlackPlatform
from holdfast.ports import Message
from holdfast.secrets import Secret
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.hook_listener import Listener
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.slack_client import APP_TOKEN, SIGNING_SECRET, TOKEN, Slack
from holdfast.testing.slack_world import TEAM, US, signed

Connect = Callable[..., SlackPlatform]


async def ended(platform: SlackPlatform, inbox: RecordingInbox | None = None) -> None:
    try:
        await asyncio.wait_for(platform.run(inbox or RecordingInbox()), 20)
    finally:
        await platform.close()


async def test_an_account_is_a_bot_in_a_workspace(platform: SlackPlatform) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        assert inbox.identity == f"{TEAM}/{US}"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"token": Secret("env:T", "xoxb-of-nobody")}, r"bot token .*invalid_auth.*`token`"),
        ({"token": Secret("env:T", APP_TOKEN)}, r"bot token .*not_allowed_token_type.*xoxb-"),
        ({"app_token": Secret("env:T", "xapp-of-nobody")}, r"app-level token .*invalid_auth.*`app_token`"),
        ({"app_token": Secret("env:T", TOKEN)}, r"app-level token .*not_allowed_token_type.*xapp-"),
    ],
)
async def test_a_wrong_token_says_which_and_where_the_right_one_is(
    connect: Connect, slack: Slack, settings: dict[str, Secret], says: str
) -> None:
    """LEDGER H-06, I 29."""
    with pytest.raises(Config, match=says):
        await ended(connect(**settings))
    assert len(await slack.calls()) <= 2


async def test_missing_scopes_are_all_named_at_once(connect: Connect, slack: Slack) -> None:
    await slack.order("become", name="scopes", value=",".join(sorted(SCOPES - {"files:read", "im:history"})))
    with pytest.raises(Config, match=r"lacks scopes: files:read, im:history\..*reinstall"):
        await ended(connect())


async def test_socket_mode_that_is_switched_off_is_said(platform: SlackPlatform, slack: Slack) -> None:
    async with running(platform, RecordingInbox()) as receiving:
        await slack.order("disconnect", reason="link_disabled")
        with pytest.raises(Config, match="Socket Mode is switched off"):
            await asyncio.wait_for(receiving, 20)


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "too_many_websockets"])
async def test_a_connection_that_slack_wants_anew_is_left_to_whoever_reconnects(platform: SlackPlatform, slack: Slack, reason: str) -> None:
    """LEDGER I 29: nothing here reconnects by itself."""
    async with running(platform, RecordingInbox()) as receiving:
        await slack.order("disconnect", reason=reason)
        with pytest.raises(Temporary, match=reason):
            await asyncio.wait_for(receiving, 20)
    await slack.until(lambda: nobody_is_connected(slack))
    assert len(await slack.calls("apps.connections.open")) == 1


async def nobody_is_connected(slack: Slack) -> bool:
    return await slack.connections() == 0


async def test_whoever_freezes_is_not_taken_for_alive(platform: SlackPlatform, slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    """LEDGER H-55, I 17, I 18, I 32: connected is whoever answers; the runtime replaces what says nothing for `silence_s_max`."""
    monkeypatch.setattr(socket, "PING_S", 0.02)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        before = inbox.heard
        async with asyncio.timeout(20):
            while inbox.heard < before + 5:  # noqa: ASYNC110 - answers to pings
                await asyncio.sleep(0.01)
        slack.freeze()
        try:
            await asyncio.sleep(0.3)  # what was on its way
            before = inbox.heard
            await asyncio.sleep(0.5)
            assert inbox.heard == before
        finally:
            slack.thaw()


async def test_one_who_takes_the_connection_and_says_nothing_is_left(
    connect: Connect, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "HELLO_S_MAX", 0.2)

    async def silent(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive()
        return ws

    app = web.Application()
    app.router.add_get("/link", silent)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    platform = connect()
    try:
        host, port = runner.addresses[0][:2]

        async def address(*_: object) -> str:
            return f"ws://{host}:{port}/link"

        monkeypatch.setattr(socket, "_address", address)
        with pytest.raises(Temporary, match="said nothing"):
            await ended(platform)
    finally:
        await runner.cleanup()


async def test_a_server_that_dies_ends_the_connection(platform: SlackPlatform, slack: Slack) -> None:
    async with running(platform, RecordingInbox()) as receiving:
        slack.kill()
        with pytest.raises(Temporary):
            await asyncio.wait_for(receiving, 20)


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open", "users.conversations", "conversations.history"])
@pytest.mark.parametrize("kind", ["drop", "status", "garbage"])
async def test_whatever_breaks_on_the_way_is_tried_again_by_others(connect: Connect, slack: Slack, method: str, kind: str) -> None:
    await slack.order("meet", chat="DANN")
    await slack.fault(kind, method, value=503)
    with pytest.raises(Temporary):
        await ended(connect())


async def test_a_second_program_is_told_of_and_what_it_gets_is_found(
    connect: Connect, slack: Slack, caplog: pytest.LogCaptureFixture
) -> None:
    """LEDGER H-56: Slack brings each event to one of its connections."""
    await slack.order("meet", chat="DANN")
    other, ours = connect(), connect(look_s=0.2)
    theirs, inbox = RecordingInbox(), RecordingInbox()
    with caplog.at_level(logging.WARNING):
        async with running(other, theirs), running(ours, inbox):
            for number in range(4):
                await slack.write("DANN", str(number))
            await inbox.wait_for(lambda one: {*texts(one)} == {"0", "1", "2", "3"})
    assert "2 connections are open" in caplog.text
    for platform in (other, ours):
        await platform.close()


class _Stuck(RecordingInbox):
    """Takes nothing that somebody did before it `may`."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()

    async def take(self, events: Sequence[Incoming | Moved | Unread], cursor: str | None = None) -> Sequence[Incoming]:
        if events:
            await self.may.wait()
        return await super().take(events, cursor)


async def test_nothing_is_acknowledged_before_it_is_durable_and_what_comes_again_is_the_same(platform: SlackPlatform, slack: Slack) -> None:
    """LEDGER H-05: brought again (0.5 s here, 3 s there), and taken once."""
    inbox = _Stuck()
    await slack.order("meet", chat="DANN")
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: one.cursor != "")
        await slack.write("DANN", "slowly")
        await slack.until(lambda: _brought_again(slack))
        assert not await slack.calls("acknowledge")
        inbox.may.set()
        await slack.until(lambda: _all_acknowledged(slack))
    assert texts(inbox) == ["slowly"]


async def _brought_again(slack: Slack) -> bool:
    return len(await slack.calls("bring")) >= 2


async def _all_acknowledged(slack: Slack) -> bool:
    return len(await slack.calls("acknowledge")) == len(await slack.calls("bring"))


async def test_a_burst_comes_whole_and_in_order(platform: SlackPlatform, slack: Slack) -> None:
    inbox = RecordingInbox()
    async with running(platform, inbox):
        for number in range(100):
            await slack.write("DANN", str(number))
        await inbox.wait_for(lambda one: len(texts(one)) == 100)
    assert texts(inbox) == [str(number) for number in range(100)]


# --- being called -----------------------------------------------------------------------------------------------------------------------


async def test_slack_is_told_to_come_again_while_we_are_not_connected(connect: Connect, slack: Slack, listener: Listener) -> None:
    """LEDGER H-05: but may verify the address at once, as it is asked for before the account is."""
    platform = connect(called=True)
    challenge = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    answer = await platform.hook("POST", "", signed(SIGNING_SECRET, challenge), challenge)
    assert (answer.status, answer.body) == (HTTPStatus.OK, b"abc")
    event = json.dumps({"type": "event_callback", "event": {}}).encode()
    assert (await platform.hook("POST", "", signed(SIGNING_SECRET, event), event)).status == HTTPStatus.SERVICE_UNAVAILABLE
    listener.accounts[platform.account] = platform
    await slack.order("listen", url=listener.url(platform.account))
    await slack.write("DANN", "hello")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: texts(one) == ["hello"])
    await platform.close()


async def test_what_no_call_could_bring_is_looked_for(connect: Connect, slack: Slack, listener: Listener) -> None:
    """LEDGER H-55: nobody tells us that Slack gave up."""
    platform = connect(look_s=0.3, called=True)
    await slack.order("listen", url=listener.url(platform.account))  # where nobody is yet: four tries, and it is lost
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.write("DANN", "given up")
        await inbox.wait_for(lambda one: texts(one) == ["given up"])
    await platform.close()


async def test_buttons_and_commands_come_by_calls_too(connect: Connect, slack: Slack, listener: Listener) -> None:
    platform = connect(called=True)
    listener.accounts[platform.account] = platform
    await slack.order("listen", url=listener.url(platform.account))
    await slack.order("meet", chat="DANN")
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await slack.order("slash", chat="DANN", text="status")
        await inbox.wait_for(lambda one: texts(one) == ["/status"])
        sent = await platform.send(Place("DANN"), Message("May I?", question=4, options=("yes",)))
        await slack.order("press", chat="DANN", ts=sent.id, option="yes")
        await inbox.wait_for(lambda one: len(one.messages) == 2)
        elsewhere = json.dumps({"command": "/holdfast"}).encode()
        assert (await platform.hook("POST", "", signed("wrong", elsewhere), elsewhere)).status == HTTPStatus.FORBIDDEN
    await platform.close()


async def test_where_slack_calls_silence_is_no_sign_and_a_revoked_token_is_found(
    connect: Connect, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LEDGER H-55."""
    monkeypatch.setattr(account, "CHECK_S", 0.05)
    platform, inbox = connect(called=True), RecordingInbox()
    async with running(platform, inbox) as receiving:
        before = inbox.heard
        async with asyncio.timeout(20):
            while inbox.heard < before + 3:  # noqa: ASYNC110 - it asks by itself
                await asyncio.sleep(0.01)
        await slack.order("become", name="revoked", value="token")
        with pytest.raises(Config, match="bot token"):
            await asyncio.wait_for(receiving, 20)
    await platform.close()


# --- files ------------------------------------------------------------------------------------------------------------------------------


def attachment(source: str) -> Attachment:
    return Attachment(id="1", name="notes.txt", source=source)


async def test_our_token_is_shown_to_slack_alone(platform: SlackPlatform, slack: Slack) -> None:
    elsewhere = {"url_private": "https://evil.example/f", "url_private_download": "https://evil-slack.com/f"}
    file = await slack.upload("notes.txt", b"x", **elsewhere)
    with pytest.raises(Request, match="only linked to"):
        await platform.fetch(attachment(file))


async def test_a_page_for_signing_in_is_no_file(platform: SlackPlatform, slack: Slack) -> None:
    file = await slack.upload("notes.txt", b"x", url_private_download=f"{slack.base_url}/login")
    with pytest.raises(Request, match="Send it again"):
        await platform.fetch(attachment(file))


async def test_a_file_that_is_gone_is_said_to_be_and_one_that_can_not_be_had_now_is_waited_for(
    platform: SlackPlatform, slack: Slack
) -> None:
    with pytest.raises(Request, match=r"file_not_found.*Send it again"):
        await platform.fetch(attachment("F404"))
    file = await slack.upload("notes.txt", b"x")
    await slack.fault("limit", "files.info", value=9)
    with pytest.raises(Temporary) as limited:
        await platform.fetch(attachment(file))
    assert limited.value.retry_after_s == 9
    await slack.fault("drop", "files.info")
    with pytest.raises(Temporary):
        await platform.fetch(attachment(file))
    await platform.fetch(attachment(file))
