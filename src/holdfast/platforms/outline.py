"""Markdown's blocks for people who are shown plain text: lists, quotes, tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node
from wcwidth import wcswidth

PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable(["image", "reference"])


class Outline:
    """`span` shows what stands within a line; `own`, the lines of a block that is shown in a way of one's own (None: it is not)."""

    def __init__(self, span: Callable[[Sequence[Node]], str], own: Callable[[Node], Iterable[str] | None] = lambda _: None) -> None:
        self._span, self._own = span, own

    def lines(self, markdown: str) -> Iterator[str]:
        return self._blocks(Node(PARSER.parse(markdown)).children, tight=False)

    def _blocks(self, nodes: Sequence[Node], *, tight: bool) -> Iterator[str]:
        """The lines of these, with an empty one between two."""
        for index, node in enumerate(nodes):
            if index and not tight:
                yield ""
            own = self._own(node)
            yield from self._block(node) if own is None else own

    def _block(self, node: Node) -> Iterator[str]:
        match node.type:
            case "heading" | "paragraph":
                yield from self._span(node.children[0].children).split("\n")
            case "bullet_list" | "ordered_list":
                yield from self._list(node)
            case "blockquote":
                yield from (f"> {line}".rstrip() for line in self._blocks(node.children, tight=False))
            case "table":
                yield from (" | ".join(map(self._cell, row.children)) for part in node.children for row in part.children)
            case "hr":
                yield "---"
            case _:
                yield from node.content.rstrip("\n").split("\n")

    def _list(self, node: Node) -> Iterator[str]:
        tight = all(block.hidden for item in node.children for block in item.children if block.type == "paragraph")
        first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
        for index, item in enumerate(node.children):
            if index and not tight:
                yield ""
            mark = "- " if first is None else f"{first + index}. "
            for number, line in enumerate(self._blocks(item.children, tight=tight)):
                yield (" " * len(mark) if number else mark) + line if line or not number else ""

    def _cell(self, node: Node) -> str:
        return self._span(node.children[0].children if node.children else ())


def table(rows: Sequence[Sequence[str]]) -> str:
    """In columns, for a font in which all characters are equally wide. The first row is the head."""
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [" | ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-+-".join("-" * width for width in widths), *lines[1:]])


def _width(text: str) -> int:
    return max(wcswidth(text), 0)  # -1: it has a control character
