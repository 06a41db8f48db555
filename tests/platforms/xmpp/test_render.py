"""Markdown as plain text with the marks that XMPP's clients know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.platforms.xmpp.render import render


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Just text.", "Just text."),
        ("**bold**, *italic*, ~~struck~~ and `code`", "*bold*, _italic_, ~struck~ and `code`"),
        ("**all *of* it**", "*all _of_ it*"),
        ("# Title\n\nText", "*Title*\n\nText"),
        ("# A **bold** title", "*A bold title*"),
        ("[here](https://example.org)", "here (https://example.org)"),
        ("<https://example.org>", "https://example.org"),
        ("- one\n- two\n  - three", "- one\n- two\n  - three"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("> said\n> so", "> said\n> so"),
        ("```python\nx = 1\n```", "```\nx = 1\n```"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n1 | 2"),
        ("<b>not ours</b> & so", "<b>not ours</b> & so"),
        ("![a picture](https://example.org/a.png)", "!a picture (https://example.org/a.png)"),
    ],
)
def test_it_reads_well_with_the_marks_and_without(markdown: str, shown: str) -> None:
    assert render(markdown) == shown


@given(st.text(alphabet="ab *_~`#>-|[]()\n1.<&!\\", max_size=80))
def test_nothing_gets_longer_or_vanishes(markdown: str) -> None:
    shown = render(markdown)
    assert len(shown.encode()) <= len(markdown.encode())
    assert bool(shown.strip()) == bool(markdown.strip())
