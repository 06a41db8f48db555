"""What an approval is bound to, how long it stands, and what a person is shown of it (SECURITY.md, LEDGER H-60)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import turn, words
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Call,
    Choice,
    Command,
    Delivered,
    DeliveryStarted,
    Entry,
    Notice,
    Question,
    Summary,
    ToolResult,
    ToolStarted,
    Usage,
    UserMessage,
    approval_key,
)
from holdfast.core.steps import CallTool, Step, Write
from holdfast.core.transcript import ALLOWED_MAX, Transcript
from holdfast.core.world import Account, Policy, Route, World

ASKS = Policy(asks=frozenset({"mail__send"}))


def world(policy: Policy = ASKS, *, asks: bool = True) -> World:
    return World((Route("main", "route:main"),), account=Account("account:x", asks=asks), policy=policy)


class Story:
    """A conversation, as it grows."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = list(entries)
        self.transcript = Transcript(self.entries)
        self._answers = count(self.transcript.n + 1)

    def add(self, *bodies: AnyBody) -> int:
        for body in bodies:
            self.entries.append(Entry(len(self.entries) + 1, float(len(self.entries)), 1, body))
            self.transcript.extend(self.entries[-1:])
        return len(self.entries)

    def says(self, text: str = "Do it.", author: str = "ann") -> int:
        return self.add(UserMessage(author=author, id=f"m{len(self.entries)}", text=text))

    def calls(self, arguments: str = '{"to": "bob"}', tool: str = "mail__send", seen: int = 0) -> Call:
        """The model calls; returns the call."""
        n = next(self._answers)
        call = Call(id=f"call_{n}_0", tool=tool, arguments=arguments)
        self.add(AssistantMessage(n=n, seen=seen or self.transcript.last_outside, calls=(call,), usage=Usage(input_tokens=10)))
        return call

    def ends(self, text: str = "Done.") -> int:
        self.add(AssistantMessage(n=next(self._answers), seen=self.transcript.last_outside, text=text))
        return self.is_heard()

    def is_heard(self) -> int:
        """All that was said is delivered."""
        for name in list(self.transcript.speech):
            self.add(DeliveryStarted(of=name, part=0), Delivered(of=name, part=0))
        return len(self.entries)

    def wants(self, policy: Policy = ASKS, *, asks: bool = True, now: float = 0.0, epoch: int = 1) -> list[Step]:
        """What is owed to the call, as steps."""
        wanted = turn.steps(self.transcript, epoch, world(policy, asks=asks), now).wanted
        return [step for step in wanted if isinstance(step, CallTool) or (isinstance(step, Write) and step.row.startswith("K"))]

    def asks(self) -> int:
        """Ask whatever is to be asked; returns the question's seq."""
        (write,) = self.wants()
        assert isinstance(write, Write) and write.row == "K5"
        return self.add(*write.first)

    def chooses(self, question: int, option: str, author: str = "ann") -> int:
        choice = self.add(Choice(author=author, id=f"k{len(self.entries)}", question=question, option=option))
        return self.add(Notice(text="Noted.", replies_to=choice))

    def runs(self, call: Call) -> None:
        self.add(ToolStarted(call=call.id), ToolResult(call=call.id, outcome="ok", text="sent"))

    def allowed_always(self, arguments: str = '{"to": "bob"}') -> None:
        """A turn in which the call was allowed for ever."""
        self.says()
        call = self.calls(arguments)
        self.chooses(self.asks(), "always")
        self.runs(call)
        self.ends()


def rows(steps: list[Step]) -> list[str]:
    return [step.row if isinstance(step, Write) else "call" for step in steps]


# --- what it is bound to --------------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)


def key(arguments: str, author: str = "ann", tool: str = "mail__send") -> str:
    return approval_key(author, Call(id="c", tool=tool, arguments=arguments))


