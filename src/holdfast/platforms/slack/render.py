"""Markdown as Slack's mrkdwn. Everything that is said is escaped first, so no text can call people or be taken for markup of Slack's own. Pure.

Nothing vanishes: HTML, pictures and definitions of links are shown as they were written. What is shown fits wherever the Markdown did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

from holdfast.platforms.outline import table

TEXT_BYTES_MAX: Final = 4000
"""Of a message that is to be edited; Slack counts what is escaped. (New ones may have more, which nobody would read.)"""

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable(["image", "reference"])
_LIKE_A_BACKTICK: Final = "\u02cb"
"""In code of one line there is no way to write one."""
_MARKS: Final = {"strong": "*", "em": "_", "s": "~"}


def render(markdown: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """As plain as it was written, where it would get too long otherwise."""
    text = _blocks(Node(_PARSER.parse(markdown)).children, "\n\n").strip("\n").rstrip()
    return text if text and len(text.encode()) <= bytes_max else escaped(markdown)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- blocks -----------------------------------------------------------------------------------------------------------------------------


def _blocks(nodes: Sequence[Node], gap: str) -> str:
    return gap.join(_block(node, gap) for node in nodes)


def _block(node: Node, gap: str) -> str:
    match node.type:
        case "heading":
            return _styled(_inline(node.children[0].children, bold=True), "*")
        case "paragraph":
            return _inline(node.children[0].children)
        case "bullet_list" | "ordered_list":
            return _list(node)
        case "blockquote":
            return _before_each_line("> ", _blocks(node.children, gap))
        case "fence" | "code_block":
            return _preformatted(node.content.rstrip("\n"))
        case "table":
            return _preformatted(_table(node))
        case "hr":
            return "———"
        case _:
            return escaped(node.content)


def _list(node: Node) -> str:
    tight = all(block.hidden for item in node.children for block in item.children if block.type == "paragraph")
    gap = "\n" if tight else "\n\n"
    first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    marks = ["• " if first is None else f"{first + index}. " for index, _ in enumerate(node.children)]
    items = (
        mark + _before_each_line("    ", _blocks(item.children, gap)).lstrip(" ") for mark, item in zip(marks, node.children, strict=True)
    )
    return gap.join(items)


def _before_each_line(what: str, text: str) -> str:
    """But not in what is preformatted: there it would show."""
    lines, inside = [], False
    for line in text.split("\n"):
        lines.append(line if inside or not (line or what.strip()) else what + line)
        inside ^= line.count("```") % 2 == 1
    return "\n".join(lines)


def _preformatted(text: str) -> str:
    """Slack ends it at the next three backticks: those in it are kept apart."""
    inside = escaped(text).replace("```", "`\u200b`\u200b`")
    return f"```\n{inside}\n```"


def _table(node: Node) -> str:
    return table([[_content(cell) for cell in row.children] for part in node.children for row in part.children])


def _content(cell: Node) -> str:
    """Its text, without any style."""
    return "".join(_said(node) for node in (cell.children[0].children if cell.children else ()))


def _said(node: Node) -> str:
    inside = "".join(_said(one) for one in node.children)
    return f"{inside} ({node.attrs['href']})" if node.type == "link" and node.attrs["href"] != inside else inside or node.content


# --- inline -----------------------------------------------------------------------------------------------------------------------------


def _inline(nodes: Sequence[Node], *, bold: bool = False) -> str:
    """`bold`: it stands in something bold, where a second mark would end that."""
    text, marked = "", False
    for node in nodes:
        piece, marks = _piece(node, bold=bold)
        if (marked and piece[:1].isalnum()) or (marks and text[-1:].isalnum()):
            text += "\u200b"  # a mark counts only at the edge of a word: a space without width makes one
        text, marked = text + piece, marks
    return text


def _piece(node: Node, *, bold: bool) -> tuple[str, bool]:
    """Its text, and whether it has marks around it."""
    match node.type:
        case "strong" if bold:
            return _inline(node.children, bold=True), False
        case "strong" | "em" | "s":
            return _styled(_inline(node.children, bold=bold or node.type == "strong"), _MARKS[node.type]), True
        case "code_inline":
            return f"`{escaped(node.content).replace('`', _LIKE_A_BACKTICK)}`", True
        case "softbreak" | "hardbreak":
            return "\n", False
        case "link":
            return _link(node, bold=bold), False
        case _:
            return escaped(node.content), False


def _styled(text: str, mark: str) -> str:
    """Marks hold on one line, and around words: white space stays outside."""
    lines = text.split("\n")
    return "\n".join(line.replace(line.strip(), f"{mark}{line.strip()}{mark}", 1) if line.strip() else line for line in lines)


def _link(node: Node, *, bold: bool) -> str:
    """Only the web is linked to."""
    shown, to = _inline(node.children, bold=bold), str(node.attrs.get("href", ""))
    if not _is_web(to):
        return shown if to.endswith(_said(node)) else f"{shown} ({escaped(to)})"
    address = escaped(to).replace("|", "%7C")
    label = shown.replace("|", "¦").replace("\n", " ")
    return f"<{address}>" if label == address else f"<{address}|{label}>"


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
