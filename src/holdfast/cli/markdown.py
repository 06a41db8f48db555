"""Markdown, and the rest of what a conversation says, as lines for a terminal.

What comes from a model is first `plain`, and again after parsing (an entity may stand for any character); links are shown with their address and
are none for the terminal. So the only control sequences in a line are colours of ours.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement, TableElement
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from holdfast.cli.screen import plain
from holdfast.cli.telling import Said

MARK: Final = "> "
"""Before what the user said."""
COLUMNS_MAX: Final = 100
"""Longer lines are hard to read."""
TAIL_CHARS_MAX: Final = 4_000
"""Of what is still being written, more is not rendered at every word."""

_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("image")
"""HTML is shown as it was written, and a picture as a link: here they could only vanish."""
_ENDED_BY_BLANK_LINE: Final = ("paragraph_open", "heading_open", "table_open", "blockquote_open", "hr")
_THEME: Final = Theme(  # no background of ours, and nothing that vanishes on a light one
    {
        "markdown.code": "bold cyan",
        "markdown.code_block": "cyan",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.h4": "bold",
        "markdown.block_quote": "dim",
        "markdown.link": "none",
        "markdown.link_url": "underline",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
    }
)
_TRAILING: Final = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)


def finished(text: str) -> int:
    """The offset up to which nothing that follows can change how this Markdown reads: where its last block begins, or a blank line ended that."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()  # any block may still begin there
    tokens: list[Token] = []
    _PARSER.block.parse("".join(lines), _PARSER, {}, tokens)
    blocks = [(token.type, token.map[0]) for token in tokens if token.level == 0 and token.map is not None]
    if not blocks:
        return 0
    kind, begin = blocks[-1]
    if kind in _ENDED_BY_BLANK_LINE and not lines[-1].strip():
        begin = len(lines)
    return sum(map(len, lines[:begin]))


class Paper:
    """Renders for a terminal so many columns wide."""

    def __init__(self) -> None:
        self._console = Console(file=io.StringIO(), force_terminal=True, highlight=False, markup=False, emoji=False, theme=_THEME)

    def said(self, said: Sequence[Said], after: Said | None, columns: int) -> str:
        """These, one below the other, each a line apart from the one before but for what was done beside the answers."""
        lines: list[str] = []
        for one in said:
            if after is not None and not (one.who == after.who == "beside"):
                lines.append("")
            lines += self._lines(one, columns)
            after = one
        return "".join(f"{line}\n" for line in lines)

    def tail(self, text: str, columns: int, rows: int) -> list[str]:
        """The last lines of what is being written."""
        if len(text) > TAIL_CHARS_MAX:
            lines = self._rendered(Text(text[-TAIL_CHARS_MAX:]), columns)
        else:
            lines = self._rendered(_Markdown(text), columns)
        return lines[-rows:]

    def pending(self, texts: Iterable[tuple[str, str]], columns: int) -> list[str]:
        """Messages, and what is to be known about each, on one line each."""
        lines = []
        for text, note in texts:
            line = Text(MARK + plain(" ".join(text.split())))
            line.truncate(max(4, columns - len(note) - 4), overflow="ellipsis")
            lines += self._rendered(Text.assemble(line, (f" ({note})" if note else ""), style="dim"), columns)
        return lines

    def under_way(self, texts: Iterable[str], columns: int) -> list[str]:
        """What is being done, on one line each."""
        lines = []
        for text in texts:
            line = Text(f"· {plain(text)}", style="dim")
            line.truncate(columns - 2, overflow="ellipsis")
            lines += self._rendered(line, columns)
        return lines

    def _lines(self, said: Said, columns: int) -> list[str]:
        match said.who:
            case "answer":
                return self._rendered(_Markdown(said.text), columns)
            case "you":
                return self._hanging(MARK, said.text, "bold", columns)
            case "gateway":
                return self._hanging("Holdfast: ", said.text, "yellow", columns)
            case "beside":
                return self._hanging("· ", said.text, "dim", columns)

    def _hanging(self, mark: str, text: str, style: str, columns: int) -> list[str]:
        """The text behind a mark, its other lines below its first one."""
        whole = Text(mark + plain(text).expandtabs(4), style)
        lines = whole.wrap(self._console, min(columns, COLUMNS_MAX) - 2)
        return self._rendered(Text("\n  ").join(lines), columns)

    def _rendered(self, what: RenderableType, columns: int) -> list[str]:
        self._console.width = max(10, min(columns, COLUMNS_MAX))
        with self._console.capture() as capture:
            self._console.print(what)
        return _TRAILING.sub(r"\1", capture.get()).strip("\n").split("\n")


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}  # all of them to the left


class _CodeBlock(CodeBlock):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Syntax(str(self.text).rstrip(), self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 2))


class _Table(TableElement):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            assert isinstance(table, Table)
            table.show_edge = False
            yield table


class _Markdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _CodeBlock,
        "code_block": _CodeBlock,
        "table_open": _Table,
    }

    def __init__(self, text: str) -> None:
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.parsed = [_tame(token) for token in _PARSER.parse(plain(text))]


def _tame(token: Token) -> Token:
    """Without what a terminal must not get, or would show twice (the address of a link that is its own text)."""
    token.content = plain(token.content)
    token.attrs = {name: plain(value) if isinstance(value, str) else value for name, value in token.attrs.items()}
    if token.children is not None:
        token.children = [_tame(child) for child in token.children if child.markup != "autolink"]
    return token
