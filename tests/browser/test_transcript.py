"""What the page makes of entries (`transcript.js`), asked in a browser that has nothing but the page's files."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.needs("chromium")

Items = Callable[..., Coroutine[Any, Any, list[dict[str, Any]]]]


@pytest.fixture
def items(scripts: Page) -> Items:
    """`items(bodies, **what)`: the items of these entries, numbered from 1."""

    async def ask(*bodies: dict[str, Any], **what: Any) -> list[dict[str, Any]]:
        entries = [{"seq": seq, "at": 1000.0 + seq, "epoch": 1, "body": body} for seq, body in enumerate(bodies, start=1)]
        found: list[dict[str, Any]] = await scripts.evaluate(
            "async (what) => (await import('/assets/transcript.js')).itemsOf(what)", {"entries": entries, **what}
        )
        return found

    return ask


def user(id: str, text: str = "Hello", **more: Any) -> dict[str, Any]:  # noqa: A002 the entries' word
    return {"kind": "user/1", "author": "local", "id": id, "text": text, **more}


def notice(text: str, **more: Any) -> dict[str, Any]:
    return {"kind": "notice/1", "text": text, **more}


def command(id: str, name: str, args: str = "") -> dict[str, Any]:  # noqa: A002 the entries' word
    return {"kind": "command/1", "author": "local", "id": id, "name": name, "args": args}


def choice(id: str, question: int, option: str) -> dict[str, Any]:  # noqa: A002 the entries' word
    return {"kind": "choice/1", "author": "local", "id": id, "question": question, "option": option}


def answer(n: int, seen: int, text: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"kind": "answer/1", "n": n, "seen": seen, "text": text, **more}


def calls(n: int, seen: int, *tools: str) -> dict[str, Any]:
    return answer(n, seen, "", calls=[{"id": f"call_{n}_{i}", "tool": tool, "arguments": "{}"} for i, tool in enumerate(tools)])


def question(kind: str, about: str, *options: str, **more: Any) -> dict[str, Any]:
    return {"kind": "question/1", "question": kind, "about": about, "text": "May I?", "options": list(options), **more}


def kinds(items: list[dict[str, Any]]) -> list[str]:
    return [item["type"] for item in items]


async def test_a_note_to_the_owner_is_an_item_of_its_own(items: Items) -> None:
    (note,) = await items({"kind": "note/1", "text": "main can't be used."})
    assert (note["type"], note["text"]) == ("owner", "main can't be used.")


async def test_what_is_said_of_a_wait_is_shown_when_it_is_over_in_its_place(items: Items) -> None:
    waits = {"kind": "notice/1", "text": "main has not answered.", "about": 1, "stands": True}
    over = {"kind": "notice/1", "text": "That took 3 min. It goes on.", "edits": 2}
    assert kinds(await items(user("k1"), waits)) == ["message"], "how it stands is shown below"
    took = await items(user("k1"), waits, answer(1, 1), over)
    assert [item["text"] for item in took] == ["Hello", over["text"], "Hi"]


@pytest.mark.parametrize("state", ["working", "waiting", "asking"])
async def test_an_unanswered_message_is_as_its_conversation_stands(items: Items, state: str) -> None:
    (one,) = await items(user("k1"), standing={"state": state})
    assert (one["id"], one["state"]) == ("key:k1", state)


async def test_a_message_is_saved_where_nothing_more_is_known(items: Items) -> None:
    assert [item["state"] for item in await items(user("k1"))] == ["saved"]


async def test_a_message_is_answered_by_an_answer_that_has_seen_it_and_calls_nothing(items: Items) -> None:
    shown = await items(user("k1"), answer(1, 1), user("k3"), calls(2, 3, "t"), standing={"state": "working"})
    assert [(item["type"], item.get("state")) for item in shown] == [
        ("message", "answered"),
        ("answer", None),
        ("message", "working"),
        ("tool", "soon"),
    ]


async def test_an_answer_stands_before_the_messages_it_has_not_seen(items: Items) -> None:
    shown = await items(user("k1"), user("k2"), answer(1, 1), standing={"state": "working"})
    assert [item["id"] for item in shown] == ["key:k1", "answer:a1", "key:k2"]
    live = {"name": "a1", "text": "H", "seen": 1, "stale": False}
    waiting = {"key": "k3", "text": "More", "attachments": [], "state": "sending", "why": "", "at": 1.0}
    assert [item["id"] for item in await items(user("k1"), user("k2"), live=live, outbox=[waiting])] == [
        "key:k1",
        "answer:a1",
        "key:k2",
        "key:k3",
    ]


async def test_what_is_in_the_transcript_is_not_shown_from_the_outbox_or_as_being_written(items: Items) -> None:
    outbox = [{"key": "k1", "text": "Hello", "attachments": [], "state": "saved", "why": "", "at": 1.0}]
    live = {"name": "a1", "text": "H", "seen": 1, "stale": False}
    assert kinds(await items(user("k1"), answer(1, 1), outbox=outbox, live=live)) == ["message", "answer"]


async def test_calls_end_as_their_results_say(items: Items) -> None:
    results = [
        {"kind": "result/1", "call": f"call_1_{i}", "outcome": outcome} for i, outcome in enumerate(("ok", "error", "declined", "unknown"))
    ]
    shown = await items(user("k1"), calls(1, 1, *"abcde"), *results, {"kind": "tool_started/1", "call": "call_1_4"})
    assert [item["state"] for item in shown[1:]] == ["ok", "failed", "declined", "unknown", "working"]


async def test_a_call_that_is_made_again_says_so(items: Items) -> None:
    started = {"kind": "tool_started/1", "call": "call_1_0", "repeatable": True}
    (_, tool) = await items(user("k1"), calls(1, 1, "t"), started, started)
    assert (tool["state"], tool["again"]) == ("working", True)


@pytest.mark.parametrize("order", ["stop", "new"])
async def test_a_cut_leaves_what_was_not_answered_stopped(items: Items, order: str) -> None:
    shown = await items(user("k1"), answer(1, 1), user("k3"), command("k4", order), answer(2, 3, "late"), standing={"state": "idle"})
    assert [item["state"] for item in shown if item["type"] == "message"] == ["answered", "stopped"]
    assert [item["cut"] for item in shown if item["type"] == "answer"] == [False, True]
    assert ("divider" in kinds(shown)) == (order == "new")


async def test_the_part_of_a_stopped_answer_stays_where_it_was(items: Items) -> None:
    partials = [{"after": 2, "name": "a1", "text": "Half an"}]
    shown = await items(user("k1"), command("k2", "stop"), user("k3"), partials=partials)
    assert [(item["type"], item.get("cut")) for item in shown] == [
        ("message", None),
        ("command", None),
        ("answer", True),
        ("message", None),
    ]


@pytest.mark.parametrize(
    ("closing", "closed", "option"),
    [
        (choice("k", 3, "yes"), "choice", "yes"),
        (choice("k", 3, "perhaps"), "", ""),
        (choice("k", 9, "yes"), "", ""),
        (user("k"), "message", ""),
        (user("k", scheduled=True), "", ""),
        (user("k", author="ann"), "", ""),
        ({"kind": "notice/1", "text": "Nobody answered.", "about": 3}, "notice", ""),
        (command("k", "status"), "", ""),
    ],
)
async def test_a_question_is_closed_by_its_choice_a_message_or_its_end(
    items: Items, closing: dict[str, Any], closed: str, option: str
) -> None:
    asked = question("approval", "call_1_0", "yes", "no", overtakable=True, to="local")
    shown = await items(user("k1"), calls(1, 1, "t"), asked, closing)
    (found,) = [item for item in shown if item["type"] == "question"]
    assert (found["closed"], found["option"]) == (closed, option)


async def test_after_a_stop_nobody_is_asked_whether_to_go_on(items: Items) -> None:
    shown = await items(user("k1"), question("budget", "1", "go on", "stop"), command("k", "stop"))
    assert [item["closed"] for item in shown if item["type"] == "question"] == ["message"]


async def test_a_free_question_is_closed_by_any_words_of_the_one_who_was_asked(items: Items) -> None:
    asked = question("elicitation", "call_1_0", "decline", free=True, to="local")
    for words, author, closed in (("the blue one", "local", "choice"), ("the blue one", "ann", ""), ("", "local", "")):
        shown = await items(user("k1"), calls(1, 1, "t"), asked, {**choice("k", 3, words), "author": author})
        (found,) = [item for item in shown if item["type"] == "question"]
        assert (found["closed"], found["option"], found["free"]) == (closed, words if closed else "", True)


async def test_a_question_says_what_was_said_of_its_end_and_that_is_said_once(items: Items) -> None:
    end = notice("It is not needed any more.", about=2)
    shown = await items(user("k1"), question("approval", "c", "yes"), end)
    assert kinds(shown) == ["message", "question"]
    assert (shown[1]["why"], shown[1]["alone"]) == ("It is not needed any more.", True)
    shown = await items(user("k1"), question("approval", "c", "yes"), command("k3", "stop"), {**end})
    assert kinds(shown) == ["message", "question", "command", "notice"], "further down it is news"
    assert (shown[1]["why"], shown[1]["alone"]) == ("It is not needed any more.", False)


async def test_while_a_call_asks_its_message_says_so_until_the_answer_is_on_its_way(items: Items) -> None:
    bodies = (user("k1"), calls(1, 1, "t"), question("elicitation", "call_1_0", "decline", free=True))
    assert (await items(*bodies, standing={"state": "working"}))[0]["state"] == "asking"
    sent = {"key": "k4", "text": "/choose 3 the\nblue one", "attachments": [], "state": "sending", "why": "", "at": 1.0}
    shown = await items(*bodies, standing={"state": "working"}, outbox=[sent])
    assert shown[0]["state"] == "working"
    assert (shown[-1]["text"], shown[-1]["choice"], shown[2]["pending"]) == ("the\nblue one", True, True)
    refused = await items(*bodies, standing={"state": "working"}, outbox=[{**sent, "state": "refused"}])
    assert (refused[0]["state"], refused[2].get("pending")) == ("asking", None)


async def test_a_call_at_work_says_how_far_it_has_come_and_one_that_ended_does_not(items: Items) -> None:
    started = [{"kind": "tool_started/1", "call": f"call_1_{number}"} for number in (0, 1)]
    ended = {"kind": "result/1", "call": "call_1_1", "outcome": "ok"}
    shown = await items(user("k1"), calls(1, 1, "a", "b", "c"), *started, ended, progress={f"call_1_{n}": f"{n} of 3" for n in range(3)})
    assert [item["progress"] for item in shown if item["type"] == "tool"] == ["0 of 3", "", ""]


async def test_what_a_call_made_stands_below_it_and_the_whole_of_a_long_result_in_it(items: Items) -> None:
    tide = {"sha256": "a", "name": "tide.png", "media_type": "image/png", "size": 12}
    whole = {"sha256": "b", "name": "result.txt", "media_type": "text/plain", "size": 99, "whole": True}
    shown = await items(user("k1"), calls(1, 1, "draw"), {"kind": "result/1", "call": "call_1_0", "outcome": "ok", "files": [tide, whole]})
    assert kinds(shown) == ["message", "tool", "files"]
    assert (shown[1]["whole"], shown[2]["files"], shown[2]["tool"]) == (whole, [tide], "draw")


async def test_a_call_waits_for_its_approval(items: Items) -> None:
    shown = await items(user("k1"), calls(1, 1, "t"), question("approval", "call_1_0", "yes", "no"))
    assert [item["state"] for item in shown if item["type"] == "tool"] == ["asking"]


async def test_what_was_set_aside_says_so_until_it_is_tried_again(items: Items) -> None:
    aside = {"kind": "set_aside/1", "since": 1, "upto": 1, "why": "crashed"}
    asked = question("poison", "", "try again", "discard")
    assert [item["state"] for item in await items(user("k1"), aside, asked) if item["type"] == "message"] == ["aside"]
    shown = await items(user("k1"), aside, asked, choice("k4", 3, "try again"), standing={"state": "working"})
    assert [item["state"] for item in shown if item["type"] == "message"] == ["working"]


async def test_the_answer_after_a_cut_has_its_own_name(items: Items) -> None:
    shown = await items(user("k1"), command("k2", "stop"), user("k3"), answer(1, 3, after_cut=2))
    assert shown[-1]["id"] == "answer:a1.2"


async def test_an_edited_message_reads_as_it_does_now(items: Items) -> None:
    shown = await items(user("k1", "Helo"), {"kind": "correction/1", "author": "local", "id": "c", "of": "k1", "text": "Hello"})
    assert [item["text"] for item in shown] == ["Hello"]


async def test_what_is_not_known_is_not_shown(items: Items) -> None:
    delivered = [{"kind": "delivery_started/1", "of": "a1", "part": 0}, {"kind": "delivered/1", "of": "a1", "part": 0}, {"kind": "dance/7"}]
    assert kinds(await items(user("k1"), answer(1, 1), *delivered)) == ["message", "answer"]


async def test_a_notice_that_takes_anothers_place_stands_there(items: Items) -> None:
    waits = {"kind": "notice/1", "text": "It waits.", "about": 1, "stands": True}
    shown = await items(user("k1"), waits, answer(1, 1), {"kind": "notice/1", "text": "That took 2 min.", "edits": 2})
    assert kinds(shown) == ["message", "notice", "answer"]
    assert shown[1]["text"] == "That took 2 min."


async def test_of_what_was_erased_a_page_that_was_open_shows_nothing_more(items: Items) -> None:
    shown = await items(user("k1", "SECRET"), answer(1, 1, "SECRET too"), {"kind": "forgotten/1", "n": 1}, user("k2", "Hello"))
    assert [(item["type"], item["text"]) for item in shown] == [("divider", "Everything before this was erased"), ("message", "Hello")]
