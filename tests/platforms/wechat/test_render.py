from __future__ import annotations

import pytest

from holdfast.platforms.wechat.render import render


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Plain words, **bold** and `code`.", "Plain words, **bold** and `code`."),
        ("# One\n#### Four\n##### Five\n###### Six", "# One\n#### Four\nFive\nSix"),
        ("if a < b: <b>x</b>", "if a \uff1c b: \uff1cb>x\uff1c/b>"),
        ("```c\n#include <stdio.h>\n```\n<stdio.h>", "```c\n#include <stdio.h>\n```\n\uff1cstdio.h>"),
        ("![a chart](https://example.org/c.png)", "a chart (https://example.org/c.png)"),
        ('![](https://example.org/c.png "title")', "https://example.org/c.png"),
        ("see <https://example.org/a>", "see https://example.org/a"),
        ("*slanted* and *\u659c\u4f53* and ***\u659c***", "*slanted* and \u659c\u4f53 and \u659c"),
        ("2 * 3 * 4 \u4e2d * 5", "2 * 3 * 4 \u4e2d * 5"),
        ("**\u7c97\u4f53** stays", "**\u7c97\u4f53** stays"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("```\nnever closed <", "```\nnever closed <"),
        ("\n\n  indented\n", "\n\n  indented\n"),
    ],
)
def test_what_wechat_does_not_show_is_written_otherwise(markdown: str, shown: str) -> None:
    assert render(markdown) == shown


def test_nothing_gets_longer() -> None:
    """So that a part fits when it is sent, too."""
    text = "##### <a> ![x](https://e.org/p) <https://e.org> *\u659c\u4f53* < " * 40
    assert len(render(text)) <= len(text)
