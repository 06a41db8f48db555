"""Markdown as Feishu's cards take it, and the cards. Pure.

Cards have a dialect of their own: tags in angle brackets name people and call them, so what stands in a text is escaped before anything is styled. Nothing
vanishes: HTML and pictures are shown as they were written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

from holdfast.core.text import well_formed
from holdfast.ports import Message

TEXT_BYTES_MAX: Final = 7_000
"""Of a part. A card may have 30 kB as JSON within JSON, where a quotation mark takes four bytes."""
CARD_BYTES_MAX: Final = 29_500
TABLES_MAX: Final = 4
"""More of them a card does not take."""
SUMMARY_CHARS_MAX: Final = 80
"""Of what the list of chats, and a notification, show of it."""
MARK_CHARS: Final = 19

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable(["image", "reference"])
_STYLES: Final = {"strong": "**", "em": "*", "s": "~~"}
_ESCAPED: Final = re.compile(r"[<>*_~\[\]`|\\!$]|&(?=#|\w+;)")
_LINE_STARTS: Final = re.compile(r"^([ \t]*(?:\d{1,9}(?=[.)]))?)([-+#=.)])", re.MULTILINE)
_CALLS: Final = re.compile(r"<(?=/?\w)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def mark(key: str) -> str:
    """What a card under this key carries, so that it can be found: an element's id, of at most 20 letters and digits."""
    return f"k{hashlib.sha256(key.encode()).hexdigest()[:MARK_CHARS]}" if key else ""


def uuid(key: str) -> str | None:
    """The key as Feishu takes it, in at most 50 characters."""
    return hashlib.sha256(key.encode()).hexdigest()[:40] if key else None


def card(message: Message, thread: str, person: str) -> str:
    """The card that says it; without styles, if with them it would be too long."""
    styled = {"tag": "markdown", "content": render(message.text)}
    content = _content(message, styled, thread, person)
    return content if len(msgspec.json.encode(content)) <= CARD_BYTES_MAX else plain_card(message, thread, person)


def plain_card(message: Message, thread: str, person: str) -> str:
    """As it was written. It fits, whatever the text is."""
    text = {"tag": "plain_text", "content": _sound(message.text) or " "}
    return _content(message, {"tag": "div", "text": text}, thread, person)


def _content(message: Message, said: dict[str, Any], thread: str, person: str) -> str:
    if key := mark(message.key):
        said["element_id"] = key
    elements = [said]
    for option in message.options:
        carried = {"question": message.question, "option": option, "thread": thread, "person": person}
        press = {"type": "callback", "value": carried}
        elements.append({"tag": "button", "text": {"tag": "plain_text", "content": option}, "behaviors": [press]})
    first = next((line for line in message.text.splitlines() if line.strip(" #*_`~>-")), "")
    config = {"update_multi": True, "summary": {"content": _sound(first).strip(" #*_`~>-")[:SUMMARY_CHARS_MAX]}}
    return msgspec.json.encode({"schema": "2.0", "config": config, "body": {"elements": elements}}).decode()


def render(markdown: str) -> str:
    """In the dialect of cards."""
    text = _sound(markdown)
    return _Writer(text).blocks(Node(_PARSER.parse(text)).children) or " "


class _Writer:
    """Of one text: it counts its tables."""

    def __init__(self, source: str) -> None:
        self._lines = source.splitlines()
        self._tables = 0

    def blocks(self, nodes: Sequence[Node], gap: str = "\n\n") -> str:
        return gap.join(self._block(node) for node in nodes)

    def _block(self, node: Node) -> str:
        match node.type:
            case "heading":
                return f"{'#' * int(node.tag[1:])} {self._inline(node)}"
            case "paragraph":
                return _LINE_STARTS.sub(lambda found: found[1] + _entity(found[2]), self._inline(node))
            case "bullet_list" | "ordered_list":
                return self._list(node)
            case "blockquote":
                return _indented(self.blocks(node.children), "> ", "> ")
            case "fence" | "code_block":
                return _fence(node.content.rstrip("\n"), node.info.split()[0] if node.info.strip() else "")
            case "table":
                return self._table(node)
            case "hr":
                return "---"
            case _:
                return _escaped(node.content)

    def _list(self, node: Node) -> str:
        tight = all(block.hidden for item in node.children for block in item.children if block.type == "paragraph")
        first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
        items = [
            _indented(self.blocks(item.children, "\n" if tight else "\n\n"), "- " if first is None else f"{first + index}. ", "    ")
            for index, item in enumerate(node.children)
        ]
        return ("\n" if tight else "\n\n").join(items)

    def _table(self, node: Node) -> str:
        self._tables += 1
        if self._tables > TABLES_MAX and node.map is not None:
            return _fence("\n".join(self._lines[node.map[0] : node.map[1]]), "")
        rows = [[self._inline(cell).replace("\n", " ") for cell in row.children] for part in node.children for row in part.children]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])

    def _inline(self, node: Node) -> str:
        return "".join(self._span(span) for inline in node.children for span in inline.children or ())

    def _spans(self, nodes: Sequence[Node]) -> str:
        return "".join(map(self._span, nodes))

    def _span(self, node: Node) -> str:
        match node.type:
            case "strong" | "em" | "s":
                style = _STYLES[node.type]
                return f"{style}{self._spans(node.children)}{style}"
            case "code_inline":
                return _escaped(node.content) if "`" in node.content else f"`{_quieted(node.content)}`"
            case "softbreak" | "hardbreak":
                return "\n"
            case "link":
                return self._link(node)
            case _:
                return _escaped(node.content)

    def _link(self, node: Node) -> str:
        """Only the web is linked to."""
        to, shown = str(node.attrs.get("href", "")), self._spans(node.children)
        if _is_web(to):
            return f"[{shown}]({to.replace('(', '%28').replace(')', '%29').replace('<', '%3C')})"
        return shown if shown.endswith(_escaped(to)) else f"{shown} ({_escaped(to)})"


def _sound(text: str) -> str:
    return _CONTROL.sub("", well_formed(text))


def _entity(sign: str) -> str:
    return f"&#{ord(sign)};"


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _entity(found[0]), text)


def _quieted(code: str) -> str:
    """In code nothing is escaped. A tag that could call people gets a space of no width."""
    return _CALLS.sub("<\u200b", code) if "<at" in code or "</at" in code else code


def _fence(code: str, language: str) -> str:
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", code))])
    return f"{ticks}{language}\n{_quieted(code)}\n{ticks}"


def _indented(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((others + line).rstrip() for line in lines[1:])])


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
