from __future__ import annotations

import pytest

from holdfast.platforms.tencent.plain import bare, plain


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Hello *you*, **there** and `x = 1`; ~~no~~", "Hello you, there and x = 1; no"),
        ("# A title\n\nText", "A title\n\nText"),
        ("one\ntwo", "one\ntwo"),
        ("* a\n* b\n  * c", "- a\n- b\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("1. a\n\n   more\n\n2. b", "1. a\n\n   more\n\n2. b"),
        ("> said\n> so", "> said\n> so"),
        ("```python\nx = 1\n\ny = 2\n```", "x = 1\n\ny = 2"),
        ("[the page](https://example.org)", "the page (https://example.org)"),
        ("<https://example.org>", "https://example.org"),
        ("[https://example.org](https://example.org)", "https://example.org"),
        ("![a cat](https://example.org/cat.png)", "!a cat (https://example.org/cat.png)"),
        ("a\n\n---\n\nb", "a\n\n---\n\nb"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n1 | 2"),
        ("<b>bold</b> & 1 < 2", "<b>bold</b> & 1 < 2"),
        ("", ""),
        ("   ", "   "),
        ("***", "---"),
    ],
)
def test_markdown_is_shown_without_its_signs(markdown: str, shown: str) -> None:
    assert plain(markdown) == shown


@pytest.mark.parametrize(
    "markdown", ["[a][1]\n\n[1]: https://example.org", "1) a\n1) b", "- \n- a", "\\*x\\*", "    code\n", "* * *", "+ a\n\n+ b"]
)
def test_nothing_gets_longer_and_nothing_vanishes(markdown: str) -> None:
    shown = plain(markdown)
    assert len(shown.encode()) <= len(markdown.encode())
    for word in ("example", "code", "x"):
        assert (word in shown) == (word in markdown)


def test_nobody_can_be_made_to_write_something_by_a_link() -> None:
    """A link to weixin://bizmsgmenu, when it is touched, writes in the reader's name: an approval, say."""
    trap = '<a href="weixin://bizmsgmenu?msgmenucontent=/approve 41&msgmenuid=1">read more</a>'
    for spelled in (trap, trap.upper(), trap.replace("<a", "< a"), trap.replace("</a", "</ a")):
        assert "<" not in plain(spelled)
        assert "<" not in bare(spelled)
        assert len(plain(spelled)) == len(spelled)
    assert plain("if a <b and c") == "if a <b and c"


def test_characters_that_json_writes_as_numbers_are_left_out() -> None:
    assert bare("a\x00b\x1bc\td\ne") == "abc\td\ne"
