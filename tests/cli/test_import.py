"""`holdfast import`: conversations from elsewhere, with their past, running nothing of it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast import cli
from holdfast.cli.client import Client
from holdfast.cli.jsonl import Found, conversations, name_of
from holdfast.core import request, turn
from holdfast.core.entries import AnyBody, AssistantMessage, Call, Entry, Notice, Question, ToolResult, ToolStarted, UserMessage
from holdfast.core.exported import Head, lines
from holdfast.core.request import Assistant, Message, Result, User
from holdfast.core.transcript import Transcript
from holdfast.core.world import Route, World
from holdfast.store.sqlite import SqliteJournal
from holdfast.web.wire import conversation_key, door_path

Command = Callable[..., tuple[int, str, str]]

SIMPLE = [
    {"conversation": "kitchen", "title": "Salt", "role": "user", "text": "Why is the sea salt?", "at": "2025-11-21T20:00:00Z"},
    {
        "conversation": "kitchen",
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "search", "arguments": "{}"}}],
    },
    {
        "conversation": "kitchen",
        "role": "tool",
        "tool_call_id": "1",
        "content": [{"type": "text", "text": "Rivers."}, {"type": "image_url"}],
    },
    {"conversation": "kitchen", "role": "assistant", "text": "Rivers bring it.", "at": 1763755203.5, "extra": 1},
    {"conversation": "kitchen", "role": "system", "text": "Be kind."},
    {"conversation": "A: B/C", "role": "user", "text": "Hello?"},
]


@pytest.fixture
def holdfast(home: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process: its exit code, and what it wrote."""
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["holdfast"])

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def write(file: Path, *objects: object) -> Path:
    file.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in objects))
    return file


def exported(*bodies: AnyBody, key: str = "web:local:x", account: str = "web:local", epoch: int = 1) -> bytes:
    entries = [Entry(seq, 1_000.0 + seq, epoch, body) for seq, body in enumerate(bodies, 1)]
    head = Head(holdfast=1, conversation=key, account=account, address=key.removeprefix(f"{account}:"), entries=len(entries))
    return b"".join(lines(head, entries))


def kept(home: Any, key: str) -> tuple[Entry, ...]:
    async def read() -> tuple[Entry, ...]:
        journal = SqliteJournal.open(home.data_dir)
        try:
            return (await journal.read(key, 0)).entries
        finally:
            await journal.close()

    return asyncio.run(read())


def asked_next(entries: tuple[Entry, ...]) -> tuple[Message, ...]:
    """What the model is asked when somebody writes there; that, and nothing else, is done then."""
    t = Transcript([*entries, Entry(entries[-1].seq + 1, 9e9, 0, UserMessage(author="local", id="new", text="Go on."))])
    steps = turn.steps(t, 2**40, World((Route("main", "route:main", images=True),)), 1e10)
    assert [step.subject for step in steps.wanted] == [("model",)]
    messages = request.build(t, t.last_outside, "").messages
    assert isinstance(messages[0], User)
    open_: list[str] = []
    for one, other in pairwise(messages):
        open_ = [call.id for call in one.calls] if isinstance(one, Assistant) else open_
        if isinstance(other, Result):
            assert other.call == open_.pop(0)
        else:
            assert not open_
            assert isinstance(one, Result) or type(one) is not type(other)
    return messages


# --- a dry run, and then --------------------------------------------------------------------------------------------------------------------


def test_it_says_first_what_would_come_and_changes_nothing(home: Any, tmp_path: Path, holdfast: Command) -> None:
    file = write(tmp_path / "talk.jsonl", *SIMPLE)
    code, out, err = holdfast("import", "jsonl", file)
    assert (code, err) == (2, f"holdfast: Nothing was changed. To do it: holdfast import jsonl {file} --yes\n")
    assert out.splitlines() == [
        "2 conversations with 5 messages would come here.",
        "Left out:",
        "    lines of other roles than user, assistant and tool (1)",
        "    pictures and other files (1)",
        "Texts are copied as they are, with whatever secrets stand in them. Nothing of them is run: what was not done there is not done here.",
    ]
    assert kept(home, "web:local:kitchen") == ()