def spelled(value: Any, chance: random.Random) -> str:
    """The same value, spelled anew: other spaces, another order, other escapes."""
    if isinstance(value, dict):
        members = [f"{json.dumps(name, ensure_ascii=chance.random() < 0.5)} : {spelled(one, chance)}" for name, one in value.items()]
        chance.shuffle(members)
        return "{ " + "\n,".join(members) + "\t}"
    if isinstance(value, list):
        return "[ " + " ,".join(spelled(one, chance) for one in value) + "]"
    return json.dumps(value, ensure_ascii=chance.random() < 0.5)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), JSON, max_size=4), st.randoms(use_true_random=False))
def test_the_same_arguments_are_the_same_however_they_are_spelled(arguments: dict[str, Any], chance: random.Random) -> None:
    assert key(json.dumps(arguments)) == key(spelled(arguments, chance))


@pytest.mark.parametrize(
    "other",
    [
        '{"to": "eve"}',
        '{"to": "bob", "cc": "eve"}',
        '{"to": ["bob"]}',
        '{"To": "bob"}',
        '{"to": "bob "}',
        '{"to": "b\\u043eb"}',
        "{}",
        '{"to": "bob"',
    ],
)
def test_other_arguments_are_others(other: str) -> None:
    assert key(other) != key('{"to": "bob"}')


def test_numbers_and_truth_are_not_mixed_up_and_of_two_of_one_name_the_last_counts_as_it_does_for_the_server() -> None:
    assert (
        len({key(f'{{"n": {value}}}') for value in ("1", "1.0", "true", '"1"', "null", "100000000000000000000", "100000000000000000001")})
        == 7
    )
    assert key('{"to": "eve", "to": "bob"}') == key('{"to": "bob"}')
    assert json.loads(words.in_full('{"to": "eve", "to": "bob"}')) == {"to": "bob"}


def test_another_person_and_another_tool_are_others() -> None:
    assert len({key("{}"), key("{}", author="eve"), key("{}", tool="mail__send_all"), key("{}", author="annmail", tool="__send")}) == 4


def test_arguments_nested_without_end_and_such_as_are_none_have_a_key_and_are_shown() -> None:
    for arguments in ('{"a":' * depth + "1" + "}" * depth for depth in (200, 900, 3000, 50_000)):
        assert len(key(arguments)) == 32
        assert words.in_full(arguments).count("{") == arguments.count("{")


# --- who gives it, and when it is none ------------------------------------------------------------------------------------------------


def asked(overtaken: str = "") -> tuple[Story, int]:
    """Ann asked for something that needs her approval, and was asked."""
    story = Story()
    story.says()
    story.calls()
    question = story.asks()
    if overtaken:
        story.says("ok", author=overtaken)
    return story, question


def test_somebody_elses_choice_is_none_and_says_so() -> None:
    """H-60: others approve my command."""
    story, question = asked()
    choice = story.add(Choice(author="bob", id="k", question=question, option="once"))
    assert story.wants() == []
    (reply,) = turn.steps(story.transcript, 1, world(), 0.0).wanted[:1]
    assert isinstance(reply, Write) and isinstance(reply.first[0], Notice)
    assert (
        reply.first[0].text == f"Question {question} was put to somebody else; only they can answer it."
        and reply.first[0].replies_to == choice
    )


def test_somebody_elses_ok_changes_nothing() -> None:
    story, question = asked(overtaken="bob")
    assert story.wants() == []
    story.chooses(question, "once")
    assert rows(story.wants()) == ["call"]


def test_a_reminder_that_comes_due_closes_no_question_and_grants_no_budget() -> None:
    """Nobody wrote instead of choosing; and who reminds the agent every minute does not let it go on for ever."""
    story, question = asked()
    story.add(UserMessage(author="ann", id="reminder", text="Tea.", scheduled=True))
    assert story.wants() == []
    story.chooses(question, "once")
    assert rows(story.wants()) == ["call"]
    story = Story()
    story.says()
    story.add(ToolResult(call=story.calls().id, outcome="ok"))
    question = story.add(Question(question="budget", about="1", text="Go on?", options=("go on", "stop"), to="ann", overtakable=True))
    story.add(UserMessage(author="ann", id="reminder", text="Tea.", scheduled=True))
    assert [one.seq for one in story.transcript.open_questions()] == [question] and story.transcript.grant < question


