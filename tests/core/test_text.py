"""Splitting of texts: promises that hold for any text, and examples of where one would like to be cut."""

from __future__ import annotations

import html
import os
import time
from itertools import pairwise
from random import Random
from typing import get_args

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.core.text import CLUSTER_MAX, LENGTH_MIN, Limit, Unit, cuts, part

LONG = os.environ.get("HOLDFAST_LONG") == "1"
EXAMPLES = 2000 if LONG else 60

FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}\u200d\N{BOY}"
CLUSTERS = [
    FAMILY,
    "\N{THUMBS UP SIGN}\U0001f3fd",
    "\U0001f1e9\U0001f1ea",
    "1\ufe0f\u20e3",
    "e\u0301",
    "\r\n",
    "\u1112\u1161\u11ab",
    "한",
    "न\u093f",
]
WORDS = [
    "a",
    "word",
    "words",
    "Ende.",
    "Ja!",
    "über",
    "日本語。",
    "𝄞",
    "x" * 90,
    "y" * 450,
    *CLUSTERS,
    " \u0301",
    "e" + "\u0301" * 40,
    "\U0001f1e9",
]
SPACES = [" ", " ", " ", "", "\n", "\n\n", "\n \n", "  ", "\t", " " * 70, "\n" * 50, "\u3000"]
FENCES = [
    "```",
    "```python",
    "~~~",
    "~~~~ text",
    "   ```js",
    "````",
    "\t~~~",
    "`````",
    "``` a b c",
    "```" + "i" * 48,
    "        ~~~~~~~~" + "é" * 47,
]
LINES = ["\n" + fence + "\n" for fence in FENCES]

WILD = ["`", "~", "```", "\n```\n", "\n", " ", "a", "\r", "\u200d", "\u0301", "\ud83d", "\ude00", "。", ".", "𝄞"]


def shuffled(pieces: list[str], most: int) -> st.SearchStrategy[str]:
    """Long texts of these pieces, some of which are repeated many times; hypothesis' own lists stay too short to be cut."""
    runs = st.builds(lambda piece, times: piece * times, st.sampled_from(pieces), st.sampled_from([1, 1, 1, 2, 30, 200]))
    many = st.builds(lambda seed, count: "".join(Random(seed).choices(pieces, k=count)), st.integers(0, 2**32), st.integers(1, most))
    return st.lists(runs | many | st.text(max_size=20), min_size=1, max_size=12).map("".join)


texts = shuffled([*WORDS, *SPACES, *LINES], 100)
wild = shuffled(WILD, 1000)
limits = st.builds(Limit, length=st.integers(LENGTH_MIN, 700), unit=st.sampled_from(get_args(Unit)))

FENCE = regex.compile(r"^[ \t]*(`{3,8}(?!`)|~{3,8}(?!~))([^\n]{0,48}?)[ \t]{0,8}\r?$", regex.MULTILINE)


def measured(text: str, unit: Unit) -> int:
    match unit:
        case "characters":
            return len(text)
        case "utf16":
            return sum(1 + (ord(character) > 0xFFFF) for character in text)
        case "bytes":
            return len(text.encode("utf-8", "surrogatepass"))
        case "escaped":
            return len(html.escape(text, quote=False).encode("utf-8", "surrogatepass"))


def parts(text: str, limit: Limit) -> list[str]:
    at = cuts(text, limit)
    return [part(text, at, index) for index in range(len(at) + 1)]


def left_open(text: str) -> str:
    """The marker of the fence that this text leaves open, or nothing."""
    opened = ""
    for marker, info in FENCE.findall(text):
        if not opened and not ("`" in marker and "`" in info):
            opened = marker
        elif opened and marker.startswith(opened) and not info.strip():
            opened = ""
    return opened


