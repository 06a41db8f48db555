from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.cli.markdown import _PARSER, TAIL_CHARS_MAX, Paper, finished
from holdfast.cli.telling import Said

PIECES = (
    "word", "other *word*", "`code`", "- item", "  - nested", "1. first", "2. second", "> quote", "# heading", "---", "===", "```python", "```", "~~~",
    "| a | b |", "|---|---|", "    indented", "<b>html</b>", "<div>", "\n", "\n\n", " ", "\t", "![pic](http://x/y)", "[link](http://x)", "<http://auto>",
    "**", "_", "|", "\\", "&amp;", "* * *", "- [ ] todo", "[ref]", "\n\n\n",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.just("\n"), max_size=30).map("".join)


def _shown(*said: Said, columns: int = 80, after: Said | None = None) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", Paper().said(said, after, columns))


def _answer(text: str, columns: int = 80) -> str:
    return _shown(Said("answer", text), columns=columns)


def _blocks(text: str) -> list[tuple[str, str]]:
    return [(token.type, token.content) for token in _PARSER.parse(text)]


# --- what can't change any more ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("", ""),
        ("one", ""),
        ("one\n", ""),
        ("one\n\n", "one\n\n"),
        ("one\n\ntwo", "one\n\n"),
        ("# title\n", ""),
        ("# title\ntext\n", "# title\n"),
        ("- one\n\n", ""),
        ("- one\n\ntwo", ""),
        ("- one\n\ntwo\n", "- one\n\n"),
        ("```\none\n\n", ""),
        ("one\n\n```\ntwo\n\nthree\n", "one\n\n"),
        ("| a |\n|---|\n| 1 |\n", ""),
        ("| a |\n|---|\n| 1 |\n\n", "| a |\n|---|\n| 1 |\n\n"),
    ],
)
def test_a_block_is_finished_when_another_begins_or_a_blank_line_ends_it(text: str, done: str) -> None:
    assert text[: finished(text)] == done


@settings(deadline=None)
@given(TEXTS)
def test_whatever_follows_a_finished_block_reads_the_same(text: str) -> None:
    told, pieces = 0, []
    for end in range(len(text) + 1):
        done = finished(text[told:end])
        pieces.append(text[told : told + done])
        told += done
    pieces.append(text[told:])
    assert [block for piece in pieces for block in _blocks(piece)] == _blocks(text)


# --- how it looks ------------------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXTS, st.sampled_from([10, 40, 200]))
def test_any_text_is_rendered_within_the_width(text: str, columns: int) -> None:
    lines = _answer(text, columns).splitlines()
    assert max(map(len, lines), default=0) <= columns


def test_headings_lists_tables_and_code() -> None:
    text = "# Title\n\nsome *words* and `code`\n\n1. one\n   - deep\n\n| a | b |\n|---|--:|\n| x | 1 |\n\n```python\nif x:\n\n\n    pass\n```\n\n> said"
    assert _answer(text) == (
        "Title\n\nsome words and code\n\n 1 one\n    • deep\n\na  b\n────\nx  1\n\n  if x:\n\n\n      pass\n\n▌ said\n"
    )


def test_nothing_of_it_is_swallowed() -> None:
    assert _answer("<b>bold</b> ![pic](http://x/y) <http://a> [l](http://b)") == "<b>bold</b> !pic (http://x/y) http://a l (http://b)\n"
    assert _answer("<div>\nblock\n</div>") == "<div> block </div>\n"


def test_no_character_of_it_is_for_the_terminal() -> None:
    text = "\x1b]0;t\x07a \x9b1mb &#x1b;c &#x202e;d &#13;e\r [\x1b](http://x/&#x202e;)\n\n```\n\x1b[2J\n```\n\n| \x1b[H |\n|---|\n"
    shown = _shown(Said("answer", text), Said("you", text), Said("beside", text), Said("gateway", text))
    assert all(char.isprintable() or char == "\n" for char in shown)
    raw = Paper().said([Said("answer", text)], None, 80)
    assert set(re.findall(r"\x1b.", raw)) <= {"\x1b["}
    assert all(re.fullmatch(r"[0-9;]*m.*", part, re.DOTALL) for part in raw.split("\x1b[")[1:])


def test_links_are_none_for_the_terminal() -> None:
    assert "\x1b]" not in Paper().said([Said("answer", "[a](http://b) <http://c>")], None, 80)


def test_wide_characters_are_counted_as_wide() -> None:
    assert _answer("台" * 30, 40) == "台" * 20 + "\n" + "台" * 10 + "\n"


def test_who_says_it_is_seen_without_colours() -> None:
    said = (
        Said("you", "Hi\nthere"),
        Said("beside", "calls x"),
        Said("beside", "x: done"),
        Said("answer", "Yes"),
        Said("gateway", "Stopped."),
    )
    assert _shown(*said) == "> Hi\n  there\n\n· calls x\n· x: done\n\nYes\n\nHoldfast: Stopped.\n"


def test_what_follows_is_set_apart() -> None:
    assert _shown(Said("answer", "two"), after=Said("answer", "one")) == "\ntwo\n"
    assert _shown(Said("beside", "two"), after=Said("beside", "one")) == "· two\n"


def test_of_a_long_tail_the_end_is_shown() -> None:
    paper = Paper()
    assert paper.tail("\n\n".join("abcdef"), 80, 3) == ["e", "", "f"]
    assert paper.tail("x " * TAIL_CHARS_MAX + "end", 80, 1)[0].endswith("end")


def test_what_waits_is_on_a_line_each() -> None:
    lines = Paper().pending([("a\nb", "saved"), ("x" * 100, "not sent yet")], 40)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert plain == ["> a b (saved)", "> xxxxxxxxxxxxxxxxxxxxx… (not sent yet)"]