def test_the_persons_own_ok_approves_nothing_closes_the_call_and_says_how_to_choose() -> None:
    """H-60: "ok" approves."""
    story, question = asked(overtaken="ann")
    (closed,) = story.wants()
    assert isinstance(closed, Write) and closed.row == "K4"
    result, notice = closed.first
    assert isinstance(result, ToolResult) and result.outcome == "declined" and "wrote instead" in result.text
    assert isinstance(notice, Notice) and "/choose" in notice.text
    story.add(*closed.first)
    story.chooses(question, "once")
    assert story.wants() == [], "and then it is too late"


@pytest.mark.parametrize("options", [("deny", "once"), ("once", "deny"), ("deny", "always"), ("nonsense", "once"), ("once", "always")])
def test_the_first_choice_counts_and_what_is_no_option_is_none(options: tuple[str, str]) -> None:
    story, question = asked()
    for option in options:
        story.chooses(question, option)
    counts = next(option for option in options if option != "nonsense")
    assert rows(story.wants()) == (["K4"] if counts == "deny" else ["call"])
    assert bool(story.transcript.allowed) == (counts == "always")


def test_of_two_who_choose_at_once_the_first_in_the_transcript_wins_and_only_if_they_were_asked() -> None:
    story, question = asked()
    story.chooses(question, "deny", author="bob")
    story.chooses(question, "once")
    story.chooses(question, "deny")
    assert rows(story.wants()) == ["call"]


def test_a_choice_after_the_expiry_was_written_down_is_too_late_and_one_before_counts() -> None:
    story, question = asked()
    late = story.transcript.questions[question].question.expires + 1
    (expiry,) = [step for step in turn.steps(story.transcript, 1, world(), late).wanted if isinstance(step, Write) and step.row == "C3"]
    in_time = Story(story.entries)
    in_time.chooses(question, "once")
    assert rows(in_time.wants(now=late)) == ["call"]
    story.add(*expiry.first)
    story.chooses(question, "once")
    (closed,) = story.wants(now=late)
    assert isinstance(closed, Write) and closed.row == "K4"
    assert isinstance(closed.first[0], ToolResult) and closed.first[0].outcome == "declined"


def test_where_nobody_can_be_asked_the_answer_is_no_but_what_was_allowed_stands() -> None:
    story = Story()
    story.says()
    story.calls()
    (closed,) = story.wants(asks=False)
    assert isinstance(closed, Write) and closed.row == "K4" and isinstance(closed.first[0], ToolResult)
    assert closed.first[0].outcome == "declined" and "nobody here" in closed.first[0].text
    known = Story()
    known.allowed_always()
    known.says()
    known.calls()
    assert rows(known.wants(asks=False)) == ["call"]


# --- when the policy changes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", ["", "once", "always"])
def test_a_tool_that_is_denied_meanwhile_is_not_called_whatever_was_chosen(chosen: str) -> None:
    story, question = asked()
    if chosen:
        story.chooses(question, chosen)
    assert rows(story.wants(Policy(denies=frozenset({"mail__send"})))) == ["K4"]
    both = Policy(asks=frozenset({"mail__send"}), denies=frozenset({"mail__send"}))
    assert rows(story.wants(both)) == ["K4"]


def test_a_call_that_was_allowed_for_ever_is_not_made_where_the_tool_is_denied() -> None:
    story = Story()
    story.allowed_always()
    story.says()
    story.calls()
    assert rows(story.wants()) == ["call"]
    assert rows(story.wants(Policy(denies=frozenset({"mail__send"})))) == ["K4"]


def test_a_repeatable_call_that_was_interrupted_is_not_made_again_once_its_tool_is_denied() -> None:
    story = Story()
    story.says()
    call = story.calls(tool="mail__search")
    story.add(ToolStarted(call=call.id, repeatable=True))
    assert rows(story.wants(epoch=2)) == ["call"]
    assert rows(story.wants(Policy(denies=frozenset({"mail__search"})), epoch=2)) == ["K3"]
    assert rows(story.wants(Policy(denies=frozenset({"mail__search"})), epoch=1)) == ["call"], "what is running goes on"


