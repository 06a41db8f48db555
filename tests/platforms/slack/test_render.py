from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.text import Limit, cuts, part
from holdfast.platforms.slack.render import TEXT_BYTES_MAX, escaped, render

SHOWN = {
    "**bold**, *leaning*, ~~struck~~, `code`": "*bold*, _leaning_, ~struck~, `code`",
    "# A heading **with weight**": "*A heading with weight*",
    "un**friend**ly": "un\u200b*friend*\u200bly",
    "** no bold **": "** no bold **",
    "**two\nlines**": "*two*\n*lines*",
    "***both***": "_*both*_",
    "- one\n- two\n  - deeper\n\n3. three\n4. four": "• one\n• two\n    • deeper\n\n3. three\n4. four",
    "> said\n> before": "> said\n> before",
    "```py\nif a < b:\n    pass\n```": "```\nif a &lt; b:\n    pass\n```",
    "````\na ``` in code\n````": "```\na `\u200b`\u200b` in code\n```",
    "`` a`b ``": "`a\u02cbb`",
    "| a | width |\n|---|---|\n| **1** | 2 |": "```\na | width\n--+------\n1 | 2\n```",
    "[here](https://a.example/?x=1&y=2|3)": "<https://a.example/?x=1&amp;y=2%7C3|here>",
    "[https://a.example](https://a.example)": "<https://a.example>",
    "[mail](mailto:ann@a.example)": "mail (mailto:ann@a.example)",
    "[danger](javascript:alert(1))": "[danger](javascript:alert(1))",
    "![a picture](https://a.example/p.png)": "!<https://a.example/p.png|a picture>",
    "<b>HTML</b> & more": "&lt;b&gt;HTML&lt;/b&gt; &amp; more",
    "---": "———",
    "snake_case and 2 * 3 * 4": "snake_case and 2 * 3 * 4",
}


@pytest.mark.parametrize("markdown", SHOWN)
def test_markdown_is_shown_as_slack_would_have_it(markdown: str) -> None:
    assert render(markdown) == SHOWN[markdown]


CALLS = ("<!channel>", "<!here|now>", "<!everyone>", "<@U123>", "<!subteam^S1>", "<#C1>")


@pytest.mark.parametrize(
    "around", ["{}", "**{}**", "# {}", "> {}", "- {}", "`{}`", "```\n{}\n```", "| a |\n|---|\n| {} |", "[{}](https://a.example)"]
)
@pytest.mark.parametrize("call", CALLS)
def test_nobody_is_called_and_nothing_is_linked_by_what_a_model_writes(call: str, around: str) -> None:
    shown = render(around.format(call))
    assert all(link.startswith("https://a.example") for link in re.findall(r"<([^<>]*)>", shown))
    assert not re.search(r"<[!@#]", shown)


markdown = st.lists(
    st.sampled_from(
        [
            "**",
            "_",
            "`",
            "```\n",
            "\n",
            "\n\n",
            "> ",
            "- ",
            "1. ",
            "# ",
            "| a | b |\n|---|---|\n",
            "<",
            "&",
            "[x](",
            "https://a.example)",
            "words ",
        ]
    ),
    max_size=60,
).map("".join)


@given(markdown | st.text(max_size=200))
def test_whatever_is_written_only_links_to_the_web_stay_unescaped(text: str) -> None:
    shown = render(text)
    assert all(re.match(r"https?://", inside) for inside in re.findall(r"<([^<>]*)>", shown))
    assert "<" not in re.sub(r"<https?://[^<>]*>", "", shown)


@given(
    st.lists(st.sampled_from(["<&>", "word ", "\n- x", "\n\n", "**b** ", "ä😀", "| a | b |\n|---|---|\n| c | d |\n\n"]), max_size=3000).map(
        "".join
    )
)
def test_every_part_fits_into_a_message_that_can_be_edited(text: str) -> None:
    """Slack counts bytes, after escaping: a final text that is too long would never take its preview's place."""
    at = cuts(text, Limit(TEXT_BYTES_MAX, "escaped"))
    assert all(len(render(part(text, at, index)).encode()) <= TEXT_BYTES_MAX for index in range(len(at) + 1))


def test_what_would_get_too_long_is_shown_as_it_was_written() -> None:
    table = "| a | b |\n|---|---|\n" + f"| {'x' * 300} | y |\n" + "| 1 | 2 |\n" * 30
    assert render(table) == escaped(table)
