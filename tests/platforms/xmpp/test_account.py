"""One account on a real server: rooms, what is changed later, how connections end, and who is shown the password."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest

from holdfast import accounts
from holdfast.core.entries import Attachment
from holdfast.core.incoming import Deleted, Edited, Place, Unread, Wrote
from holdfast.errors import Config, Request, Temporary
from holdfast.platforms.xmpp import open_account, stream
from holdfast.ports import Message, Platform
from holdfast.runtime.clock import SystemClock
from holdfast.secrets import Secret
from holdfast.testing.contracts.chat import running, texts
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.prosody import ROOMS, Prosody, User
from holdfast.testing.recording_inbox import RecordingInbox
from holdfast.testing.xmpp_service import Person

Account = Callable[..., Platform]


@pytest.fixture
async def room(ann: Person) -> str:
    """Where Ann is."""
    room = f"r{secrets.token_hex(3)}@{ROOMS}"
    await ann.join(room)
    return room


@pytest.fixture
async def connected(account: Account) -> AsyncGenerator[Account]:
    """Opens accounts, and closes them."""
    opened: list[Platform] = []

    def open_one(**more: object) -> Platform:
        opened.append(account(**more))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


async def test_in_a_room_it_knows_who_speaks_and_to_whom(connected: Account, ann: Person, bot: User, room: str) -> None:
    inbox, nick = RecordingInbox(), bot.name
    async with running(connected(rooms=(room,)), inbox):
        await ann.send(room, "nothing for you", "groupchat")
        await ann.send(room, f"{nick}: hello", "groupchat")
        await ann.send(room, f"{nick}: !stop", "groupchat")
        await inbox.wait_for(lambda one: len(one.messages) == 3)
    aside, hello, stop = inbox.messages
    assert not aside.to_us
    assert hello.to_us and hello.group
    assert (hello.place, hello.author, hello.name) == (Place(room), ann.jid, "Ann")
    assert stop.did == Wrote("/stop")


async def test_what_was_said_in_a_room_meanwhile_comes_later_in_order(connected: Account, ann: Person, bot: User, room: str) -> None:
    """More than one page; and what it says there itself is not taken for somebody's."""
    platform, first, second = connected(rooms=(room,)), RecordingInbox(), RecordingInbox()
    async with running(platform, first):
        await ann.send(room, "before", "groupchat")
        await first.wait_for(lambda one: texts(one) == ["before"])
        assert (await platform.send(Place(room), Message("I am here", "a1/0"))).refusal == ""
    for number in range(120):
        await ann.send(room, f"{number}", "groupchat")
    await ann.send(bot.jid, "directly")
    second.cursor = first.cursor
    async with running(platform, second):
        await second.wait_for(lambda one: "119" in texts(one))
    assert [text for text in texts(second) if text.isdecimal()] == [f"{number}" for number in range(120)]
    assert "directly" in texts(second)
    assert "I am here" not in texts(second)


async def test_an_answer_in_a_room_is_a_reply_and_is_found_there(connected: Account, ann: Person, room: str) -> None:
    platform, inbox = connected(rooms=(room,)), RecordingInbox()
    async with running(platform, inbox):
        await ann.send(room, "who is here?", "groupchat")
        await inbox.wait_for(lambda one: len(one.messages) == 1)
        said = Message("Me.", "a1/0", replies_to=inbox.messages[0].id)
        receipt = await platform.send(Place(room), said)
        assert (receipt.refusal, await platform.find(Place(room), said, 0.0)) == ("", receipt.id)
        assert await platform.find(Place(room), Message("Me.", "a2/0"), 0.0) is None
    answer = (await ann.archive(of=room))[-1]
    assert (answer["body"], answer["reply"]["id"]) == ("Me.", inbox.messages[0].id)


async def test_a_room_that_does_not_let_us_in_is_passed_over(connected: Account, ann: Person) -> None:
    platform, inbox = connected(rooms=(f"a@nowhere.{ROOMS}", f"b@{ROOMS}")), RecordingInbox()
    place = Place(f"a@nowhere.{ROOMS}")
    async with running(platform, inbox):
        await ann.send(inbox.identity, "hello")
        await inbox.wait_for(lambda one: texts(one) == ["hello"])
        assert (await platform.send(place, Message("Hello?"))).refusal in {"retry", "blocked"}