ALLOWS = Policy(allows=frozenset({"mail__send"}))


def test_a_question_that_was_asked_is_waited_for_while_its_tool_is_not_known() -> None:
    """Its server may be starting: nobody can say yet whether a person is still to be asked."""
    story, question = asked()
    assert story.wants(Policy()) == []
    story.chooses(question, "deny")
    assert rows(story.wants(Policy())) == ["K4"]


def test_a_tool_that_is_allowed_meanwhile_is_called_and_its_question_written_off_with_its_start() -> None:
    story, question = asked()
    (call,) = story.wants(ALLOWS)
    assert isinstance(call, CallTool)
    moot, started = call.first
    assert isinstance(moot, Notice) and moot.about == question and isinstance(started, ToolStarted)
    assert moot.text == "“May I run mail__send?” needs no answer any more: it is allowed now, and runs."
    story.add(*call.first)
    story.chooses(question, "deny")
    assert story.wants(ALLOWS) == [call], "what is chosen now comes too late"
    assert rows(story.wants(ALLOWS, epoch=2)) == ["K3"]


@pytest.mark.parametrize("closed", ["deny", "a message", "its expiry"])
def test_what_was_closed_before_its_tool_was_allowed_stays_closed(closed: str) -> None:
    story, question = asked(overtaken="ann" if closed == "a message" else "")
    if closed == "deny":
        story.chooses(question, "deny")
    if closed == "its expiry":
        story.add(Notice(text="Nobody answered.", about=question))
    assert rows(story.wants(ALLOWS)) == ["K4"]


def test_always_for_one_of_two_calls_that_are_the_same_lets_both_go_on() -> None:
    story = Story()
    story.says()
    same = tuple(Call(id=f"call_1_{index}", tool="mail__send", arguments='{"to": "bob"}') for index in range(2))
    story.add(AssistantMessage(n=1, seen=1, calls=same))
    one, two = (story.add(*write.first) for write in story.wants() if isinstance(write, Write))
    story.chooses(one, "always")
    first, second = story.wants()
    assert isinstance(first, CallTool) and not first.also
    assert isinstance(second, CallTool) and isinstance(second.also[0], Notice) and second.also[0].about == two


@pytest.mark.parametrize("ended", ["stop", "denied"])
def test_a_question_about_a_call_that_has_ended_is_written_off(ended: str) -> None:
    story, question = asked()
    policy = Policy(denies=frozenset({"mail__send"})) if ended == "denied" else ASKS
    if ended == "stop":
        story.add(Notice(text="Stopped.", replies_to=story.add(Command(author="ann", id="s", name="stop"))))
    (close,) = story.wants(policy)
    assert isinstance(close, Write)
    story.add(*close.first)
    (off,) = (step for step in turn.steps(story.transcript, 1, world(policy), 0.0).wanted if isinstance(step, Write) and step.row == "C3")
    assert isinstance(off.first[0], Notice) and off.first[0].about == question and off.first[0].text.endswith("it was not run.")
    story.add(*off.first)
    assert not list(story.transcript.open_questions())


# --- how long it stands ---------------------------------------------------------------------------------------------------------------


def follows(story: Story, arguments: str = '{"to": "bob"}', author: str = "ann") -> list[str]:
    """What becomes of such a call in a turn that comes later, read from the first entry and from the floor."""
    later = Story(story.entries)
    later.says(author=author)
    later.calls(arguments)
    from_the_floor = Story(story.entries)
    from_the_floor.transcript = Transcript(entry for entry in later.entries if entry.seq >= story.transcript.floor())
    assert from_the_floor.wants() == later.wants()
    return rows(later.wants())


def many_turns(story: Story, turns: int) -> None:
    for _ in range(turns):
        story.says("And?")
        story.ends()