@given(texts | wild, limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_part_is_within_the_limit(text: str, limit: Limit) -> None:
    assert all(measured(one, limit.unit) <= limit.length for one in parts(text, limit))


@given(texts | wild, limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_slices_are_the_text_and_none_is_empty(text: str, limit: Limit) -> None:
    offsets = [0, *cuts(text, limit), len(text)]
    assert all(a < b for a, b in pairwise(offsets)) or offsets == [0, 0]


@given(texts | wild, limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_part_is_blank_unless_the_text_is(text: str, limit: Limit) -> None:
    assert all(one.strip() for one in parts(text, limit)) or not text.strip()


@given(texts, limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_part_but_the_last_closes_its_fences(text: str, limit: Limit) -> None:
    *before, last = parts(text, limit)
    assert [left_open(one) for one in before] == [""] * len(before)
    assert left_open(last) == left_open(text)


@given(texts, limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_nothing_visible_is_lost_or_added_but_fence_lines(text: str, limit: Limit) -> None:
    def visible(text: str) -> list[str]:
        return FENCE.sub("", text).split()

    assert "".join(visible(text)) == "".join("".join(visible(one)) for one in parts(text, limit))


@given(texts, limits)
@settings(max_examples=EXAMPLES, deadline=None)
@example("\U0001f1e9\U0001f1ea" * 400, Limit(401))
@example(FAMILY * 200, Limit(400, "utf16"))
@example("\r\n".join("x" * 399 for _ in range(9)), Limit(400))
def test_no_cut_is_inside_a_character_as_readers_see_it(text: str, limit: Limit) -> None:
    at = set(cuts(text, limit))
    for cluster in regex.finditer(r"\X", text):
        inside = at & set(range(cluster.start() + 1, cluster.end()))
        assert not inside or len(cluster[0]) > CLUSTER_MAX, cluster


@given(texts, limits)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_text_that_fits_is_not_cut(text: str, limit: Limit) -> None:
    if measured(text.strip(), limit.unit) <= limit.length - 20:
        assert cuts(text.strip(), limit) == ()


def test_a_text_that_fits_is_sent_as_it_is() -> None:
    text = "    code\n\n```python\nprint()\n```\n- one\n  - two"
    assert parts(text, Limit()) == [text]


def test_white_space_at_the_end_counts_for_nothing() -> None:
    assert parts("x" * LENGTH_MIN + "\n" * 5000, Limit(LENGTH_MIN)) == ["x" * LENGTH_MIN]


def test_a_limit_under_the_smallest_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Limit(LENGTH_MIN - 1)


def test_a_paragraph_that_fits_into_a_part_of_its_own_is_kept_whole() -> None:
    one, two = "one " * 60 + "one", "two\n" * 60 + "two"
    assert parts(f"{one}\n\n{two}", Limit(400)) == [one, two]


def test_a_paragraph_too_long_for_a_part_fills_the_room_that_is_left_line_by_line() -> None:
    lines = [f"line {number} " + "x" * 40 for number in range(9)]
    first, *_ = parts("Hello.\n\n" + "\n".join(lines), Limit(400))
    assert first == "Hello.\n\n" + "\n".join(lines[:8])


def test_white_space_before_the_first_word_makes_no_part_of_its_own() -> None:
    assert [len(one) for one in parts(" " * 5000 + "x" * 500, Limit(400))] == [400, 116]
    assert [len(one) for one in parts(" " * 20 + "x" * 395, Limit(400))] == [400, 11]
    assert [len(one) for one in parts("\n" * 5000 + "  " + "x" * 395, Limit(400))] == [397]


def test_a_line_too_long_for_a_part_is_cut_after_a_sentence() -> None:
    text = "This is a sentence. " * 40
    assert all(one.endswith("sentence.") for one in parts(text, Limit(410)))


def test_a_sentence_too_long_for_a_part_is_cut_between_words() -> None:
    assert set(" ".join(parts("wonderful " * 100, Limit(405))).split()) == {"wonderful"}


def test_a_fence_that_fits_into_a_part_of_its_own_is_kept_whole() -> None:
    fence = "```python\n" + "x = 1\n\n" * 50 + "```"
    assert parts(f"{'text ' * 40}\n{fence}\nmore", Limit(400)) == [("text " * 40).strip(), f"{fence}\nmore"]


def test_a_fence_too_long_for_a_part_is_closed_and_opened_again_with_its_info_string() -> None:
    body = "".join(f"    print({number})\n" for number in range(60))
    sent = parts(f"Look:\n```python title=1\n{body}```\nDone.", Limit(400))
    assert len(sent) > 2
    assert sent[0].startswith("Look:\n```python title=1\n    print(0)\n")
    assert all(one.startswith("```python title=1\n    print(") for one in sent[1:])
    assert all(one.endswith(")\n```") for one in sent[:-1])
    assert sent[-1].endswith("```\nDone.")
    assert "".join(one.removeprefix("Look:\n").removeprefix("```python title=1\n").partition("```")[0] for one in sent) == body


def test_a_fence_that_the_text_leaves_open_is_left_open_at_its_end_only() -> None:
    sent = parts("```\n" + "code\n" * 100, Limit(400))
    assert sent[0].endswith("code\n```")
    assert sent[1].startswith("```\ncode")
    assert sent[1].endswith("code")


def test_backticks_around_words_are_no_fence() -> None:
    assert not any(one.endswith("\n```") for one in parts("```not a fence```\n" + "words " * 100, Limit(400)))


def test_no_cut_is_in_the_first_or_last_line_of_a_fence_wherever_the_limit_falls() -> None:
    for length in range(1, 450):
        for text in (
            f"```py\n{'x' * (length + 300)}\n        ````````  \nend",
            f"{'x' * length}\n```python\n{'y' * 900}\n```\nend",
            f"{'x' * length}\n```python\n{'y ' * 400}\n```\nend",
        ):
            sent = parts(text, Limit(400))
            assert [left_open(one) for one in sent] == [""] * len(sent)
            assert max(map(len, sent)) <= 400
            assert not any(regex.search(r"^```py.*\n *```", one, regex.MULTILINE) for one in sent), "an empty block"


def test_the_longest_fence_lines_and_the_widest_characters_fit_into_the_smallest_limit() -> None:
    opener = " " * 8 + "~" * 8 + "\N{MUSICAL SYMBOL G CLEF}" * 48 + " " * 8 + "\r"
    for length in range(1, 450):
        text = opener + "\n" + "\N{MUSICAL SYMBOL COMBINING STEM}" * length + "\r\n        ~~~~~~~~\t\t\t\r\nend"
        sent = parts(text, Limit(LENGTH_MIN, "bytes"))
        assert [left_open(one) for one in sent] == [""] * len(sent)
        assert max(len(one.encode()) for one in sent) <= LENGTH_MIN


def test_the_parts_depend_on_text_and_cuts_alone() -> None:
    text = "```\n" + "code\n" * 300 + "```"
    at = cuts(text, Limit(500))
    assert [part(text, at, index) for index in range(len(at) + 1)] == parts(text, Limit(500))


MEGABYTES = {
    "lines": "one line of an ordinary text\n" * 34_000,
    "one word": "x" * 1_000_000,
    "words": "word " * 200_000,
    "blank": " " * 1_000_000,
    "newlines": "\n" * 1_000_000,
    "blank lines": " \n" * 500_000 + "x",
    "exclamations": "!" * 1_000_000,
    "full stops": "。" * 1_000_000,
    "backticks": "`" * 1_000_000,
    "fences": "```\n" * 250_000,
    "one fence": "```\n" + "code\n" * 200_000,
    "accents": "\u0301" * 1_000_000,
    "flags": "\U0001f1e9" * 1_000_000,
    "spaces and accents": " \u0301" * 500_000,
}


@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize("name", MEGABYTES)
def test_the_work_is_linear_in_the_text(name: str, unit: Unit) -> None:
    """Ten times the text: a quadratic algorithm would take a hundred times as long."""

    def worked(text: str) -> float:
        begin = time.process_time()
        cuts(text, Limit(4096, unit))
        return time.process_time() - begin

    text = MEGABYTES[name][: 1_000_000 if LONG else 300_000]
    small = min(worked(text[: len(text) // 10]) for _ in range(3))
    assert min(worked(text) for _ in range(2)) < 30 * small + 0.1
