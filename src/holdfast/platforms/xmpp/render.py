"""Markdown as the plain text that XMPP speaks, with the few marks that its clients know (XEP-0393). Read without them, it reads well all the same. Pure.

Nothing vanishes, and nothing gets longer than it was written: what would, is shown as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable(["image", "reference"])
_MARKS: Final = {"strong": "*", "em": "_", "s": "~"}


def render(markdown: str) -> str:
    shown = "\n".join(_blocks(Node(_PARSER.parse(markdown)).children, tight=False)).strip("\n").rstrip()
    return shown if shown and len(shown.encode()) <= len(markdown.encode()) else markdown


def _blocks(nodes: Sequence[Node], *, tight: bool) -> Iterator[str]:
    """The lines of these, with an empty one between two."""
    for index, node in enumerate(nodes):
        if index and not tight:
            yield ""
        yield from _block(node)


def _block(node: Node) -> Iterator[str]:
    match node.type:
        case "heading":
            yield f"*{_inline(node.children[0].children, bold=True)}*"
        case "paragraph":
            yield from _inline(node.children[0].children).split("\n")
        case "bullet_list" | "ordered_list":
            yield from _list(node)
        case "blockquote":
            yield from (f"> {line}".rstrip() for line in _blocks(node.children, tight=False))
        case "table":
            yield from (" | ".join(_cell(cell) for cell in row.children) for part in node.children for row in part.children)
        case "fence" | "code_block":
            yield from ("```", *node.content.rstrip("\n").split("\n"), "```")
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


def _inline(nodes: Sequence[Node], *, bold: bool = False) -> str:
    """`bold`: it stands in something bold, where a second mark would end that."""
    return "".join(_span(node, bold=bold) for node in nodes)


def _span(node: Node, *, bold: bool) -> str:
    match node.type:
        case "strong" if bold:
            return _inline(node.children, bold=True)
        case "strong" | "em" | "s":
            mark = _MARKS[node.type]
            return f"{mark}{_inline(node.children, bold=bold or node.type == 'strong')}{mark}"
        case "code_inline":
            return f"`{node.content}`"
        case "softbreak" | "hardbreak":
            return "\n"
        case "link":
            shown, to = _inline(node.children, bold=bold), str(node.attrs.get("href", ""))
            return shown if to.endswith(shown) and shown else f"{shown} ({to})".strip()
        case _:
            return node.content
