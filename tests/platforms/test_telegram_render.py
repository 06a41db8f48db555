from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.text import Limit, cuts, part
from holdfast.platforms.telegram.render import ENTITIES_MAX, UNITS_MAX, Rendered, render, units


def styled(rendered: Rendered) -> list[tuple[str, str]]:
    """Each entity: its kind, and the piece of the text it is about."""
    raw = rendered.text.encode("utf-16-le")
    return [(e["type"], raw[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le")) for e in rendered.entities]


def entity(rendered: Rendered, kind: str) -> dict[str, Any]:
    return next(one for one in rendered.entities if one["type"] == kind)


def test_what_is_bold_italic_struck_or_code_has_entities_and_no_signs() -> None:
    rendered = render("Some **bold _and_** 😀 ~~gone~~ `code`.")
    assert rendered.text == "Some bold and 😀 gone code."
    assert styled(rendered) == [("bold", "bold and"), ("italic", "and"), ("strikethrough", "gone"), ("code", "code")]


def test_a_fence_is_code_in_its_language() -> None:
    rendered = render('Look:\n\n```python\nprint("*hi*")\n\n\nprint()\n```\n\nDone.')
    assert rendered.text == 'Look:\n\nprint("*hi*")\n\n\nprint()\n\nDone.'
    assert entity(rendered, "pre")["language"] == "python"
    assert styled(rendered) == [("pre", 'print("*hi*")\n\n\nprint()')]


def test_lists_headings_quotes_and_lines_are_shown() -> None:
    rendered = render("# Plan\n\n- one\n- two\n  - deeper **x**\n\n3. third\n4. fourth\n\n> said\n> twice\n\n---\nend")
    assert rendered.text == "Plan\n\n• one\n• two\n  • deeper x\n\n3. third\n4. fourth\n\nsaid\ntwice\n\n———\n\nend"
    assert styled(rendered) == [("bold", "Plan"), ("bold", "x"), ("blockquote", "said\ntwice")]


def test_a_loose_list_keeps_its_gaps_and_paragraphs() -> None:
    assert render("1. one\n\n   more\n\n2. two").text == "1. one\n\n  more\n\n2. two"


def test_a_table_stands_in_columns() -> None:
    rendered = render("| a | bb |\n|---|---|\n| 1 | **2** |\n| 長い | x |")
    assert rendered.text.splitlines() == ["a    | bb", "-----+---", "1    | 2", "長い | x"]
    assert [kind for kind, _ in styled(rendered)] == ["pre"]


def test_a_link_hides_its_address_only_where_a_tap_shows_it() -> None:
    rendered = render("[here](https://example.org/a_b) [mail](mailto:a@b.c) [file](/x) [person](tg://user?id=1) <https://e.org>")
    assert rendered.text == "here mail (mailto:a@b.c) file (/x) person (tg://user?id=1) https://e.org"
    assert styled(rendered) == [("text_link", "here"), ("text_link", "https://e.org")]
    assert entity(rendered, "text_link")["url"] == "https://example.org/a_b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>HTML</b> <!-- too -->", "<b>HTML</b> <!-- too -->"),
        ("<div>\nblocks\n</div>", "<div>\nblocks\n</div>"),
        ("[1]: https://example.org/source", "[1]: https://example.org/source"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("![a picture](https://e.org/x.png)", "!a picture"),  # the address is behind it
        ("a &amp; b \\* c", "a & b * c"),
    ],
)
def test_nothing_vanishes(text: str, shown: str) -> None:
    assert render(text).text == shown


def test_what_would_show_nothing_is_shown_as_it_was_written() -> None:
    assert render("```\n```") == Rendered("```\n```")


def test_what_would_grow_too_long_is_shown_as_it_was_written() -> None:
    wide = "| a | b |\n|---|---|\n" + f"| {'x' * 1000} | y |\n" + "| 1 | 2 |\n" * 200
    assert units(wide) < UNITS_MAX
    assert render(wide) == Rendered(wide)


def test_of_too_many_entities_links_and_code_are_kept() -> None:
    rendered = render("**b** " * 150 + "[x](https://e.org)")
    assert len(rendered.entities) == ENTITIES_MAX
    assert ("text_link", "x") in styled(rendered)


def test_with_too_many_links_addresses_are_shown() -> None:
    many = " ".join(f"[x](https://e.org/{number})" for number in range(ENTITIES_MAX + 1))
    assert render(many) == Rendered(many)


_PIECES = st.sampled_from(
    [
        "**",
        "_",
        "`",
        "```\n",
        "~~",
        "[a](https://e.org/x)",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "> ",
        "# ",
        "| a | b |\n|---|---|\n",
        "😀",
        "word ",
        "é",
        "\t",
        "<b>",
        "&amp;",
        "\\",
        "    ",
        "***",
        "---\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=60).map("".join))
def test_entities_lie_inside_the_text_and_split_no_character(text: str) -> None:
    rendered = render(text)
    for one in rendered.entities:
        assert one["length"] > 0
        assert one["offset"] >= 0
        assert one["offset"] + one["length"] <= units(rendered.text)
    styled(rendered)  # decodes each piece


@settings(max_examples=30, deadline=None)
@given(st.lists(_PIECES, min_size=1, max_size=30).map("".join))
def test_every_part_fits(piece: str) -> None:
    text = piece * (10_000 // len(piece))
    limit = Limit(UNITS_MAX, "utf16")
    at = cuts(text, limit)
    assert all(units(render(part(text, at, index)).text) <= UNITS_MAX for index in range(len(at) + 1))