def new(story: Story) -> None:
    """`/new`, and its reply as the table has it."""
    story.add(Command(author="ann", id=f"n{len(story.entries)}", name="new"))
    (reply,) = (step for step in turn.steps(story.transcript, 1, world(), 0.0).wanted if isinstance(step, Write) and step.row == "C2")
    story.add(*reply.first)
    story.is_heard()


def summary(story: Story) -> None:
    """A summary of all but the last turns, as the worker writes it."""
    answers = story.transcript.answers
    story.add(Summary(upto=answers[len(answers) // 2].seq, text="Much was said.", allowed=tuple(story.transcript.allowed)))


HIDERS = {"new": (new,), "summary": (summary,), "both": (summary, new), "many": (new, summary, summary, new, new, summary)}


@pytest.mark.parametrize("hiders", HIDERS)
def test_always_stands_over_new_a_summary_and_thousands_of_entries_for_exactly_these_arguments_and_this_person(hiders: str) -> None:
    """H-60: approval lost on restart. Reading begins at the floor, far behind the choice."""
    story = Story()
    story.allowed_always()
    for hide in HIDERS[hiders]:
        many_turns(story, 400)
        hide(story)
        many_turns(story, 3)
    assert len(story.entries) > 800 and story.transcript.floor() > 100
    assert follows(story) == ["call"]
    assert follows(story, '{ "to":"b\\u006fb" }') == ["call"]
    assert follows(story, '{"to": "eve"}') == ["K5"]
    assert follows(story, author="eve") == ["K5"]


def test_always_stands_even_if_the_gateway_stops_between_new_and_its_reply() -> None:
    story = Story()
    story.allowed_always()
    many_turns(story, 10)
    story.add(Command(author="ann", id="n", name="new"))
    floor = story.transcript.floor()
    again = Transcript(entry for entry in story.entries if entry.seq >= floor)
    assert again.allowed == story.transcript.allowed


def test_once_and_deny_do_not_stand() -> None:
    for option in ("once", "deny"):
        story, question = asked()
        story.chooses(question, option)
        (step,) = story.wants()
        story.add(*(step.first if isinstance(step, Write) else (ToolStarted(call="call_1_0"), ToolResult(call="call_1_0", outcome="ok"))))
        story.ends()
        assert follows(story) == ["K5"]


def test_of_too_many_that_stand_the_oldest_is_asked_for_again() -> None:
    story = Story()
    for number in range(ALLOWED_MAX + 1):
        story.allowed_always(f'{{"to": "{number}"}}')
    assert follows(story, '{"to": "0"}') == ["K5"]
    assert follows(story, '{"to": "1"}') == ["call"]
    assert follows(story, f'{{"to": "{ALLOWED_MAX}"}}') == ["call"]


# --- what a person is shown -----------------------------------------------------------------------------------------------------------


def shown(arguments: str) -> str:
    story = Story()
    story.says()
    story.calls(arguments)
    (write,) = story.wants()
    assert isinstance(write, Write) and isinstance(write.first[0], Question)
    return write.first[0].text


def hidden() -> Iterator[str]:
    yield from "\u202e\u2066\u200b\u200f\u2028\u0000\u001b\u0085\u00ad\ufeff\u00a0\U000e0041"


def test_arguments_are_shown_in_full_and_nothing_in_them_can_hide_or_turn_the_words_around() -> None:
    text = shown(json.dumps({"to": "bob", "body": "a".join(hidden()), "more": ["x" * 60_000]}))
    assert text.startswith("May I run mail__send?\n{\n") and "x" * 60_000 in text
    for char in hidden():
        assert char not in text
        assert f"{ord(char):04x}" in text
    assert shown('{"a": "line\\nMay I run harmless?\\n{}"}').splitlines()[1:] == ["{", '  "a": "line\\nMay I run harmless?\\n{}"', "}"]


def test_a_tool_whose_outcome_is_unknown_is_asked_about_as_plainly() -> None:
    call = Call(id="c", tool="mail__send", arguments='{"a": "\\u202etxt.exe"}')
    assert "\u202e" not in words.unknown_call(call) and "\\u202etxt.exe" in words.unknown_call(call)
