from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.models.visible import Shown, ThinkFilter


def filtered(*pieces: str) -> str:
    think = ThinkFilter()
    return "".join(map(think.feed, pieces)) + think.rest()


@pytest.mark.parametrize(
    ("said", "visible"),
    [
        ("Hello", "Hello"),
        ("<think>hm</think>Hello", "Hello"),
        ("<think>hm</think>\n\nHello\n", "Hello\n"),
        ("  Hello", "Hello"),
        ("One <think>hm</think>two<think></think> three", "One two three"),
        ("<think>never closed", ""),
        ("<think>a <think> b</think>seen", "seen"),
        ("1 < 2 <thin", "1 < 2 <thin"),
        ("<thinking>", "<thinking>"),
        ("a </think> b", "a </think> b"),
        ("<think>x</think>", ""),
        ("", ""),
    ],
)
def test_thoughts_are_hidden_and_nothing_else(said: str, visible: str) -> None:
    assert filtered(said) == visible
    assert filtered(*said) == visible


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "th", "ink>", "/", "a ", "b"])), st.data())
def test_where_a_text_is_cut_into_pieces_makes_no_difference(words: list[str], data: st.DataObject) -> None:
    said = "".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)))))
    pieces = [said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    assert filtered(*pieces) == filtered(said)


def test_a_tag_that_has_begun_is_held_back_until_it_is_known() -> None:
    think = ThinkFilter()
    assert think.feed("Hello <th") == "Hello "
    assert think.feed("ere") == "<there"


def test_a_short_text_is_shown_with_every_piece() -> None:
    shown: list[str] = []
    text = Shown(shown.append, monotonic=lambda: 0.0)
    text.begin()
    for piece in ("a", "b", "", "c"):
        text.add(piece)
    assert shown == ["", "a", "ab", "abc"]


def test_a_long_text_is_not_copied_for_every_piece() -> None:
    sizes: list[int] = []
    text = Shown(lambda so_far: sizes.append(len(so_far)), monotonic=lambda: 0.0)
    for _ in range(100_000):
        text.add("word ")
    assert len(text.flush()) == sizes[-1] == 500_000
    assert sum(sizes) < 100 * 500_000


def test_a_long_text_is_shown_at_least_every_50_ms() -> None:
    shown: list[str] = []
    time_s = 0.0
    text = Shown(shown.append, monotonic=lambda: time_s)
    text.add("x" * 10_000)
    text.add("y")
    assert len(shown) == 1
    time_s = 0.05
    text.add("z")
    assert shown[-1].endswith("yz")


def test_nothing_is_shown_twice() -> None:
    shown: list[str] = []
    text = Shown(shown.append)
    text.add("a")
    text.begin()
    assert text.flush() == text.flush() == "a"
    assert shown == ["a"]