async def test_a_room_that_it_was_taken_out_of_is_joined_again_and_nothing_is_missed(
    connected: Account, ann: Person, bot: User, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.platforms.xmpp.receiving.LOOK_S", 0.5)
    platform, inbox = connected(rooms=(room,)), RecordingInbox()
    async with running(platform, inbox):
        await ann.send(room, "one", "groupchat")
        await inbox.wait_for(lambda one: texts(one) == ["one"])
        await ann.kick(room, bot.name)
        await ann.send(room, "two", "groupchat")
        await inbox.wait_for(lambda one: texts(one) == ["one", "two"])


async def test_a_message_that_is_taken_back_is_gone_and_only_its_author_can(
    connected: Account, ann: Person, prosody: Prosody, bot: User
) -> None:
    inbox, bob = RecordingInbox(), Person(prosody.user("bob"), "Bob")
    try:
        async with running(connected(), inbox):
            id_ = await ann.send(bot.jid, "helo")
            await inbox.wait_for(lambda one: len(one.messages) == 1)
            await bob.send(bot.jid, "not mine", replace=id_)
            await bob.retract(bot.jid, id_)
            await ann.retract(bot.jid, id_)
            await inbox.wait_for(lambda one: len(one.messages) == 2)
        assert inbox.messages[1].did == Deleted()
        assert (inbox.messages[1].id, inbox.messages[1].author) == (inbox.messages[0].id, ann.jid)
    finally:
        await bob.close()


async def test_an_edit_of_a_message_of_long_ago_finds_it_in_the_archive(
    connected: Account, ann: Person, bot: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.platforms.xmpp.receiving.KNOWN_MAX", 0)
    inbox = RecordingInbox()
    async with running(connected(), inbox):
        id_ = await ann.send(bot.jid, "helo")
        for number in range(120):
            await ann.send(bot.jid, f"{number}")
        await ann.send(bot.jid, "hello", replace=id_)
        await ann.send(bot.jid, "never", replace="an id that nobody knows")
        await ann.send(bot.jid, "the end")
        await inbox.wait_for(lambda one: "the end" in texts(one))
    (edit,) = [event for event in inbox.messages if isinstance(event.did, Edited)]
    assert edit.id == inbox.messages[0].id


async def test_what_is_encrypted_is_said_to_be_so(connected: Account, ann: Person, bot: User) -> None:
    inbox = RecordingInbox()
    async with running(connected(), inbox):
        client = await ann.client()
        client.send_raw(
            f"<message to='{bot.jid}' type='chat' id='x1'><encrypted xmlns='eu.siacs.conversations.axolotl'/><body>I sent you an OMEMO message</body></message>"
        )
        await inbox.wait_for(lambda one: bool(one.events))
    assert isinstance(inbox.events[0], Unread)
    assert "OMEMO" in inbox.events[0].why


# --- how connections end ----------------------------------------------------------------------------------------------------------------


async def test_a_cut_connection_is_connected_again_by_others_and_nothing_is_missed(connected: Account, ann: Person, bot: User) -> None:
    platform, inbox = connected(), RecordingInbox()
    async with running(platform, inbox) as receiving:
        await ann.send(bot.jid, "one")
        await inbox.wait_for(lambda one: texts(one) == ["one"])
        await asyncio.to_thread(bot.cut)
        with pytest.raises(Temporary):
            await asyncio.wait_for(receiving, 20)
    await ann.send(bot.jid, "two")
    async with running(platform, inbox):
        await inbox.wait_for(lambda one: "two" in texts(one))


async def test_a_server_that_says_nothing_any_more_is_noticed(
    connected: Account, prosody: Prosody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.platforms.xmpp.account.CHECK_S", 0.2)
    monkeypatch.setattr(stream, "PING_S_MAX", 0.5)
    async with running(connected(), RecordingInbox()) as receiving:
        prosody.freeze()
        try:
            with pytest.raises(Temporary, match="did not answer"):
                await asyncio.wait_for(receiving, 20)
        finally:
            prosody.thaw()


async def test_two_gateways_with_one_user_are_told_so(connected: Account) -> None:
    one, other = connected(), connected()
    async with running(one, RecordingInbox()) as receiving, running(other, RecordingInbox()):
        with pytest.raises(Config, match="Somebody else signed in"):
            await asyncio.wait_for(receiving, 20)


async def test_a_wrong_password_is_a_matter_for_a_person(connected: Account, bot: User) -> None:
    platform = connected(password=Secret("env:SECRET", "wrong"))
    with pytest.raises(Config, match="does not take jid and password"):
        await platform.run(RecordingInbox())


async def test_what_a_server_refuses_is_classified(connected: Account, ann: Person, bot: User) -> None:
    platform = connected()
    for kind, condition, refusal in (
        ("wait", "resource-constraint", "retry"),
        ("cancel", "remote-server-timeout", "retry"),
        ("cancel", "service-unavailable", "blocked"),
        ("modify", "bad-request", "refused"),
    ):
        await asyncio.to_thread(bot.refused, kind, condition)
        receipt = await platform.send(Place(ann.jid), Message("Hello"))
        assert (receipt.refusal, receipt.account, condition in receipt.why) == (refusal, "", True)
    assert await ann.said(bot.jid) == []


# --- servers that lack something ----------------------------------------------------------------------------------------------------------


def settings_of(user: User) -> accounts.Xmpp:
    return accounts.Xmpp(jid=user.jid, password=Secret("env:SECRET", user.password), host="127.0.0.1", port=user.server.port)


def opened(user: User, folder: Path) -> Platform:
    return open_account("home", settings_of(user), MemoryFiles(), SystemClock(), folder)


async def test_without_an_archive_it_says_what_to_switch_on(tmp_path: Path, ann: Person) -> None:
    with Prosody(tmp_path / "server", archive=False) as server, pytest.raises(Config, match="mod_mam"):
        await asyncio.wait_for(opened(server.user("bot"), tmp_path).run(RecordingInbox()), 20)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    """A server whose certificate nobody vouches for."""
    folder = Path(tmp_path_factory.mktemp("encrypted"))
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            key,
            "-out",
            certificate,
            "-subj",
            "/CN=localhost",
            "-days",
            "2",
        ],
        check=True,
        capture_output=True,
    )
    with Prosody(folder / "server", certificate=(key, certificate)) as server:
        yield server


async def test_on_this_machine_any_certificate_is_good(encrypted: Prosody, tmp_path: Path) -> None:
    inbox = RecordingInbox()
    async with running(opened(encrypted.user("bot"), tmp_path), inbox):
        assert inbox.begun


async def test_elsewhere_a_certificate_is_checked(encrypted: Prosody, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "is_here", lambda _: False)
    with pytest.raises(Temporary, match="certificate"):
        await asyncio.wait_for(opened(encrypted.user("bot"), tmp_path).run(RecordingInbox()), 20)


async def test_elsewhere_nobody_is_shown_a_password_without_encryption(
    prosody: Prosody, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "is_here", lambda _: False)
    with pytest.raises(Config, match="offers no encrypted connection"):
        await asyncio.wait_for(opened(prosody.user("bot"), tmp_path).run(RecordingInbox()), 20)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://files.example.org/a.png", "https"),
        ("https://127.0.0.1/a.png", "private network"),
        ("https://10.0.0.1/a.png", "private network"),
        ("https://[::1]/a.png", "private network"),
        ("file:///etc/passwd", "https"),
        ("aesgcm://files.example.org/a.png#00", "encrypted"),
    ],
)
async def test_a_link_leads_nowhere_but_out(bot: User, tmp_path: Path, url: str, why: str) -> None:
    settings = accounts.Xmpp(jid="bot@example.net", password=Secret("env:SECRET", "x"), host="xmpp.example.net")
    with pytest.raises(Request, match=why):
        await open_account("home", settings, MemoryFiles(), SystemClock(), tmp_path).fetch(Attachment(id="1", name="a.png", source=url))
