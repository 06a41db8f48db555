"""What we say, as events: pure, so without a server."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.platforms.matrix import writing


def html_of(said: str) -> str:
    return str(writing.text(said, "").get("formatted_body", ""))


def test_a_plain_text_is_only_that() -> None:
    assert writing.text("2 < 3 & so", "k") == {"msgtype": "m.text", "body": "2 < 3 & so", "m.mentions": {}, "holdfast.key": "k"}


def test_markdown_goes_as_html_beside_what_was_written() -> None:
    content = writing.text("**so** it `is`", "")
    assert content["body"] == "**so** it `is`"
    assert content["format"] == "org.matrix.custom.html"
    assert content["formatted_body"] == "<p><strong>so</strong> it <code>is</code></p>"


@pytest.mark.parametrize(
    ("said", "html"),
    [
        ("*a* <b>b</b>", "<p><em>a</em> &lt;b&gt;b&lt;/b&gt;</p>"),
        ("*a* <script>x</script>", "<p><em>a</em> &lt;script&gt;x&lt;/script&gt;</p>"),
        ("[x](javascript:alert(1)) *a*", "<p>[x](javascript:alert(1)) <em>a</em></p>"),
        ("[x](https://example.org)", '<p><a href="https://example.org">x</a></p>'),
        ("[x](file:///etc) *a*", "<p>[x](file:///etc) <em>a</em></p>"),
        ("![x](https://example.org/a.png)", '<p>!<a href="https://example.org/a.png">x</a></p>'),
        ("```python\n1\n```", '<pre><code class="language-python">1\n</code></pre>'),
        ("~~no~~", "<p><s>no</s></p>"),
        ("3. x", '<ol start="3">\n<li>x</li>\n</ol>'),
        ("a\nb", "<p>a<br />\nb</p>"),
    ],
)
def test_the_html_is_what_matrix_allows(said: str, html: str) -> None:
    assert html_of(said) == html


def test_a_table_has_no_styles() -> None:
    html = html_of("| a | b |\n|:-|-:|\n| 1 | 2 |")
    assert "<td>1</td>" in html
    assert "style" not in html


def test_nobody_is_mentioned() -> None:
    assert writing.text("@room and @ann:example.org", "")["m.mentions"] == {}
    assert writing.edit("@room", "$0", "")["m.mentions"] == {}
    assert writing.edit("@room", "$0", "")["m.new_content"]["m.mentions"] == {}


def test_control_characters_stay_behind() -> None:
    assert writing.text("a\x00b\x1b[1m\n\tc", "")["body"] == "ab[1m\n\tc"


def test_an_edit_is_of_our_message() -> None:
    content = writing.edit("new", "$0", "k")
    assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$0"}
    assert (content["body"], content["m.new_content"]["body"]) == ("* new", "new")


@pytest.mark.parametrize(
    ("thread", "replies_to", "relation"),
    [
        ("", "", None),
        ("", "$1", {"m.in_reply_to": {"event_id": "$1"}}),
        ("$0", "", {"rel_type": "m.thread", "event_id": "$0", "is_falling_back": True, "m.in_reply_to": {"event_id": "$0"}}),
        ("$0", "$1", {"rel_type": "m.thread", "event_id": "$0", "is_falling_back": False, "m.in_reply_to": {"event_id": "$1"}}),
    ],
)
def test_a_message_is_in_its_thread_and_replies(thread: str, replies_to: str, relation: dict[str, Any] | None) -> None:
    assert writing.related(writing.text("x", ""), thread, replies_to).get("m.relates_to") == relation


@pytest.mark.parametrize("said", ["x" * 10_000, '"&<' * 3_333, "\n" * 9_999 + "x", "🌊" * 2_500, "**a** " * 1_666, "\\" * 10_000])
def test_the_longest_part_fits_into_an_event_also_as_an_edit(said: str) -> None:
    assert len(said.encode()) <= writing.TEXT_BYTES_MAX
    for content in (writing.text(said, "k"), writing.edit(said, "$0", "k")):
        assert len(msgspec.json.encode(writing.fitting(content))) <= writing.CONTENT_BYTES_MAX


def test_a_text_that_fits_keeps_its_html() -> None:
    content = writing.edit("**a**", "$0", "k")
    assert writing.fitting(content) == content


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [("image/png", "m.image"), ("audio/ogg", "m.audio"), ("video/mp4", "m.video"), ("text/plain", "m.file"), ("application/pdf", "m.file")],
)
def test_a_file_is_shown_as_what_it_is(media_type: str, kind: str) -> None:
    content = writing.file("x", media_type, {"url": "mxc://a/b"}, 3, "k")
    assert (content["msgtype"], content["filename"], content["url"], content["info"]) == (
        kind,
        "x",
        "mxc://a/b",
        {"mimetype": media_type, "size": 3},
    )
