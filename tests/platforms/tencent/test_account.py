"""What WeCom applications and Official Accounts do alike, each against the server that stands in for its platform."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import wechatpy  # type: ignore[import-untyped]  # it has no types
from wechatpy import enterprise

from holdfast import platforms
from holdfast.core.entries import Attachment, Produced
from holdfast.core.incoming import Incoming, Place, Unread, Wrote
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.tencent import receiving
from holdfast.platforms.tencent.receiving import KEPT_S
from holdfast.ports import Message
from holdfast.secrets import Secret
from holdfast.testing.clock import ManualClock
from holdfast.testing.contracts.chat import PICTURE, running, texts
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.tencent_server import RECEIVER, SECRET
from holdfast.testing.tencent_service import ANN, Tencent

Open = Any
PLACE = Place(ANN)


def send_method(server: Tencent) -> str:
    return "message/send" if server.kind == "wecom" else "message/custom/send"


def token_method(server: Tencent) -> str:
    return "gettoken" if server.kind == "wecom" else "stable_token"


async def put(files: MemoryFiles, data: bytes) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    return await files.put(pieces())


# --- being called ---------------------------------------------------------------------------------------------------------------------


async def test_the_address_is_confirmed_to_whoever_knows_the_token(server: Tencent, open_account: Open) -> None:
    platform = open_account()
    query = await server.order("verify", echo="1616140317555161061")
    assert (await platform.hook("GET", query, {}, b"")).status == 503
    async with running(platform, RecordingInbox()):
        reply = await platform.hook("GET", query, {}, b"")
        assert (reply.status, reply.body) == (200, b"1616140317555161061")
        assert (await platform.hook("GET", "msg_signature=x&signature=x&timestamp=1&nonce=1&echostr=QUJD", {}, b"")).status == 403
        assert (await platform.hook("GET", "", {}, b"")).status == 403


async def test_a_key_that_is_none_stops_this_account_alone(server: Tencent, files: MemoryFiles) -> None:
    """LEDGER H-56: it is made, as the others are, and says what is wrong when it is to run."""
    bad = Secret("a test", "not a key")
    settings = msgspec.structs.replace(server.wecom() if server.kind == "wecom" else server.official(), aes_key=bad)
    platform = platforms.open_account(f"{server.kind}:mine", settings, files, ManualClock(), Path())
    with pytest.raises(Config, match="43 letters and digits"):
        await platform.run(RecordingInbox())
    await platform.close()


async def test_who_is_not_there_takes_nothing_and_after_three_calls_it_is_forgotten(server: Tencent, open_account: Open) -> None:
    """What the documentation of the account says that is lost."""
    platform = open_account()
    await server.write("lost")

    async def forgotten() -> bool:
        return bool(await server.order("lost"))

    await server.until(forgotten)
    inbox = RecordingInbox()
    async with running(platform, inbox):
        await server.write("kept")
        await inbox.wait_for(lambda one: texts(one) == ["kept"])
    assert platform.traits.missed_s == KEPT_S == 15.0


@pytest.mark.parametrize("body", [b"", b"<xml></xml>", b"<xml><Encrypt>QUJD</Encrypt></xml>", b"\xff\x00", b"<!DOCTYPE x><xml/>"])
async def test_what_is_not_theirs_is_refused_and_counts_as_nothing_heard(
    open_account: Open, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """LEDGER H-55: an account is heard when its platform calls, not when anybody does."""
    clock = ManualClock()
    platform, inbox = open_account(clock), RecordingInbox()
    async with running(platform, inbox):
        with caplog.at_level(logging.WARNING, "holdfast.platforms"):
            for _ in range(20):
                assert (await platform.hook("POST", "msg_signature=x&signature=x&timestamp=1&nonce=1", {}, body)).status == 403
            assert len(caplog.records) == 1, "who calls again and again fills no log"
            clock.advance(61)
            await platform.hook("POST", "", {}, body)
        assert len(caplog.records) == 2
    assert (inbox.events, inbox.heard) == ([], 0)


async def test_what_can_not_be_read_is_kept_as_it_came(server: Tencent, open_account: Open) -> None:
    platform, inbox = open_account(), RecordingInbox()
    async with running(platform, inbox):
        await server.order("put", chat=ANN, fields={"MsgType": "text", "Content": "]]> & <b>"})
        await server.order("put", chat="", fields={"MsgType": "event"})
        await inbox.wait_for(lambda one: len(one.events) == 1)
        assert texts(inbox) == ["]]> & <b>"]
        assert inbox.heard
    reply = await platform._receiving.take(b"<xml><no/></xml>", b"")
    assert reply.status == 503
    async with running(platform, inbox):
        assert (await platform._receiving.take(b"<xml><no/></xml>", b"done")).body == b"done"
        assert (await platform._receiving.take(b"no xml", b"done")).body == b"done"
    assert [event.raw for event in inbox.events if isinstance(event, Unread)] == ["<xml><no/></xml>", "no xml"]


async def test_buttons_of_a_menu_are_words_and_counting_is_nothing(server: Tencent, open_account: Open) -> None:
    inbox = RecordingInbox()
    async with running(open_account(), inbox):
        await server.order("event", chat=ANN, event="VIEW", key="https://example.org")
        await server.order("event", chat=ANN, event="subscribe")
        await server.order("event", chat=ANN, event="CLICK", key="/new")
        await inbox.wait_for(lambda one: len(one.events) == 2)
    assert texts(inbox) == ["/help", "/new"]


async def test_a_burst_of_many_people_is_taken_each_in_order(server: Tencent, open_account: Open) -> None:
    inbox = RecordingInbox()
    async with running(open_account(), inbox):
        for number in range(10):
            for person in ("ann", "bob", "eve"):
                await server.write(f"{person} {number}", chat=person)
        await inbox.wait_for(lambda one: len(one.messages) == 30)
    for person in ("ann", "bob", "eve"):
        own = [one.did.text for one in inbox.messages if one.author == person and isinstance(one.did, Wrote)]
        assert own == [f"{person} {number}" for number in range(10)]


# --- credentials ------------------------------------------------------------------------------------------------------------------------


async def test_its_name_is_what_is_configured_and_bad_credentials_stop_it_at_once(server: Tencent, open_account: Open) -> None:
    """LEDGER H-56: once asked, and never again by itself."""
    inbox = RecordingInbox()
    async with running(open_account(), inbox):
        assert inbox.identity.startswith(RECEIVER)
    await server.order("revoke", code=40013)
    with pytest.raises(Config, match=r"\(40013\)\. Copy .* then start me again"):
        await asyncio.wait_for(open_account().run(RecordingInbox()), 20)
    assert [call["status"] for call in await server.calls(token_method(server))] == [0, 40013]


async def test_who_can_not_ask_can_be_called_all_the_same(server: Tencent, open_account: Open) -> None:
    """LEDGER H-54: what is brought while the API is away would not be brought again."""
    platform, inbox = open_account(), RecordingInbox()
    await server.fault("status", token_method(server), times=2, value=502)
    async with running(platform, inbox):
        await server.write("Hello")
        await inbox.wait_for(lambda one: texts(one) == ["Hello"])
        assert (await platform.send(PLACE, Message("Hi."))).refusal == "unknown"
        assert (await platform.send(PLACE, Message("Hi."))).refusal == ""


async def test_an_api_that_says_nothing_does_not_keep_it_from_being_called(
    server: Tencent, open_account: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LEDGER H-54."""
    monkeypatch.setattr(receiving, "LOOK_S_MAX", 0.2)
    await server.fault("delay_before", token_method(server), value=30)
    inbox = RecordingInbox()
    async with running(open_account(), inbox):
        await server.write("Hello")
        await inbox.wait_for(lambda one: texts(one) == ["Hello"])


