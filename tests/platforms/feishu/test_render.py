from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.platforms.feishu.render import CARD_BYTES_MAX, TABLES_MAX, TEXT_BYTES_MAX, card, mark, render, uuid
from holdfast.ports import Message
from holdfast.testing.feishu_cards import checked, seen


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Hello", "Hello"),
        ("**bold** and *slanted* and ~~struck~~", "**bold** and *slanted* and ~~struck~~"),
        ("# Title\n\ntext", "# Title\n\ntext"),
        ("- one\n- two\n  - deeper\n- three", "- one\n- two\n    - deeper\n- three"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("> said\n> so", "> said\n> so"),
        ("```py\nif a < b: pass\n```", "```py\nif a < b: pass\n```"),
        ("`a < b`", "`a < b`"),
        ("[here](https://e.org/a_(b))", "[here](https://e.org/a_%28b%29)"),
        ("[here](javascript:alert)", "&#91;here&#93;(javascript:alert)"),
        ("[here](mailto:a@e.org)", "here (mailto:a@e.org)"),
        ("| a | b |\n|---|---|\n| 1 | x\\|y |", "| a | b |\n| --- | --- |\n| 1 | x&#124;y |"),
        ("a\n\n---\n\nb", "a\n\n---\n\nb"),
        ("first\nsecond", "first\nsecond"),
        ("a &lt; b & c", "a &#60; b & c"),
        ("1 < 2 * 3 [x] snake_case", "1 &#60; 2 &#42; 3 &#91;x&#93; snake&#95;case"),
        ("\\# no title\n\\- no list\n1986\\. no list", "&#35; no title\n&#45; no list\n1986&#46; no list"),
        ("![picture](https://e.org/x.png)", "&#33;[picture](https://e.org/x.png)"),
    ],
)
def test_markdown_in_the_dialect_of_cards(markdown: str, shown: str) -> None:
    assert render(markdown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<at id=all></at>",
        "`<at id=all></at>`",
        "```\n<at id=all></at>\n```",
        "**<at id='ou_1'></at>**",
        "[<at id=all></at>](https://e.org)",
        "- <at id=all></at>",
        "| a |\n|---|\n| <at id=all></at> |",
        "<font color='red'>x</font>",
        "&#60;at id=all&#62;",
        "&lt;at id=all&gt;",
    ],
)
def test_no_text_calls_people(text: str) -> None:
    assert "<at" not in render(text)
    assert "<font" not in render(text)


def test_more_tables_than_a_card_takes_are_shown_as_they_were_written() -> None:
    table = "| a |\n|---|\n| 1 |"
    shown = render("\n\n".join([table] * (TABLES_MAX + 2)))
    assert shown.count("| --- |") == TABLES_MAX
    assert shown.count(f"```\n{table}\n```") == 2


@given(st.text(max_size=300))
def test_every_text_makes_a_card_that_is_taken(text: str) -> None:
    checked("interactive", card(Message(text, "key"), "", ""))


@given(st.text("ab1<>&_#*`~|\n -", max_size=100))
def test_no_letter_is_lost(text: str) -> None:
    shown = html.unescape(render(text))
    assert [char for char in shown if char.isalnum()] == [char for char in text if char.isalnum()]


@pytest.mark.parametrize("sign", ['"', "\\", "<", "\n", "é", "漢", "😀", "_", "*", "a\n\n", "- ", "| a | b |\n"])
def test_the_longest_part_fits_whatever_it_consists_of(sign: str) -> None:
    text = (sign * TEXT_BYTES_MAX).encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
    checked("interactive", card(Message(text, "key", options=("once", "always", "deny"), question=41), "om_1", "ou_1"))


def test_what_is_too_long_with_its_styles_goes_without() -> None:
    content = card(Message("x_" * (TEXT_BYTES_MAX // 2)), "", "")
    assert len(content) < CARD_BYTES_MAX
    assert seen("interactive", json.loads(content))["text"] == "x_" * (TEXT_BYTES_MAX // 2)


def test_a_key_is_a_mark_and_a_uuid_of_the_length_that_feishu_takes() -> None:
    assert len(mark("feishu:work:oc_1/a1/0")) == 20
    assert mark("a") != mark("b")
    assert (mark(""), uuid("")) == ("", None)
    assert len(uuid("feishu:work:oc_1/a1/0") or "") == 40
