"""Markdown as the plain text that XMPP speaks, with the few marks that its clients know (XEP-0393). Read without them, it reads well all the same. Pure.

Nothing vanishes, and nothing gets longer than it was written: what would, is shown as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markdown_it.tree import SyntaxTreeNode as Node

from holdfast.platforms.outline import Outline

_MARKS: Final = {"strong": "*", "em": "_", "s": "~"}


def render(markdown: str) -> str:
    shown = "\n".join(Outline(_inline, _own).lines(markdown)).strip("\n").rstrip()
    return shown if shown and len(shown.encode()) <= len(markdown.encode()) else markdown


def _own(node: Node) -> Sequence[str] | None:
    match node.type:
        case "heading":
            return (f"*{_inline(node.children[0].children, bold=True)}*",)
        case "fence" | "code_block":
            return ("```", *node.content.rstrip("\n").split("\n"), "```")
        case _:
            return None


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
