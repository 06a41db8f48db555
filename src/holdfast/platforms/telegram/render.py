"""Markdown as Telegram shows it: a text and the entities that style it. Entities need no escaping, so no text can break its own message. Pure.

Nothing vanishes: HTML, pictures and definitions of links are shown as they were written. What is shown fits wherever the Markdown did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

from holdfast.platforms.outline import table

UNITS_MAX: Final = 4096
"""Of a message, in UTF-16."""
CAPTION_UNITS_MAX: Final = 1024
ENTITIES_MAX: Final = 100
"""More than these are ignored."""

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable(["image", "reference"])
_STYLES: Final = {"strong": "bold", "em": "italic", "s": "strikethrough"}
_UNINDENTED: Final = ("fence", "code_block", "table", "bullet_list", "ordered_list")
"""Blocks that see to their own indentation, or have none."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text, and its entities as the Bot API takes them."""

    text: str
    entities: tuple[dict[str, Any], ...] = ()


def render(markdown: str) -> Rendered:
    """As plain as it was written, where it would get too long otherwise, or lose the addresses of links."""
    writer = _Writer()
    _blocks(writer, Node(_PARSER.parse(markdown)).children, "\n\n", "")
    text = writer.text.rstrip()
    entities = [entity | {"length": min(entity["length"], units(text) - entity["offset"])} for entity in writer.entities]
    entities = [entity for entity in entities if entity["length"] > 0]
    if not text or units(text) > UNITS_MAX or sum(entity["type"] == "text_link" for entity in entities) > ENTITIES_MAX:
        return Rendered(markdown)
    needed = sorted(entities, key=lambda entity: entity["type"] not in {"text_link", "pre"})[:ENTITIES_MAX]
    return Rendered(text, tuple(sorted(needed, key=lambda entity: (entity["offset"], -entity["length"]))))


def units(text: str) -> int:
    """How long Telegram takes a text for."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Writer:
    """The text so far, and its entities."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.entities: list[dict[str, Any]] = []
        self.at = 0
        self.quoting = False

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self.at += units(text)

    def style(self, kind: str, begin: int, **more: str) -> None:
        """From `begin` to here it is of this kind."""
        if self.at > begin:
            self.entities.append({"type": kind, "offset": begin, "length": self.at - begin, **more})


# --- blocks -----------------------------------------------------------------------------------------------------------------------------


def _blocks(writer: _Writer, nodes: Sequence[Node], gap: str, indent: str) -> None:
    for index, node in enumerate(nodes):
        if index:
            writer.write(gap if node.type in _UNINDENTED else gap + indent)
        _block(writer, node, gap, indent)


def _block(writer: _Writer, node: Node, gap: str, indent: str) -> None:
    begin = writer.at
    match node.type:
        case "heading":
            _inline(writer, node.children[0].children, indent)
            writer.style("bold", begin)
        case "paragraph":
            _inline(writer, node.children[0].children, indent)
        case "bullet_list" | "ordered_list":
            _list(writer, node, indent)
        case "blockquote":
            _quote(writer, node, gap, indent)
        case "fence" | "code_block":
            writer.write(node.content.rstrip("\n"))
            language = node.info.split()[0] if node.info.strip() else ""
            writer.style("pre", begin, **({"language": language} if language else {}))
        case "table":
            writer.write(_table(node))
            writer.style("pre", begin)
        case "hr":
            writer.write("———")
        case _:
            writer.write(node.content)


def _quote(writer: _Writer, node: Node, gap: str, indent: str) -> None:
    """Quotes can't be nested."""
    begin, outermost = writer.at, not writer.quoting
    writer.quoting = True
    _blocks(writer, node.children, gap, indent)
    if outermost:
        writer.quoting = False
        writer.style("blockquote", begin)


def _list(writer: _Writer, node: Node, indent: str) -> None:
    tight = all(block.hidden for item in node.children for block in item.children if block.type == "paragraph")
    gap = "\n" if tight else "\n\n"
    first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    for index, item in enumerate(node.children):
        mark = "• " if first is None else f"{first + index}. "
        writer.write((gap if index else "") + indent + mark)
        _blocks(writer, item.children, gap, indent + "  ")


def _table(node: Node) -> str:
    return table([[_plain(cell) for cell in row.children] for part in node.children for row in part.children])


def _plain(cell: Node) -> str:
    writer = _Writer()
    _inline(writer, cell.children[0].children if cell.children else (), "")
    return writer.text


# --- inline -----------------------------------------------------------------------------------------------------------------------------


def _inline(writer: _Writer, nodes: Sequence[Node], indent: str) -> None:
    for node in nodes:
        begin = writer.at
        match node.type:
            case "strong" | "em" | "s":
                _inline(writer, node.children, indent)
                writer.style(_STYLES[node.type], begin)
            case "code_inline":
                writer.write(node.content)
                writer.style("code", begin)
            case "softbreak" | "hardbreak":
                writer.write("\n" + indent)
            case "link":
                _link(writer, node, indent)
            case _:
                writer.write(node.content)


def _link(writer: _Writer, node: Node, indent: str) -> None:
    """Only the web is linked to: an address of Telegram's own could call people, and any other is refused."""
    begin, before, to = writer.at, len(writer.text), str(node.attrs.get("href", ""))
    _inline(writer, node.children, indent)
    shown = writer.text[before:]
    if _is_web(to):
        writer.style("text_link", begin, url=to)
    elif not to.endswith(shown):
        writer.write(f" ({to})")


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
