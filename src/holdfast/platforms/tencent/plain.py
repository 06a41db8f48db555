"""Markdown for people who are shown plain text: without its signs, and with the addresses of links. Pure.

Nothing vanishes, and nothing gets longer than it was written: what would, is shown as it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from markdown_it.tree import SyntaxTreeNode as Node

from holdfast.platforms.outline import Outline

_LINK: Final = re.compile(r"<(?=\s*/?\s*a\b)", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f]")


def plain(markdown: str) -> str:
    shown = "\n".join(Outline(_inline).lines(markdown)).rstrip()
    return bare(shown if shown and len(shown.encode()) <= len(markdown.encode()) else markdown)


def bare(text: str) -> str:
    """Without what WeChat would not show as it stands. It takes `<a` for a link, even for one that writes something in the reader's name; and no characters
    that JSON writes as a number."""
    return _CONTROL.sub("", _LINK.sub("(", text))


def _inline(nodes: Sequence[Node]) -> str:
    return "".join(map(_span, nodes))


def _span(node: Node) -> str:
    match node.type:
        case "strong" | "em" | "s":
            return _inline(node.children)
        case "softbreak" | "hardbreak":
            return "\n"
        case "link":
            shown, to = _inline(node.children), str(node.attrs.get("href", ""))
            return shown if to.endswith(shown) and shown else f"{shown} ({to})".strip()
        case _:
            return node.content
