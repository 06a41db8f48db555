"""The request: valid by construction, from any transcript; it hides, and never drops."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import request, words
from holdfast.core.entries import (
    AnyBody,
    AssistantMessage,
    Attachment,
    Call,
    Command,
    Correction,
    Delivered,
    DeliveryStarted,
    Entry,
    Failed,
    Fetched,
    Notice,
    SetAside,
    Summary,
    ToolResult,
    ToolStarted,
    UserMessage,
)
from holdfast.core.request import Assistant, File, Message, Result, User
from holdfast.core.transcript import Transcript


def transcript(*bodies: AnyBody) -> Transcript:
    return Transcript(Entry(seq, float(seq), 1, body) for seq, body in enumerate(bodies, 1))


def messages(*bodies: AnyBody) -> tuple[Message, ...]:
    t = transcript(*bodies)
    return request.build(t, t.last_outside, "").messages


def said(text: str) -> UserMessage:
    return UserMessage(author="ann", id=text, text=text)


def call(n: int, *tools: str) -> tuple[Call, ...]:
    return tuple(Call(id=f"call_{n}_{i}", tool=tool, arguments="{}") for i, tool in enumerate(tools))


def result(id_: str, text: str = "fine") -> ToolResult:
    return ToolResult(call=id_, outcome="ok", text=text)


def sent(name: str) -> tuple[DeliveryStarted, Delivered]:
    return DeliveryStarted(of=name, part=0, key="k"), Delivered(of=name, part=0, id="i")


def test_h_44_results_follow_their_answer_in_the_order_of_its_calls_whatever_came_between() -> None:
    """LEDGER H-44 and part I row 11: one entry out of place made every later request a 400."""
    built = messages(
        said("one"),
        AssistantMessage(n=1, seen=1, calls=call(1, "a", "b")),
        ToolStarted(call="call_1_0"),
        ToolStarted(call="call_1_1"),
        said("two"),
        result("call_1_1", "second"),
        Notice(text="a notice", replies_to=0),
        result("call_1_0", "first"),
    )
    assert built == (
        User("one"),
        Assistant("", call(1, "a", "b")),
        Result("call_1_0", "a", "first"),
        Result("call_1_1", "b", "second"),
        User("two"),
    )


def test_h_28_what_we_say_and_what_failed_is_never_shown_to_the_model() -> None:
    """LEDGER H-28: an old provider error kept re-appearing in the conversation."""
    built = messages(
        said("one"), Failed(failure="refused", route="main", why="boom"), Notice(text="The model can't be reached", about=1), said("two")
    )
    assert built == (User("one\n\ntwo"),)


def test_i_24_calls_are_named_by_us_so_that_null_or_doubled_ids_of_a_provider_do_no_harm() -> None:
    """LEDGER part I row 24: a session poisoned by null, duplicate or orphan tool ids. An orphan result changes nothing."""
    built = messages(
        said("one"), result("call_9_9"), AssistantMessage(n=1, seen=1, calls=call(1, "a")), result("call_1_0"), result("call_1_0", "again")
    )
    assert built == (User("one"), Assistant("", call(1, "a")), Result("call_1_0", "a", "fine"))


def test_h_42_a_result_that_speaks_of_interrupts_stays() -> None:
    """LEDGER H-42: healthy results were deleted on reload because of the words in them."""
    text = '{"exit_code": -1, "error": "interrupted"}'
    built = messages(said("one"), AssistantMessage(n=1, seen=1, calls=call(1, "a")), ToolStarted(call="call_1_0"), result("call_1_0", text))
    assert Result("call_1_0", "a", text) in built


def test_the_beginning_stays_the_same_from_call_to_call() -> None:
    log: list[AnyBody] = []
    before: tuple[Message, ...] = ()
    for n in range(1, 6):
        log.append(said(f"m{n}"))
        seq = len(log)
        built = messages(*log)
        assert built[: len(before)] == before
        before = built
        log += [AssistantMessage(n=n, seen=seq, text=f"t{n}"), *sent(f"a{n}")]
    assert len(before) == 9


def test_new_hides_what_lies_before_it_also_from_an_answer_that_came_late() -> None:
    new = Command(author="ann", id="c", name="new")
    built = messages(said("old"), new, AssistantMessage(n=1, seen=1, text="late"), said("fresh"))
    assert built == (User("fresh"),)


def test_a_cut_answer_of_which_nothing_was_sent_is_hidden_and_one_that_was_sent_is_not() -> None:
    stop = Command(author="ann", id="c", name="stop")
    hidden = messages(said("one"), stop, AssistantMessage(n=1, seen=1, text="late"), said("two"))
    assert hidden == (User(f"{words.stopped('one')}\n\ntwo"),)
    answered = messages(said("one"), AssistantMessage(n=1, seen=1, text="t1"), *sent("a1"), stop, said("two"))
    assert answered == (User("one"), Assistant("t1"), User("two"))


def test_a_turn_set_aside_is_hidden_and_everything_else_is_not() -> None:
    built = messages(
        said("before"),
        AssistantMessage(n=1, seen=1, text="t1"),
        *sent("a1"),
        said("poison"),
        SetAside(since=5, upto=5, why="crashed"),
        said("after"),
    )
    assert built == (User("before"), Assistant("t1"), User("after"))


def test_retry_brings_back_the_last_messages_also_when_they_were_set_aside() -> None:
    retry = Command(author="ann", id="c", name="retry")
    built = messages(said("poison"), SetAside(since=1, upto=1, why="crashed"), retry)
    assert len(built) == 1
    assert isinstance(built[0], User)
    assert built[0].text.endswith("poison")


def test_a_correction_is_used_before_the_message_was_seen_and_shown_after() -> None:
    edited = Correction(author="ann", id="e", of="one", text="uno")
    assert messages(said("one"), edited) == (User("uno"),)
    shown = messages(said("one"), AssistantMessage(n=1, seen=1, text="t1"), *sent("a1"), edited, said("two"))
    assert shown[0] == User("one")
    assert isinstance(shown[2], User)
    assert "uno" in shown[2].text


def test_a_message_deleted_while_it_was_answered_stays_beside_its_answer() -> None:
    """The answer, a fact, comes after the deletion, and had seen the message as it was."""
    deleted = Correction(author="ann", id="e", of="one", text=None)
    built = messages(said("one"), deleted, AssistantMessage(n=1, seen=1, text="t1"), *sent("a1"), said("two"))
    assert built[:2] == (User("one"), Assistant("t1"))


def test_a_summary_stands_for_what_its_last_answer_had_seen_and_hides_no_message_that_came_meanwhile() -> None:
    built = messages(
        said("one"),
        said("meanwhile"),
        AssistantMessage(n=1, seen=1, text="t1"),
        *sent("a1"),
        AssistantMessage(n=2, seen=2, text="t2"),
        *sent("a2"),
        Summary(upto=3, text="in short"),
        said("three"),
    )
    first, second, third = built
    assert isinstance(first, User)
    assert "in short" in first.text
    assert first.text.endswith("meanwhile")
    assert (second, third) == (Assistant("t2"), User("three"))


def test_the_request_for_a_summary_ends_with_the_user_and_shows_no_later_answer() -> None:
    t = transcript(
        said("one"), AssistantMessage(n=1, seen=1, text="t1"), *sent("a1"), said("two"), AssistantMessage(n=2, seen=5, text="t2")
    )
    built = request.build_for_summary(t, 2, "").messages
    assert built[:2] == (User("one"), Assistant("t1"))
    assert isinstance(built[-1], User)
    assert len(built) == 3


def with_files(text: str, **files: str) -> UserMessage:
    attachments = tuple(Attachment(id=name, name=name, media_type=media_type) for name, media_type in files.items())
    return UserMessage(author="ann", id=text, text=text, attachments=attachments)


def test_a_file_is_named_in_the_text_and_its_bytes_ride_along() -> None:
    built = messages(
        with_files("look", cat="image/png", dog="image/png"), Fetched(attachment="cat", sha256="c1"), Fetched(attachment="dog", why="gone")
    )
    text = "look\n[attached file: cat]\n[attached file: dog, which could not be fetched]"
    assert built == (User(text, (File("c1", "cat", "image/png"),)),)


def test_a_message_may_be_nothing_but_a_file() -> None:
    assert messages(with_files("", cat="image/png"), Fetched(attachment="cat", sha256="c1")) == (
        User("[attached file: cat]", (File("c1", "cat", "image/png"),)),
    )


def test_what_retry_brings_back_brings_its_files() -> None:
    built = messages(
        with_files("look", cat="image/png"),
        Fetched(attachment="cat", sha256="c1"),
        AssistantMessage(n=1, seen=1, text="A cat."),
        Command(author="ann", id="r", name="retry"),
    )
    assert isinstance(built[-1], User)
    assert built[-1].files == (File("c1", "cat", "image/png"),)
    assert "look\n[attached file: cat]" in built[-1].text


def test_a_summary_is_made_of_words_alone() -> None:
    t = transcript(
        with_files("look", cat="image/png"),
        Fetched(attachment="cat", sha256="c1"),
        AssistantMessage(n=1, seen=1, text="A cat."),
        said("and?"),
    )
    asked = request.build_for_summary(t, 3, "")
    assert all(not m.files for m in asked.messages if isinstance(m, User))
    assert "[attached file: cat]" in asked.messages[0].text


def test_a_message_that_was_stopped_unanswered_asks_for_no_answer_any_more() -> None:
    built = messages(said("a long story"), Command(author="ann", id="s", name="stop"), said("hello"))
    assert built == (User(f"{words.stopped('a long story')}\n\nhello"),)


def test_what_is_retried_after_a_stop_is_asked_for() -> None:
    stop, retry = Command(author="ann", id="s", name="stop"), Command(author="ann", id="r", name="retry")
    (built,) = messages(said("a long story"), stop, retry)
    assert isinstance(built, User)
    assert built.text.endswith("Please answer this again:]\na long story")


def failed(kind: str) -> Failed:
    return Failed(failure=kind, route="main")


def long_turn() -> tuple[AnyBody, ...]:
    """Two turns; the second with two calls, answered one after the other."""
    return (
        said("one"),
        AssistantMessage(n=1, seen=1, text="Yes."),
        *sent("a1"),
        said("two"),
        AssistantMessage(n=2, seen=5, calls=call(2, "a"), provider_data="thoughts", route="main"),
        ToolStarted(call="call_2_0"),
        result("call_2_0", "long " * 100),
        AssistantMessage(n=3, seen=5, calls=call(3, "b")),
        ToolStarted(call="call_3_0"),
        result("call_3_0", "new " * 100),
    )


def test_what_is_too_long_loses_the_older_outputs_of_tools_first() -> None:
    whole, smaller = messages(*long_turn()), messages(*long_turn(), failed("overflow"))
    assert len(whole) == len(smaller)
    changed = [(a, b) for a, b in zip(whole, smaller, strict=True) if a != b]
    assert [(type(a), b.text) for a, b in changed] == [(Result, words.output_left_out(500))]


def test_what_is_still_too_long_loses_its_beginning_behind_a_marker() -> None:
    smaller = messages(*long_turn(), failed("overflow"), failed("overflow"))
    assert smaller[0] == User(f"{words.beginning_left_out()}\n\ntwo")
    assert [type(m).__name__ for m in smaller] == ["User", "Assistant", "Result", "Assistant", "Result"]
    assert smaller[-1].text == "new " * 100


def test_the_next_turn_begins_with_the_whole_view() -> None:
    answered = (*long_turn(), failed("overflow"), AssistantMessage(n=4, seen=5, text="Done."), *sent("a4"), said("three"))
    assert Result("call_2_0", "a", "long " * 100) in messages(*answered)


def test_what_a_provider_finds_out_of_order_is_shown_to_it_plainly() -> None:
    plain = messages(
        with_files("look", cat="image/png"), Fetched(attachment="cat", sha256="c1"), *long_turn()[3:4], failed("bad-transcript")
    )
    assert plain == (User("look\n[attached file: cat]"),)
    assert all(not m.provider_data for m in messages(*long_turn(), failed("bad-transcript")) if isinstance(m, Assistant))


def untold(*bodies: AnyBody) -> tuple[Message, ...]:
    """What a model that knows no tools is shown."""
    t = transcript(*bodies)
    return request.build(t, t.last_outside, "", calls=False).messages


def test_a_model_that_knows_no_tools_is_told_of_calls_and_what_came_of_them() -> None:
    told = untold(
        said("one"),
        AssistantMessage(n=1, seen=1, text="Let me see.", calls=call(1, "a", "b"), provider_data="thoughts", route="main"),
        result("call_1_0", "first"),
        result("call_1_1", "second"),
        said("two"),
    )
    assert told == (
        User("one"),
        Assistant("Let me see.\n[I used a: {}]\n[I used b: {}]", route="main"),
        User("[What came of a]\nfirst\n\n[What came of b]\nsecond\n\ntwo"),
    )


def test_where_nothing_was_called_a_model_that_knows_no_tools_is_shown_the_same() -> None:
    turns = (said("one"), AssistantMessage(n=1, seen=1, text="Yes."), *sent("a1"), said("two"))
    assert untold(*turns) == messages(*turns)


turns = st.lists(
    st.tuples(
        st.integers(1, 2),  # messages
        st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=3),  # answers: how many calls, and is there text
        st.sampled_from(("", "stop", "new", "overflow", "overflow twice", "bad-transcript", "picture", "retry")),
    ),
    min_size=1,
    max_size=5,
)


@given(turns)
def test_whatever_happened_what_a_model_that_knows_no_tools_is_shown_is_valid_for_the_strictest_provider(
    story: list[tuple[int, list[tuple[int, bool]], str]],
) -> None:
    told = untold(*_told(story))
    assert isinstance(told[0], User) and isinstance(told[-1], User)
    assert all(type(before) is not type(after) for before, after in pairwise(told)), "roles alternate"
    assert all(message.text for message in told)
    assert not any(isinstance(message, Result) or (isinstance(message, Assistant) and message.calls) for message in told)
    shown, as_text = messages(*_told(story)), "\n".join(message.text for message in told)
    assert all(words.came_of(message.tool, message.text) in as_text for message in shown if isinstance(message, Result)), "nothing is lost"


def _told(story: list[tuple[int, list[tuple[int, bool]], str]]) -> list[AnyBody]:
    """A transcript in which all that happened. It ends with something that is owed."""
    log: list[AnyBody] = []
    n = 0
    for turn, (count, answers, last) in enumerate(story):
        log += [said(f"m{turn}.{i}") for i in range(count)]
        if last == "picture":
            log += [with_files(f"look {turn}", **{f"cat{turn}": "image/png"}), Fetched(attachment=f"cat{turn}", sha256="c1")]
        seen = len(log) - (last == "picture")
        for calls, text in answers:
            n += 1
            made = call(n, *["a", "b"][:calls])
            log.append(
                AssistantMessage(n=n, seen=seen, text=f"t{n}" if text or not calls else "", calls=made, provider_data="d", route="r")
            )
            for one in made:
                log += [ToolStarted(call=one.id), result(one.id, "fine " * 60)]
            if not made:
                break  # nothing is left open
        if last in {"stop", "new", "retry"}:
            log.append(Command(author="ann", id=f"c{turn}", name=last))
        if last.startswith(("overflow", "bad")):
            log += [said(f"long {turn}"), *[failed(last.partition(" ")[0])] * (2 if "twice" in last else 1)]
    log.append(said("and now?"))
    return log


def test_a_server_that_read_much_less_than_it_was_sent_has_cut_it_short() -> None:
    ask = request.Request("x" * 4000, (User("y" * 8000), Assistant("z" * 400, (Call(id="c", tool="a", arguments="w" * 3600),)), User("")))
    assert request.tokens(ask) == 4000
    assert request.was_cut_short(ask, 1500)
    assert not request.was_cut_short(ask, 1600), "texts of many characters a token are no reason for alarm"
    assert not request.was_cut_short(ask, 999), "who says so little did not count what was cached"
