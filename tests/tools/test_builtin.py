"""The gateway's own tools: they touch their conversation and no other, and tell a model that calls them wrongly how to call them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from holdfast.core.entries import (
    AssistantMessage,
    Attachment,
    Call,
    Command,
    Correction,
    Fact,
    Fetched,
    Outside,
    Produced,
    ToolResult,
    UserMessage,
)
from holdfast.core.request import Tool
from holdfast.local_time import LocalTime
from holdfast.ports import Arrival, Nobody, Release, ToolOutcome
from holdfast.settings import OWN_TOOLS
from holdfast.testing.clock import ManualClock
from holdfast.testing.memory_files import MemoryFiles
from holdfast.testing.memory_journal import MemoryJournal
from holdfast.tools.builtin import (
    AHEAD_S_MAX,
    ENTRIES_PER_PAGE,
    EVERY_S_MIN,
    NAMED_MAX,
    READ_CHARS,
    READ_CHARS_MAX,
    REMINDERS_MAX,
    TEXT_CHARS_MAX,
    TOOLS,
    BuiltIn,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 15, 42, tzinfo=BERLIN).timestamp()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


class Ann(Nobody):
    """Whoever calls."""

    def __init__(self, conversation: str = "fake:c") -> None:
        self.conversation, self.account, self.address, self.author = conversation, "fake", conversation.partition(":")[2], "ann"


@dataclass
class Rig:
    """The tools, and a journal with conversations."""

    journal: MemoryJournal
    files: MemoryFiles
    clock: ManualClock
    tools: BuiltIn
    messages: int = 0
    calls: int = 0

    async def ask(self, tool: str, conversation: str = "fake:c", id_: str = "", **arguments: Any) -> ToolOutcome:
        self.calls += 1
        call = Call(id=id_ or f"call_1_{self.calls}", tool=f"{OWN_TOOLS}__{tool}", arguments=json.dumps(arguments))
        return await self.tools.call(call, Ann(conversation))

    async def arrive(self, body: Outside, conversation: str = "fake:c") -> None:
        self.messages += 1
        where = conversation, "fake", conversation.partition(":")[2]
        await self.journal.ingest([Arrival(*where, f"{conversation} {self.messages}", body, self.clock.now())])

    async def answered(self, *bodies: Fact, conversation: str = "fake:c") -> None:
        """Facts of a worker."""
        await self.arrive(Command(author="ann", id=f"c{self.messages}", name="status"), conversation)
        leases = await self.journal.claim("us", self.clock.now(), ("fake",), {}, 10)
        for lease in leases:
            wakes = (await self.journal.read(lease.conversation, 0)).wakes
            facts = bodies if lease.conversation == conversation else ()
            await self.journal.append(lease, self.clock.now(), wakes, facts, release=Release())

    async def sent(self, name: str, data: bytes, conversation: str = "fake:c", message: str = "m") -> str:
        """A file that came with a message. Returns its sha256."""
        sha256 = await self.kept(data)
        attachment = Attachment(id=f"{conversation} {self.messages}", name=name)
        await self.arrive(UserMessage(author="ann", id=message, text="Look.", attachments=(attachment,)), conversation)
        await self.answered(Fetched(attachment=attachment.id, sha256=sha256), conversation=conversation)
        return sha256

    async def kept(self, data: bytes) -> str:
        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return await self.files.put(chunks())


@pytest.fixture
def rig() -> Rig:
    clock = ManualClock(NOW)
    journal, files = MemoryJournal(), MemoryFiles()
    return Rig(journal, files, clock, BuiltIn(journal, files, clock, LocalTime(BERLIN)))


def error_of(outcome: ToolOutcome) -> str:
    assert outcome.outcome == "error", outcome
    return outcome.text


def text_of(outcome: ToolOutcome) -> str:
    assert outcome.outcome == "ok", outcome
    return outcome.text


# --- what they are --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_each_may_be_called_and_called_again_and_says_what_it_takes(tool: Tool) -> None:
    assert tool.name.startswith(f"{OWN_TOOLS}__") and tool.server == OWN_TOOLS
    assert tool.repeatable and tool.policy == "allow"
    assert tool.schema["type"] == "object"
    assert set(tool.schema["required"]) <= set(tool.schema["properties"])
    assert all(one["description"] for one in tool.schema["properties"].values())


def test_a_small_model_can_read_them_all_in_a_few_hundred_tokens() -> None:
    assert sum(len(tool.name) + len(tool.description) + len(json.dumps(tool.schema)) for tool in TOOLS) < 2_600


async def test_they_are_always_there_and_have_no_server(rig: Rig) -> None:
    await rig.tools.ready()
    assert rig.tools.tools() is rig.tools.tools()
    assert rig.tools.servers() == ()


async def test_an_unknown_tool_is_an_error(rig: Rig) -> None:
    assert "holdfast__sing" in error_of(await rig.ask("sing"))


@pytest.mark.parametrize("arguments", ["[]", '{"file": ', '{"file": 3}', "{}", '{"file": "\\ud83d"}', "null"])
async def test_arguments_that_make_no_sense_are_an_error_that_says_why(rig: Rig, arguments: str) -> None:
    outcome = await rig.tools.call(Call(id="call_1_0", tool="holdfast__read_attachment", arguments=arguments), Ann())
    assert "holdfast__read_attachment can't be called with these arguments" in error_of(outcome) or "There is no file" in error_of(outcome)


async def test_a_number_in_quotes_is_a_number(rig: Rig) -> None:
    await rig.sent("notes.txt", b"0123456789")
    assert "characters 4 to 6 of 10" in text_of(await rig.ask("read_attachment", file="notes.txt", start="4", chars="2"))


# --- now ------------------------------------------------------------------------------------------------------------------------------


async def test_it_says_what_time_it_is_where_the_owner_lives_and_where_this_is_said(rig: Rig) -> None:
    said = text_of(await rig.ask("now"))
    assert "Saturday, 21 November 2026, 15:42 (CET)" in said and "2026-11-21T15:42:00+01:00" in said
    assert "'fake:c'" in said and "platform 'fake'" in said


# --- files ----------------------------------------------------------------------------------------------------------------------------


async def test_a_long_text_is_read_in_parts(rig: Rig) -> None:
    whole = "".join(f"{number:07}\n" for number in range(10_000))
    sha256 = await rig.kept(whole.encode())
    await rig.answered(ToolResult(call="call_1_0", outcome="ok", files=(Produced(sha256=sha256, name="result.txt", whole=True),)))
    read, start = "", 0
    for _ in range(5):
        head, _, part = text_of(await rig.ask("read_attachment", file=sha256[:16], start=start)).partition("\n")
        assert f"characters {start} to {start + len(part)} of {len(whole)}" in head
        read += part
        if "that is its end" in head:
            break
        start = int(head.rpartition("start=")[2].rstrip("]"))
    assert read == whole
    assert start == 4 * READ_CHARS


async def test_one_part_is_bounded(rig: Rig) -> None:
    await rig.sent("notes.txt", b"x" * 200_000)
    said = text_of(await rig.ask("read_attachment", file="notes.txt", chars=10**9))
    assert said.endswith("x" * READ_CHARS_MAX) and f"start={READ_CHARS_MAX}" in said and len(said) < READ_CHARS_MAX + 200


@pytest.mark.parametrize(("start", "chars"), [(10, 5), (-1, 5), (0, 0), (10**12, 1)])
async def test_a_part_that_is_not_there_is_an_error_that_says_how_long_it_is(rig: Rig, start: int, chars: int) -> None:
    await rig.sent("notes.txt", b"0123456789")
    assert "has 10 characters" in error_of(await rig.ask("read_attachment", file="notes.txt", start=start, chars=chars))


async def test_an_empty_file_is_an_empty_text(rig: Rig) -> None:
    await rig.sent("notes.txt", b"")
    assert "characters 0 to 0 of 0" in text_of(await rig.ask("read_attachment", file="notes.txt"))


async def test_characters_are_counted_not_bytes(rig: Rig) -> None:
    await rig.sent("notes.txt", "\ufeffäöü€𝄞!".encode())
    assert text_of(await rig.ask("read_attachment", file="notes.txt", start=3, chars=2)).endswith("\n€𝄞")


async def test_of_two_files_of_one_name_the_newest_is_read_and_the_other_by_its_id(rig: Rig) -> None:
    old = await rig.sent("notes.txt", b"old")
    await rig.sent("notes.txt", b"new")
    assert text_of(await rig.ask("read_attachment", file="notes.txt")).endswith("\nnew")
    assert text_of(await rig.ask("read_attachment", file=old[:16])).endswith("\nold")


async def test_a_picture_says_that_it_is_one(rig: Rig) -> None:
    await rig.sent("photo.txt", PNG)
    assert "is a picture (image/png" in error_of(await rig.ask("read_attachment", file="photo.txt"))


@pytest.mark.parametrize("data", [b"\xff\xfe\x00\x01", b"MZ\0\0\0", "für".encode("latin-1")])
async def test_what_is_no_text_says_so(rig: Rig, data: bytes) -> None:
    await rig.sent("tool.exe", data)
    assert "is not a text" in error_of(await rig.ask("read_attachment", file="tool.exe"))


async def test_the_output_of_a_terminal_is_a_text(rig: Rig) -> None:
    await rig.sent("log", b"\x1b[31mred\x1b[0m")
    assert "red" in text_of(await rig.ask("read_attachment", file="log"))


async def test_a_file_of_another_conversation_is_not_there(rig: Rig) -> None:
    """H-60: no leak across conversations, whatever is known of the file."""
    theirs = await rig.sent("secret.txt", b"their secret", conversation="fake:d")
    await rig.sent("mine.txt", b"mine")
    for wanted in ("secret.txt", theirs, theirs[:16]):
        said = error_of(await rig.ask("read_attachment", file=wanted))
        assert "secret" not in said.replace(wanted, "") and "mine.txt" in said
    assert "secret" in text_of(await rig.ask("read_attachment", conversation="fake:d", file="secret.txt"))


async def test_a_short_beginning_of_an_id_is_none(rig: Rig) -> None:
    sha256 = await rig.sent("notes.txt", b"text")
    assert "no file" in error_of(await rig.ask("read_attachment", file=sha256[:8]))
    assert "no file" in error_of(await rig.ask("read_attachment", file=""))


async def test_what_came_before_new_or_was_deleted_is_not_there(rig: Rig) -> None:
    await rig.sent("old.txt", b"old")
    await rig.arrive(Command(author="ann", id="c", name="new"))
    await rig.sent("gone.txt", b"gone", message="g")
    await rig.sent("here.txt", b"here")
    await rig.arrive(Correction(author="ann", id="x", of="g", text=None))
    assert "There are: here.txt (" in error_of(await rig.ask("read_attachment", file="gone.txt"))
    assert "no file" in error_of(await rig.ask("read_attachment", file="old.txt"))


async def test_what_could_not_be_fetched_is_not_there(rig: Rig) -> None:
    await rig.arrive(UserMessage(author="ann", id="m", text="", attachments=(Attachment(id="a", name="lost.txt"),)))
    await rig.answered(Fetched(attachment="a", why="it is gone"))
    assert "There are none" in error_of(await rig.ask("read_attachment", file="lost.txt"))


async def test_a_file_that_is_gone_from_the_folder_says_so(rig: Rig) -> None:
    sha256 = await rig.sent("notes.txt", b"text")
    del rig.files.kept[sha256]
    assert "no file" in error_of(await rig.ask("read_attachment", file="notes.txt"))


async def test_an_old_file_is_found_behind_many_entries_and_not_too_many_are_named(rig: Rig) -> None:
    await rig.sent("old.txt", b"old")
    for number in range(NAMED_MAX + 5):
        await rig.sent(f"{number}.txt", str(number).encode())
    for number in range(2 * ENTRIES_PER_PAGE):
        await rig.arrive(UserMessage(author="ann", id=f"x{number}", text="x"))
    assert text_of(await rig.ask("read_attachment", file="old.txt")).endswith("\nold")
    assert error_of(await rig.ask("read_attachment", file="none.txt")).count(".txt (") == NAMED_MAX


# --- reminders ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "at"),
    [
        ("10 minutes", "2026-11-21T15:52"),
        ("in 10 min", "2026-11-21T15:52"),
        ("90s", "2026-11-21T15:43:30"),
        ("1.5 hours", "2026-11-21T17:12"),
        ("2 Days", "2026-11-23T15:42"),
        ("1 week", "2026-11-28T15:42"),
        ("2026-11-21T18:30", "2026-11-21T18:30"),
        ("2026-11-21 18:30:15", "2026-11-21T18:30:15"),
        ("2026-11-21T18:30:00Z", "2026-11-21T19:30"),
        ("2026-11-21T18:30-05:00", "2026-11-22T00:30"),
        ("2027-07-01T09:00", "2027-07-01T09:00"),
        ("2026-12-24", "2026-12-24T00:00"),
        ("18:30", "2026-11-21T18:30"),
        ("9:05", "2026-11-22T09:05"),
    ],
)
async def test_a_time_from_now_or_of_the_owners_clock_is_understood(rig: Rig, when: str, at: str) -> None:
    said = text_of(await rig.ask("remind", text="Stand up.", when=when))
    (timer,) = await rig.journal.timers("fake:c")
    assert timer.at == datetime.fromisoformat(at).replace(tzinfo=BERLIN).timestamp()
    assert timer.every_s == 0 and timer.since == timer.at
    assert LocalTime(BERLIN).said(timer.at) in said and "Stand up." in said


@pytest.mark.parametrize("when", ["", "soon", "tomorrow", "10", "10 months", "-5 minutes", "25:00", "2026-13-01", "99999999 weeks", "P1D"])
async def test_a_time_that_is_none_is_an_error_with_an_example(rig: Rig, when: str) -> None:
    said = error_of(await rig.ask("remind", text="Stand up.", when=when))
    assert "such as '10 minutes'" in said or "at most 5 years" in said
    assert await rig.journal.timers("fake:c") == ()


@pytest.mark.parametrize(
    "when", ["2026-11-21T15:41", "1 second", "2020-01-01T00:00", "2032-11-21T15:42", "1900 days", "0001-01-01", "9999-12-31T23:59-12:00"]
)
async def test_a_time_that_is_past_too_near_or_too_far_is_an_error_that_says_what_time_it_is(rig: Rig, when: str) -> None:
    said = error_of(await rig.ask("remind", text="Stand up.", when=when))
    assert "now it is Saturday, 21 November 2026, 15:42 (CET)" in said and "at most 5 years" in said


async def test_the_shortest_time_is_enough_also_in_mid_second(rig: Rig) -> None:
    rig.clock.advance(0.6)
    assert text_of(await rig.ask("remind", text="Stand up.", when="10 seconds"))


@pytest.mark.parametrize(
    ("every", "every_s", "said"),
    [("30 minutes", 1800.0, "30 minutes"), ("day", 86_400.0, "1 day"), ("1 week", 604_800.0, "7 days"), ("60 h", 216_000.0, "60 hours")],
)
async def test_it_can_come_again_and_again(rig: Rig, every: str, every_s: float, said: str) -> None:
    assert f"then every {said}:" in text_of(await rig.ask("remind", text="Stand up.", when="09:00", every=every))
    (timer,) = await rig.journal.timers("fake:c")
    assert timer.every_s == every_s


@pytest.mark.parametrize("every", ["often", "59 s", "0 minutes", "10 years", "9999 weeks", "Monday"])
async def test_how_often_has_bounds(rig: Rig, every: str) -> None:
    said = error_of(await rig.ask("remind", text="Stand up.", when="09:00", every=every))
    assert "`every` is" in said
    assert EVERY_S_MIN == 60 and AHEAD_S_MAX > 5 * 365 * 86_400


@pytest.mark.parametrize("text", ["", "  ", "x" * (TEXT_CHARS_MAX + 1)])
async def test_what_to_do_then_has_to_be_said_and_not_at_too_great_a_length(rig: Rig, text: str) -> None:
    assert "`text` has" in error_of(await rig.ask("remind", text=text, when="09:00"))


async def test_so_many_reminders_are_kept_and_no_more(rig: Rig) -> None:
    for number in range(REMINDERS_MAX):
        text_of(await rig.ask("remind", id_=f"call_2_{number}", text="Stand up.", when="09:00"))
    assert "Forget one first" in error_of(await rig.ask("remind", text="Stand up.", when="09:00"))
    assert text_of(await rig.ask("remind", id_="call_2_0", text="Stand up.", when="09:00")), "made again it is the same one"
    assert text_of(await rig.ask("remind", conversation="fake:d", text="Stand up.", when="09:00")), "each conversation has its own"


async def test_a_call_that_is_made_again_later_sets_the_same_timer_counted_from_the_answer_that_made_it(rig: Rig) -> None:
    call = Call(id="call_1_0", tool="holdfast__remind", arguments='{"text": "Stand up.", "when": "10 minutes"}')
    await rig.answered(AssistantMessage(n=1, seen=1, calls=(call,)))
    await rig.tools.call(call, Ann())
    rig.clock.advance(3600)
    assert text_of(await rig.tools.call(call, Ann()))
    (timer,) = await rig.journal.timers("fake:c")
    assert timer.at == NOW + 600


async def test_when_it_is_due_the_person_who_asked_is_its_author(rig: Rig) -> None:
    await rig.ask("remind", text="Stand up.", when="09:00")
    (timer,) = await rig.journal.timers("fake:c")
    body = timer.arrival.body
    assert isinstance(body, UserMessage) and body.author == "ann" and body.scheduled
    assert (timer.arrival.account, timer.arrival.address) == ("fake", "c")


async def test_those_to_come_are_listed_with_ids_by_which_they_are_forgotten(rig: Rig) -> None:
    assert "no reminders" in text_of(await rig.ask("reminders"))
    await rig.ask("remind", id_="call_1_0", text="Stand up.", when="09:00", every="1 day")
    await rig.ask("remind", id_="call_2_0", text="Call Bob.", when="18:00")
    await rig.ask("remind", conversation="fake:d", id_="call_3_0", text="Secret.", when="18:00")
    first, second = text_of(await rig.ask("reminders")).splitlines()
    assert first.startswith("call_2_0: ") and "Call Bob." in first
    assert second.startswith("call_1_0: ") and "every 1 day: Stand up." in second
    assert "Call Bob." in text_of(await rig.ask("forget_reminder", id="call_2_0"))
    assert "Call Bob." not in text_of(await rig.ask("reminders"))


async def test_forgetting_one_that_is_not_there_changes_nothing_and_names_those_that_are(rig: Rig) -> None:
    await rig.ask("remind", id_="call_1_0", text="Stand up.", when="09:00")
    await rig.ask("remind", conversation="fake:d", id_="call_3_0", text="Secret.", when="18:00")
    for wrong in ("call_3_0", "fake:d call_3_0", ""):
        said = text_of(await rig.ask("forget_reminder", id=wrong))
        assert "There is no reminder" in said and "call_1_0: " in said and "Secret" not in said
    assert len(await rig.journal.timers("fake:d")) == len(await rig.journal.timers("fake:c")) == 1


async def test_the_time_of_day_is_that_of_the_owner_in_summer_too(rig: Rig) -> None:
    rig.clock.advance(timedelta(days=220).total_seconds())
    await rig.ask("remind", text="Stand up.", when="09:00")
    (timer,) = await rig.journal.timers("fake:c")
    assert LocalTime(BERLIN).at(timer.at).isoformat(timespec="minutes").endswith("T09:00+02:00")
    assert replace(timer, key="") != timer
