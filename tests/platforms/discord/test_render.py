from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.platforms.discord.render import UNITS_MAX, render, units

TICKS = "```"


@pytest.mark.parametrize(
    "as_it_is",
    [
        "Plain words, **bold**, *italic*, ~~struck~~, `code`, [a link](https://example.org), :smile: and 2 * 3 * 4.",
        "# One\n## Two\n### Three\n\n- a\n  - b\n1. c\n\n> quoted",
        f"{TICKS}python\nif a || b:  # <@1>\n    pass\n{TICKS}",
        "`a || b` and ``<@1> ` ||``",
        "2 < 3, a <b> tag, <https://example.org>, -# is no small print here-# x",
        "",
        "\n\nlines\n\n\nkept",
    ],
)
def test_what_discord_shows_alike_stays_as_it_was_written(as_it_is: str) -> None:
    assert render(as_it_is).replace("\\-\\#", "-#") == as_it_is


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("it is ||no secret||", "it is \\|\\|no secret\\|\\|"),
        ("-# not small", "\\-\\# not small"),
        ("<@123>, <#5>, <:wave:7>, <t:1>, </stop:1>", "\\<@123>, \\<#5>, \\<:wave:7>, \\<t:1>, \\</stop:1>"),
        ("#### Four\n\ntext", "**Four**\n\ntext"),
        ("##### **Five**", "**Five**"),
        (f"~~~py\na || {TICKS}\n~~~", f"{TICKS}py\na || `\u200b`\u200b`\n{TICKS}"),
        ("text\n\n    indented || code\n\nmore", f"text\n\n{TICKS}\nindented || code\n{TICKS}\n\nmore"),
        ("| a | b |\n|---|---|\n| 1 | **two** |", f"{TICKS}\na | b\n--+--------\n1 | **two**\n{TICKS}"),
        (f"- item\n  {TICKS}\n  a || b\n  {TICKS}\n- || c", f"- item\n  {TICKS}\n  a || b\n  {TICKS}\n- \\|\\| c"),
    ],
)
def test_what_only_discord_takes_for_a_mark_and_what_it_does_not_have(written: str, shown: str) -> None:
    assert render(written) == shown


def test_a_table_that_would_lose_a_cell_stays_as_it_was_written() -> None:
    written = "| a | b |\n|---|---|\n| 1 | 2 | three || four |"
    assert render(written) == written.replace("||", "\\|\\|")


def test_what_would_become_too_long_goes_as_it_was_written() -> None:
    written = "| a | b |\n|---|---|\n" + "| x | y |\n" * 150 + "| " + "w" * 300 + " | y |"
    assert units(written) <= UNITS_MAX
    assert render(written) == written


PIECES = [*"ab |<@#-*_`~>\n\r\t:.1&/\\😀", "```", "| a | b |\n|---|---|\n", "    "]


@given(st.lists(st.sampled_from(PIECES), max_size=200).map("".join))
def test_nothing_vanishes_and_nothing_breaks(written: str) -> None:
    shown = render(written)
    assert units(shown) <= max(UNITS_MAX, units(written))
    assert sorted(char for char in written if char in "ab1😀") == sorted(char for char in shown if char in "ab1😀")
