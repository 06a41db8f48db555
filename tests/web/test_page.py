from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from holdfast.ports import ConversationRow
from holdfast.web.page import HEADERS, page


def _row(key: str) -> ConversationRow:
    return ConversationRow(key, "web:local", 1, 5.0, running=True, due=None, turn_gate="", speech_gate="", attempts=0)


def _when(at: float) -> str:
    return f"at {at}"


class _Cells(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside = tag == "td"
        if self._inside:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


def test_conversations_and_health_are_listed() -> None:
    status = {"version": "1.0", "gates": [{"name": "route:main", "state": "open", "why": "http://u:p@secret"}], "parts": [], "started": 1.0}
    text = page([_row("web:local:a")], status, 6.0, _when)
    assert _Cells(text).cells == ["web:local:a", "at 5.0", "working", "route:main", "open"]
    assert "As of at 6.0" in text
    assert "secret" not in text


def test_an_empty_gateway_says_so() -> None:
    assert "None yet." in page([], {}, 6.0, _when)


def test_whatever_a_thing_is_called_it_is_only_text() -> None:
    evil = "</td><script>alert('1')</script>\"&amp;$style"
    text = page([_row(evil)], {f"<i>{evil}": [{"name": evil, "state": evil}]}, 6.0, _when)
    assert _Cells(text).cells == [evil, "at 5.0", "working", evil, evil]
    assert "<script" not in text


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    style = re.search(r"<style>(.*?)</style>", page([], {}, 6.0, _when), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; " in HEADERS["content-security-policy"]