async def test_a_token_is_asked_for_once_and_anew_when_it_is_not_taken_any_more(server: Tencent, open_account: Open) -> None:
    platform = open_account()
    await server.order("meet", chat=ANN)
    await asyncio.gather(*(platform.send(PLACE, Message(f"one {number}")) for number in range(2)))
    assert len(await server.calls(token_method(server))) == 1
    await server.order("expire")
    receipts = await asyncio.gather(*(platform.send(PLACE, Message(f"two {number}")) for number in range(2)))
    assert {one.refusal for one in receipts} == {""}
    assert len(await server.calls(token_method(server))) == 2
    assert len(await server.said()) == 4


async def test_a_token_that_is_about_to_end_is_renewed_before_it_is_used(server: Tencent, open_account: Open) -> None:
    clock = ManualClock()
    platform = open_account(clock)
    await server.order("meet", chat=ANN)
    await platform.send(PLACE, Message("one"))
    clock.advance(7200 - 299)
    assert (await platform.send(PLACE, Message("two"))).refusal == ""
    assert len(await server.calls(token_method(server))) == 2


async def test_an_address_that_is_not_on_the_list_stops_it_with_what_to_do(server: Tencent, open_account: Open) -> None:
    code = 60020 if server.kind == "wecom" else 40164
    platform = open_account()
    async with running(platform, RecordingInbox()) as receiving:
        await server.order("revoke", code=code)
        assert (await platform.send(PLACE, Message("Hi."))).account == "stopped"
        with pytest.raises(Config, match="Put the address of this machine on"):
            await asyncio.wait_for(receiving, 20)
    await server.order("move")
    async with running(platform, RecordingInbox()):
        """It goes on, once that is mended."""


async def test_no_error_quotes_a_secret(server: Tencent, open_account: Open) -> None:
    platform = open_account()
    said: list[str] = []
    for kind, value in (("drop_before", 0), ("garbage", 0), ("status", 500), ("status", 40013)):
        await server.fault(kind, token_method(server), value=value)
        said.append((await platform.send(PLACE, Message("Hi."))).why)
    server.kill()
    said.append((await platform.send(PLACE, Message("Hi."))).why)
    with pytest.raises(Temporary) as failed:
        await platform.fetch(Attachment(id="1/0", name="a", source="media"))
    said.append(str(failed.value))
    assert all(said)
    assert not any(SECRET in why or "access_token=" in why for why in said)


