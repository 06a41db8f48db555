"""Markdown as Discord shows it. It has its own, which is nearly the one that models write: what it has not is put into what it has. Pure.

Nothing vanishes, and what would become too long goes as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from holdfast.platforms.outline import table

UNITS_MAX: Final = 2000
"""Of a message; counted in UTF-16, it is not too long whatever Discord counts."""

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["table"])
_TICKS: Final = "```"
_HEADINGS: Final = 3
"""Discord has so many sizes of them."""

_OWN: Final = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)|(?P<mark>\|\||-#(?= )|<(?=[@#:/]|a:|t:|id:))", re.DOTALL)
"""Code as it stands in a line; and what only Discord takes for marks: spoilers, small print, mentions, and what else it writes in `<>`."""


_LINE_END: Final = re.compile(r"\r\n?|\n")


def render(markdown: str) -> str:
    """The same, for Discord."""
    lines = _LINE_END.split(markdown)
    shown: list[str] = []
    at = 0
    for begin, end, block in _blocks(_PARSER.parse(markdown), lines):
        if begin < at:
            continue  # within one that is done
        shown += [_plain("\n".join(lines[at:begin]))] if begin > at else []
        shown.append(block if block is not None else "\n".join(lines[begin:end]))
        at = end
    shown += [_plain("\n".join(lines[at:]))] if at < len(lines) else []
    text = "\n".join(shown)
    return text if units(text) <= UNITS_MAX else markdown


def units(text: str) -> int:
    """In UTF-16."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _plain(text: str) -> str:
    """What is only a mark to Discord stands for itself."""
    return _OWN.sub(lambda found: "".join(f"\\{char}" for char in found["mark"]) if found["mark"] else found[0], text)


def _blocks(tokens: Sequence[Token], lines: Sequence[str]) -> list[tuple[int, int, str | None]]:
    """From line to line, and what to show there instead (None: as it is; nothing in it is a mark)."""
    found: list[tuple[int, int, str | None]] = []
    for index, token in enumerate(tokens):
        if token.map is None:
            continue
        begin, end = token.map
        match token.type:
            case "fence" if token.level or (token.markup == _TICKS and _TICKS not in token.content):
                found.append((begin, end, None))
            case "fence":
                found.append((begin, end, _code(token.content, token.info)))
            case "code_block" if not token.level:
                found.append((begin, end, _code(token.content)))
            case "table_open" if not token.level:
                shown, written = table(_rows(tokens[index:])), "\n".join(lines[begin:end])
                found += [(begin, end, _code(shown))] if _letters(shown) == _letters(written) else []
            case "heading_open" if not token.level and int(token.tag[1:]) > _HEADINGS:
                title = tokens[index + 1].content.replace("**", "")
                found.append((begin, end, f"**{_plain(title)}**"))
            case _:
                pass
    return found


def _code(content: str, info: str = "") -> str:
    """A block of code. It ends with three backticks, whatever they were meant for."""
    inside = content.rstrip("\n").replace(_TICKS, "`\u200b`\u200b`")
    return f"{_TICKS}{info}\n{inside}\n{_TICKS}"


def _rows(tokens: Sequence[Token]) -> list[list[str]]:
    """Of the table that begins there."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token.content)
        elif token.type == "table_close":
            break
    return rows


def _letters(text: str) -> list[str]:
    """Rows may have more cells than the table has columns; those belong to no table."""
    return [char for char in text if char.isalnum()]
