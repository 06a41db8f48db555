"""Markdown as WeChat shows it, which is most of it, by a few changes to what was written. Pure.

It takes every `<` for the beginning of a tag, and swallows what follows; shows no pictures, no heading below the fourth, and no slanted Chinese. What we
write instead is never longer.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt

_PARSER: Final = MarkdownIt("commonmark")
_ADDRESS: Final = re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>")
_PICTURE: Final = re.compile(r"!\[([^\]\n]*)\]\(([^)\s]+)[^)\n]*\)")
_HEADING: Final = re.compile(r"^(\s*)#{5,6} +")
_SLANTED: Final = re.compile(r"(?<![*\w])(\*{3}|\*)(?![\s*])([^*\n]*[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff][^*\n]*)\1(?!\*)")


def render(markdown: str) -> str:
    """What is sent. What stands between fences stays as it is."""
    lines = markdown.split("\n")
    code = {number for token in _PARSER.parse(markdown) if token.type == "fence" and token.map for number in range(*token.map)}
    return "\n".join(line if number in code else _line(line) for number, line in enumerate(lines))


def _line(line: str) -> str:
    line = _PICTURE.sub(lambda found: f"{found[1]} ({found[2]})" if found[1] else found[2], _HEADING.sub(r"\1", line))
    return _SLANTED.sub(r"\2", _ADDRESS.sub(r"\1", line)).replace("<", "\uff1c")