# --- sending ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "value", "refusal", "arrived"),
    [
        ("drop_before", 0, "unknown", 0),
        ("drop", 0, "unknown", 1),
        ("status_after", 502, "unknown", 1),
        ("status", 500, "unknown", 0),
        ("garbage", 0, "unknown", 1),
        ("status", -1, "unknown", 0),
        ("status", 45002, "refused", 0),
    ],
)
async def test_what_is_certain_and_what_is_not_are_told_apart(
    server: Tencent, open_account: Open, fault: str, value: float, refusal: str, arrived: int
) -> None:
    """LEDGER H-15, H-16."""
    platform = open_account()
    await server.order("meet", chat=ANN)
    await server.fault(fault, send_method(server), value=value)
    receipt = await platform.send(PLACE, Message("Hi."))
    assert (receipt.refusal, receipt.account) == (refusal, "")
    assert len(await server.said()) == arrived


async def test_markdown_is_shown_as_plain_text(server: Tencent, open_account: Open) -> None:
    await server.order("meet", chat=ANN)
    await open_account().send(PLACE, Message("# Title\n\n**bold** [page](https://example.org)"))
    assert await server.said() == ["Title\n\nbold page (https://example.org)"]


async def test_a_message_of_which_a_part_arrived_is_in_doubt(server: Tencent, open_account: Open, files: MemoryFiles) -> None:
    await server.order("meet", chat=ANN)
    picture = Produced(sha256=await put(files, PICTURE), name="chart.png", media_type="image/png")
    await server.fault("delay", send_method(server))
    await server.fault("status", send_method(server), value=45002)
    receipt = await open_account().send(PLACE, Message("Look here.", files=(picture,)))
    assert (receipt.refusal, await server.said()) == ("unknown", ["Look here."])


async def test_a_file_that_is_not_here_any_more_is_refused(server: Tencent, open_account: Open) -> None:
    await server.order("meet", chat=ANN)
    picture = Produced(sha256="ab" * 32, name="chart.png", media_type="image/png")
    assert (await open_account().send(PLACE, Message("chart.png", files=(picture,)))).refusal == "refused"
    assert not await server.shown()


# --- files of theirs ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["image", "voice", "video"])
async def test_pictures_voice_and_videos_are_fetched(server: Tencent, open_account: Open, files: MemoryFiles, kind: str) -> None:
    platform, inbox = open_account(), RecordingInbox()
    async with running(platform, inbox):
        await server.order("attach", chat=ANN, kind=kind, name="x", data=PICTURE)
        await inbox.wait_for(lambda one: len(one.messages) == 1)
        await server.order("expire")
        assert await files.read(await platform.fetch(attachment(inbox.messages[0]))) == PICTURE


async def test_a_file_that_is_gone_is_given_up_and_one_that_can_not_be_had_now_is_not(server: Tencent, open_account: Open) -> None:
    platform = open_account()
    with pytest.raises(Request, match="three days"):
        await platform.fetch(Attachment(id="1/0", name="a", source="never-was"))
    for fault, value in (("drop", 0), ("status", 502), ("status", 45009), ("status", -1), ("garbage", 0)):
        await server.fault(fault, "media/get", value=value)
        with pytest.raises(Temporary):
            await platform.fetch(Attachment(id="1/0", name="a", source="never-was"))


def attachment(incoming: Incoming) -> Attachment:
    assert isinstance(incoming.did, Wrote)
    return incoming.did.attachments[0]


# --- an independent client ------------------------------------------------------------------------------------------------------------------


async def test_the_server_of_these_tests_serves_a_client_that_we_did_not_write(server: Tencent) -> None:
    await server.order("meet", chat=ANN)

    def drive() -> None:
        clients = {"wecom": enterprise.WeChatClient, "official": wechatpy.WeChatClient}
        client = clients[server.kind](RECEIVER, SECRET, access_token=_token(server), auto_retry=False)
        client.API_BASE_URL = f"{server.base_url}/cgi-bin/"
        if server.kind == "wecom":
            client.message.send_text(1000002, [ANN], "你好")
        else:
            client.message.send_text(ANN, "你好")
        with pytest.raises(wechatpy.exceptions.WeChatClientException):
            client.media.upload("image", ("x.png", b"tiny"))

    await asyncio.to_thread(drive)
    assert await server.said() == ["你好"]


def _token(server: Tencent) -> str:
    """It would ask the real one."""
    said = {"grant_type": "client_credential", "appid": RECEIVER, "secret": SECRET}
    query = f"?corpid={RECEIVER}&corpsecret={SECRET}"
    with httpx2.Client(trust_env=False, verify=False, base_url=f"{server.base_url}/cgi-bin") as http:
        given = http.get(f"/gettoken{query}") if server.kind == "wecom" else http.post("/stable_token", json=said)
    return str(given.json()["access_token"])