def test_then_it_brings_them_once(home: Any, tmp_path: Path, holdfast: Command) -> None:
    file = write(tmp_path / "talk.jsonl", *SIMPLE)
    assert holdfast("import", "jsonl", file, "--yes")[1].endswith("2 conversations came here. `holdfast show` lists them.\n")
    before = kept(home, "web:local:kitchen")
    code, out, _ = holdfast("import", "jsonl", file, "--yes")
    assert (code, out) == (0, "Nothing new would come here.\n2 conversations are here already, and left as they are.\n")
    assert kept(home, "web:local:kitchen") == before
    assert [entry.at for entry in before if isinstance(entry.body, UserMessage | AssistantMessage)] == [
        1763755200.0,
        1763755200.0,
        1763755203.5,
    ]
    assert asked_next(before) == (
        User("Why is the sea salt?"),
        Assistant("", (Call(id="call_1_0", tool="search", arguments="{}"),)),
        Result("call_1_0", "search", "Rivers.\n[picture]"),
        Assistant("Rivers bring it."),
        User("Go on."),
    )


@pytest.mark.parametrize("runs", [True, False])
def test_what_was_forgotten_here_does_not_come_back_and_that_is_said(home: Any, tmp_path: Path, runs: bool) -> None:
    """Nor what was written there since then."""
    file = str(write(tmp_path / "talk.jsonl", *SIMPLE))
    if runs:
        home.start_real()
    assert home.holdfast("import", "jsonl", file, "--yes").returncode == 0
    assert home.holdfast("forget", "kitchen", "--yes").returncode == 0
    out = home.holdfast("import", "jsonl", file, "--yes").stdout.decode().splitlines()
    assert out[:3] == [
        "Nothing new would come here.",
        "1 conversation is here already, and left as it is.",
        "1 conversation was forgotten here, by your order, and stays forgotten:",
    ]
    assert re.fullmatch(rf"    web:local:kitchen: on {time.strftime('%Y')}-\d\d-\d\d \d\d:\d\d:\d\d", out[3])
    assert b"Rivers" not in home.holdfast("show", "kitchen").stdout


def test_what_was_not_answered_there_is_not_answered_here(home: Any, tmp_path: Path, holdfast: Command) -> None:
    holdfast("import", "jsonl", write(tmp_path / "talk.jsonl", *SIMPLE), "--yes")
    entries = kept(home, f"web:local:{name_of('A: B/C')}")
    assert asked_next(entries)[0].text.startswith("Hello?\n[I stopped this before you answered it.")


def test_whoever_asks_for_nothing_in_particular_is_told_what_there_is(holdfast: Command) -> None:
    code, _, err = holdfast("import")
    assert (code, err) == (2, "holdfast: Say from where: `holdfast import hermes DIR`, or `holdfast import jsonl FILE`.\n")


def test_a_dry_run_makes_nothing_not_even_a_folder(home: Any, tmp_path: Path, holdfast: Command) -> None:
    home.data_dir.rmdir()
    assert "2 conversations with 5 messages would come here." in holdfast("import", "jsonl", write(tmp_path / "talk.jsonl", *SIMPLE))[1]
    assert not home.data_dir.exists()
    assert "2 conversations came here." in holdfast("import", "jsonl", tmp_path / "talk.jsonl", "--yes")[1]


