"""Signing in to a real homeserver, and being signed out."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.incoming import Place
from holdfast.errors import Config
from holdfast.ports import Message
from holdfast.testing.matrix_rig import WITHIN_S, Open, connected, eventually, secret
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.synapse import Person, Synapse

pytestmark = pytest.mark.timeout(120)
STOPPED_S_MAX = 5.0


async def test_a_wrong_password_is_said_at_once(account: Open) -> None:
    with pytest.raises(Config, match="refuses user and password"):
        await account(password=secret("wrong")).run(RecordingInbox())


async def test_another_user_than_the_one_that_was_named_is_said(account: Open, ann: Person) -> None:
    with pytest.raises(Config, match="Correct user in"):
        await account(access_token=secret(ann.token)).run(RecordingInbox())


async def test_without_any_way_to_sign_in_it_says_so(account: Open) -> None:
    with pytest.raises(Config, match="neither password nor access_token"):
        await account(password=None).run(RecordingInbox())


async def test_an_access_token_will_do_and_its_device_is_checked(account: Open, bot: Person, direct: str) -> None:
    bot.login("MINE")
    platform = account(access_token=secret(bot.token), device_id="MINE")
    async with connected(platform):
        assert (await platform.send(Place(direct), Message("Hello", "k1"))).refusal == ""
    with pytest.raises(Config, match="device"):
        await account(access_token=secret(bot.token), device_id="OTHER").run(RecordingInbox())


async def test_a_revoked_token_stops_the_account_at_once(synapse: Synapse, account: Open, bot: Person) -> None:
    """One request shows it, and there is no other."""
    bot.login("MINE")
    platform, inbox = account(access_token=secret(bot.token)), RecordingInbox()
    running = asyncio.create_task(platform.run(inbox))
    await inbox.wait_for(lambda inbox: bool(inbox.cursor), WITHIN_S)
    before = synapse.answered(401)
    bot.logout()
    with pytest.raises(Config, match="no longer takes its token"):
        await asyncio.wait_for(running, STOPPED_S_MAX)
    await eventually(lambda: synapse.answered(401) > before)
    assert synapse.answered(401) == before + 1
    with pytest.raises(Config, match="no longer takes its token"):
        await platform.run(inbox)
    await eventually(lambda: synapse.answered(401) == before + 2)


async def test_a_send_that_finds_a_revoked_token_stops_the_account(account: Open, bot: Person, direct: str) -> None:
    """Nobody waits for the end of a long poll."""
    bot.login("MINE")
    platform, inbox = account(access_token=secret(bot.token)), RecordingInbox()
    running = asyncio.create_task(platform.run(inbox))
    await inbox.wait_for(lambda inbox: bool(inbox.cursor), WITHIN_S)
    bot.logout()
    receipt = await platform.send(Place(direct), Message("Hello", "k1"))
    assert (receipt.refusal, receipt.account) == ("retry", "stopped")
    with pytest.raises(Config, match="no longer takes its token"):
        await asyncio.wait_for(running, STOPPED_S_MAX)


async def test_whoever_was_signed_out_signs_in_again_when_told_to(account: Open, bot: Person, direct: str) -> None:
    platform, inbox = account(), RecordingInbox()
    running = asyncio.create_task(platform.run(inbox))
    await inbox.wait_for(lambda inbox: bool(inbox.cursor), WITHIN_S)
    bot.ask("POST", "/logout/all", {})
    with pytest.raises(Config, match="signed its device out"):
        await asyncio.wait_for(running, WITHIN_S)
    async with connected(platform, inbox):
        assert (await platform.send(Place(direct), Message("Hello", "k1"))).refusal == ""
