from __future__ import annotations

from holdfast.platforms.wechat.window import HOLDS_S, WINDOWS_MAX, Reached, Window

NOW = 1_760_000_000.0


def test_a_cursor_that_was_never_written_is_the_beginning() -> None:
    assert Reached.of("") == Reached()
    assert Reached.of(Reached("bot", "buf", {"ann": Window("t", NOW)}).cursor) == Reached("bot", "buf", {"ann": Window("t", NOW)})


def test_another_session_begins_anew_and_can_answer_all_the_same() -> None:
    reached = Reached("bot", "buf", {"ann": Window("t", NOW)})
    assert reached.as_bot("bot") is reached
    assert reached.as_bot("other") == Reached("other", "", {"ann": Window("t", NOW)})


def test_a_window_is_open_for_a_day() -> None:
    reached = Reached("bot", "", {"ann": Window("t", NOW)})
    assert reached.window("ann", NOW + HOLDS_S - 1) == Window("t", NOW)
    assert reached.window("ann", NOW + HOLDS_S) is None
    assert reached.window("bob", NOW) is None


def test_what_comes_again_late_takes_no_newer_window_away() -> None:
    reached = Reached("bot", "1", {"ann": Window("new", NOW)})
    assert reached.after("2", [("ann", Window("old", NOW - 9))], NOW).windows["ann"].token == "new"
    assert reached.after("2", [("ann", Window("newer", NOW))], NOW).windows["ann"].token == "newer"
    both = [("ann", Window("newest", NOW + 1)), ("ann", Window("old", NOW - 9))]
    assert reached.after("2", both, NOW + 1).windows["ann"].token == "newest"
    assert reached.after("", (), NOW) == reached
    assert reached.after("2", (), NOW + HOLDS_S) == Reached("bot", "2")


def test_a_cursor_stays_small() -> None:
    """It does not grow with the number of chats."""
    reached = Reached("bot", "buf")
    for number in range(3 * WINDOWS_MAX):
        reached = reached.after("buf", [(f"person{number}", Window("t" * 200, NOW + number))], NOW + number)
    assert len(reached.windows) == WINDOWS_MAX
    assert f"person{3 * WINDOWS_MAX - 1}" in reached.windows
    assert len(reached.cursor) < 30_000