@pytest.mark.parametrize(("answer", "came"), [("yes", True), ("", False)])
def test_at_a_terminal_it_asks(
    home: Any, tmp_path: Path, holdfast: Command, monkeypatch: pytest.MonkeyPatch, answer: str, came: bool
) -> None:
    for module in ("importing", "questions"):
        monkeypatch.setattr(f"holdfast.cli.{module}.somebody_is_there", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    code, out, err = holdfast("import", "jsonl", write(tmp_path / "talk.jsonl", *SIMPLE))
    assert (code, "2 conversations came here." in out, err) == ((0, True, "") if came else (2, False, "holdfast: Nothing was changed.\n"))
    assert bool(kept(home, "web:local:kitchen")) == came


# --- the gateway, running -------------------------------------------------------------------------------------------------------------------


def test_with_the_gateway_running_they_come_through_its_door_and_are_gone_on_with(home: Any, tmp_path: Path) -> None:
    gateway = home.start_real()
    file = write(tmp_path / "talk.jsonl", *SIMPLE)
    done = home.holdfast("import", "jsonl", str(file), "--yes")
    assert done.returncode == 0, done.stderr
    assert b"2 conversations came here." in done.stdout
    assert b"2 conversations are here already" in home.holdfast("import", "jsonl", str(file)).stdout
    answered = home.holdfast("chat", "-q", "Hello", "--conversation", "kitchen")
    assert answered.returncode == 0
    home.kill(gateway, signal.SIGTERM)
    bodies = [entry.body for entry in kept(home, "web:local:kitchen")]
    last = [body for body in bodies if isinstance(body, AssistantMessage)][-1]
    assert (last.n, last.route) == (3, "main")
    assert last.usage.input_tokens >= sum(len(message.text) for message in asked_next(kept(home, "web:local:kitchen"))[:5]) // 4
    (other,) = [body for body in (entry.body for entry in kept(home, f"web:local:{name_of('A: B/C')}")) if isinstance(body, UserMessage)]
    assert other.text == "Hello?"


def test_two_who_bring_the_same_at_once_bring_it_once(home: Any, tmp_path: Path) -> None:
    home.start_real()
    body = [b"".join(lines(found.head, found.entries)) for found in conversations(write(tmp_path / "talk.jsonl", *SIMPLE)) if found.head]
    client, came = Client(door_path(home.data_dir, None)), list[bool]()
    threads = [threading.Thread(target=lambda: came.append(client.adopt([body[0]]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(came) == [False] * 7 + [True]


def test_an_import_that_was_killed_is_done_again(home: Any, tmp_path: Path) -> None:
    many = [{"conversation": f"c{number}", "role": "user", "text": f"m{number}"} for number in range(200)]
    file = write(tmp_path / "many.jsonl", *many)
    environ = {**home.environ, "HOLDFAST_FAILPOINT": "ingest.after_commit:50"}
    killed = home.begin("import", "jsonl", str(file), "--yes", environ=environ)
    assert killed.wait(30) == -signal.SIGKILL
    done = home.holdfast("import", "jsonl", str(file), "--yes")
    assert b"150 conversations came here." in done.stdout
    assert [entry.body.text for entry in kept(home, "web:local:c49") if isinstance(entry.body, UserMessage)] == ["m49"]


def test_when_the_gateway_dies_in_the_middle_it_says_how_far_it_came(home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [{"conversation": f"c{number}", "role": "user", "text": "x"} for number in range(9)]
    file = write(tmp_path / "many.jsonl", *many)
    monkeypatch.setenv("HOLDFAST_FAILPOINT", "ingest.after_commit:4")
    gateway = home.start_real()
    monkeypatch.delenv("HOLDFAST_FAILPOINT")
    done = home.holdfast("import", "jsonl", str(file), "--yes")
    assert done.returncode == 75
    assert done.stderr == b"holdfast: The gateway does not answer. 3 conversations came before. The same command brings the others.\n"
    assert gateway.wait(20) == -signal.SIGKILL
    assert b"5 conversations came here." in home.holdfast("import", "jsonl", str(file), "--yes").stdout


# --- what can't be taken ------------------------------------------------------------------------------------------------------------------


def found(tmp_path: Path, *texts: bytes) -> list[Found]:
    (tmp_path / "f.jsonl").write_bytes(b"".join(texts))
    return list(conversations(tmp_path / "f.jsonl"))


GOOD = exported(UserMessage(author="local", id="1", text="Hello"), key="web:local:good")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (GOOD.splitlines(keepends=True)[0], "0 of its 1 entries are here; was the file cut off?"),
        (GOOD[: len(GOOD) - 9], "line 2: it can't be read: JSON is malformed: invalid character (byte 89)"),
        (b"no json at all\n", "line 1 does not say which conversation it is of"),
        (b'{"conversation": "x", "role": "user", "at": "at noon"}\n', "line 1: 'at noon' is no time; write it as 2025-11-21T20:00:00Z"),
        (b'{"conversation": "x", "role": 7}\n', "line 1: it can't be read: Expected `str`, got `int` - at `$.role`"),
        (GOOD.replace(b'"holdfast":1', b'"holdfast":2'), "line 1: it can't be read: Invalid enum value 2 - at `$.holdfast`"),
        (
            GOOD.replace(b'"seq":1', b'"seq":5'),
            "its entries are not numbered from 1 on without a gap, or entry 1 has no possible time or epoch",
        ),
        (
            GOOD.replace(b'"at":1001.0', b'"at":1e300'),
            "its entries are not numbered from 1 on without a gap, or entry 1 has no possible time or epoch",
        ),
        (GOOD.replace(b"web:local:good", b"chat:bot:good"), "the key 'chat:bot:good' is none of the account 'web:local'"),
        (GOOD.replace(b"user/1", b"king/1"), "line 2: it can't be read: Invalid value 'king/1' - at `$.body.kind`"),
        (b"\xff\xfe" + GOOD, "line 1 does not say which conversation it is of"),
    ],
)
def test_what_is_broken_is_told_and_the_others_come(tmp_path: Path, broken: bytes, why: str) -> None:
    other = exported(UserMessage(author="local", id="1", text="Hi"), key="web:local:other")
    first, second = found(tmp_path, broken.rstrip(b"\n") + b"\n", other)
    assert (first.why, first.entries) == (why, ())
    assert second.entries


def test_lines_of_a_conversation_that_stand_apart_are_told(tmp_path: Path) -> None:
    one, other = (b'{"conversation": "%s", "role": "user", "text": "x"}\n' % name for name in (b"one", b"other"))
    assert [(f.name, f.why) for f in found(tmp_path, one, other, one)] == [
        ("one", ""),
        ("other", ""),
        ("one", "its lines do not stand together"),
    ]


def test_a_broken_file_ends_with_an_error_and_names_what_it_left(tmp_path: Path, holdfast: Command) -> None:
    (tmp_path / "f.jsonl").write_bytes(GOOD + b'{"conversation": "x", "role": 7}\n')
    code, out, _ = holdfast("import", "jsonl", tmp_path / "f.jsonl", "--yes")
    assert code == 2
    assert "1 conversation can't be read, and nothing of it comes:\n    x: line 3: it can't be read" in out
    assert "1 conversation came here." in out


@pytest.mark.parametrize("name", ["", "nowhere.jsonl"])
def test_a_file_that_is_none_is_a_sentence(tmp_path: Path, holdfast: Command, name: str) -> None:
    code, _, err = holdfast("import", "jsonl", tmp_path / name)
    assert code == 2
    assert "can't be read: " in err


def test_an_endless_line_is_a_sentence(tmp_path: Path, holdfast: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.cli.jsonl.LINE_BYTES_MAX", 100)
    (tmp_path / "f").write_bytes(b"x" * 1_000)
    code, _, err = holdfast("import", "jsonl", tmp_path / "f")
    assert code == 2
    assert "Is it a file of JSON Lines?" in err


def test_a_conversation_that_is_too_large_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.cli.jsonl.BYTES_MAX", 100)
    assert [one.why[:17] for one in found(tmp_path, GOOD)] == ["it is larger than"]


def test_what_was_under_way_is_brought_to_rest(tmp_path: Path) -> None:
    call = Call(id="call_1_0", tool="rm", arguments="{}")
    question = Question(question="approval", about="call_1_0", text="May I?", options=("once",), to="local", expires=9e9)
    (one,) = found(
        tmp_path, exported(UserMessage(author="local", id="1", text="Go"), AssistantMessage(n=1, seen=1, calls=(call,)), question)
    )
    assert one.head
    assert [type(entry.body) for entry in one.entries[:3]] == [UserMessage, AssistantMessage, Question]
    assert [entry.body.outcome for entry in one.entries if isinstance(entry.body, ToolResult)] == ["declined"]
    asked_next(one.entries)


def test_those_of_an_account_that_is_not_here_keep_it_and_wait_for_it(home: Any, tmp_path: Path, holdfast: Command) -> None:
    text = exported(UserMessage(author="77", id="1", text="Hello"), key="telegram:bot:77", account="telegram:bot")
    (tmp_path / "f.jsonl").write_bytes(text)
    _, out, _ = holdfast("import", "jsonl", tmp_path / "f.jsonl", "--yes")
    assert "1 conversation is of the account telegram:bot, which is not configured here: to be read, and gone on with once it is.\n" in out
    assert kept(home, "telegram:bot:77")[0].body == UserMessage(author="77", id="1", text="Hello")


RICH = exported(
    UserMessage(author="local", id="1", text="one"),
    AssistantMessage(n=1, seen=1, text="a", calls=(Call(id="call_1_0", tool="x", arguments="{}"),)),
    ToolStarted(call="call_1_0"),
    ToolResult(call="call_1_0", outcome="ok", text="r"),
    UserMessage(author="local", id="2", text="two"),
    AssistantMessage(n=2, seen=5, text="b"),
    Notice(text="n", replies_to=0),
).splitlines(keepends=True)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_hands_did_to_a_file_nothing_comes_that_can_not_be_gone_on_with(tmp_path: Path, data: st.DataObject) -> None:
    entries = [json.loads(line) for line in RICH[1:]]
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(entries) - 1))
        match data.draw(st.sampled_from(["drop", "double", "swap", "change"])):
            case "drop" if len(entries) > 1:
                del entries[at]
            case "double":
                entries.insert(at, json.loads(json.dumps(entries[at])))
            case "swap":
                entries[at], entries[0] = entries[0], entries[at]
            case _:
                field = data.draw(st.sampled_from(["n", "seen", "call", "of", "replies_to", "upto", "about"]))
                entries[at]["body"][field] = data.draw(st.sampled_from([0, -1, 3, 10**30, "call_1_0", "a1"]))
    for seq, entry in enumerate(entries, 1):
        entry["seq"] = seq
    head = json.loads(RICH[0]) | {"entries": len(entries)}
    (one,) = found(tmp_path, *(json.dumps(line).encode() + b"\n" for line in (head, *entries)))
    if not one.why:
        asked_next(one.entries)


@pytest.mark.parametrize("name", ["kitchen", "A: B/C", " x ", "", "\x00", "ä" * 99, "a/b", "a b"])
def test_any_name_becomes_one_that_a_conversation_can_have_and_always_the_same(name: str) -> None:
    assert conversation_key(name_of(name))
    assert name_of(name) == name_of(name)


# --- another program's sessions -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    folder = tmp_path / "foreign"
    (folder / "profiles/work").mkdir(parents=True)
    (folder / "profiles/work/state.db").touch()
    db = apsw.Connection(str(folder / "state.db"))
    db.execute("CREATE TABLE sessions (id, source, title, started_at)")
    db.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id, role, content, timestamp)")
    db.execute(
        "INSERT INTO sessions VALUES ('20250901_1', 'cli', 'Salt', 5.0), ('20250902_2', 'cli', NULL, 6.0), ('cron_1', 'cron', NULL, 7.0)"
    )
    db.execute("INSERT INTO messages VALUES (1, '20250901_1', 'user', 'Why?', 5.0), (2, '20250901_1', 'assistant', 'Rivers.', 6.0)")
    db.close()
    return folder


def test_sessions_of_another_program_become_conversations(home: Any, foreign: Path, holdfast: Command) -> None:
    code, out, _ = holdfast("import", "hermes", foreign, "--yes")
    assert code == 0
    assert out.splitlines() == [
        f"{foreign}/state.db of hermes-agent:",
        f"(The profile work there has conversations of its own: holdfast import hermes {foreign}/profiles/work)",
        "1 conversation with 2 messages would come here.",
        "Left out:",
        "    conversations in which nothing was said (1)",
        "    runs of scheduled jobs (1)",
        "Texts are copied as they are, with whatever secrets stand in them. Nothing of them is run: what was not done there is not done here.",
        "1 conversation came here. `holdfast show` lists them.",
    ]
    assert [message.text for message in asked_next(kept(home, "web:local:hermes 20250901_1"))] == ["Why?", "Rivers.", "Go on."]
    assert "1 conversation is here already, and left as it is." in holdfast("import", "hermes", foreign / "state.db")[1]


def test_a_folder_that_holds_none_is_a_sentence(tmp_path: Path, holdfast: Command) -> None:
    code, _, err = holdfast("import", "hermes", tmp_path)
    assert (code, "There is no state.db in" in err) == (2, True)
