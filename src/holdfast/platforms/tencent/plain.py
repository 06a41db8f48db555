"""Markdown for people who are shown plain text: without its signs, and with the addresses of links. Pure.

Nothing vanishes, and nothing gets longer than it was written: what would, is shown as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable(["image", "reference"])
_LINK: Final = re.compile(r"<(?=\s*/?\s*a\b)", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f]")


def plain(markdown: str) -> str:
    shown = "\n".join(_blocks(Node(_PARSER.parse(markdown)).children, tight=False)).rstrip()
    return bare(shown if shown and len(shown.encode()) <= len(markdown.encode()) else markdown)


def bare(text: str) -> str:
    """Without what WeChat would not show as it stands. It takes `<a` for a link, even for one that writes something in the reader's name; and no characters
    that JSON writes as a number."""
    return _CONTROL.sub("", _LINK.sub("(", text))


def _blocks(nodes: Sequence[Node], *, tight: bool) -> Iterator[str]:
    """The lines of these, with an empty one between two."""
    for index, node in enumerate(nodes):
        if index and not tight:
            yield ""
        yield from _block(node)


def _block(node: Node) -> Iterator[str]:
    match node.type:
        case "heading" | "paragraph":
            yield from _inline(node.children[0].children).split("\n")
        case "bullet_list" | "ordered_list":
            yield from _list(node)
        case "blockquote":
            yield from (f"> {line}".rstrip() for line in _blocks(node.children, tight=False))
        case "table":
            yield from (" | ".join(map(_cell, row.children)) for part in node.children for row in part.children)
        case "hr":
            yield "---"
        case _:
            yield from node.content.rstrip("\n").split("\n")


def _list(node: Node) -> Iterator[str]:
    tight = all(block.hidden for item in node.children for block in item.children if block.type == "paragraph")
    first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    for index, item in enumerate(node.children):
        if index and not tight:
            yield ""
        mark = "- " if first is None else f"{first + index}. "
        for number, line in enumerate(_blocks(item.children, tight=tight)):
            yield (" " * len(mark) if number else mark) + line if line or not number else ""


def _cell(node: Node) -> str:
    return _inline(node.children[0].children if node.children else ())


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
