"""Splitting of texts by platform limits.

A text is split at *cuts*, offsets that are frozen on disk before the first part is sent; `part` renders a part from the text and its cuts
alone. The slices between cuts are the text, complete. What is rendered is a slice without blank lines before it and white space after it; where
a cut lies in a fenced code block, the fence is closed before it and opened again, with the same info string, after it.

Each part is filled as far as it goes. Then the piece that does not fit any more decides: a fence, else a paragraph, a line, a sentence, a
word. The largest of these that would fit into a part of its own is kept whole and begins the next part; if none would, the cut is hard, but not
inside what a reader sees as one character. The work is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, assert_never

Unit = Literal["characters", "utf16", "bytes", "escaped"]
"""`escaped`: bytes, once `&`, `<` and `>` are written as entities."""

LENGTH_MIN: Final = 400
"""The smallest limit: room, in the widest unit, for the longest fence lines and indentation that are repaired, and for one cluster."""

INDENT_MAX: Final = 16
"""How much of the first line's indentation a part keeps."""

CLUSTER_MAX: Final = 24
"""A cluster of more characters than this may be cut anywhere."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long one part may be, at least `LENGTH_MIN`, and in which unit the platform counts."""

    length: int = 1_000_000
    unit: Unit = "characters"

    def __post_init__(self) -> None:
        assert self.length >= LENGTH_MIN, f"a limit of {self.length} is under {LENGTH_MIN}"


def well_formed(text: str) -> str:
    """The text with each lone surrogate, which no encoding can hold, replaced by a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def cuts(text: str, limit: Limit) -> tuple[int, ...]:
    """The offsets at which the text is split, each strictly inside it, growing; none if it fits."""
    fences = _fences(text)
    found = [0]
    while (cut := _cut(text, fences, limit, found[-1])) < len(text):
        found.append(cut)
    return tuple(found[1:])


def part(text: str, cuts: tuple[int, ...], index: int) -> str:
    """Part `index` of the text, as it is sent. There is one more part than cuts."""
    begin, end = (0, *cuts)[index], (*cuts, len(text))[index]
    fences = _fences(text)
    shown = text[_shown(text, begin)[1] : end].rstrip()
    return _reopening(fences, begin) + shown + _closing(fences, end)


# --- fences -------------------------------------------------------------------------------------------------------------------------

_FENCE_LINE: Final = re.compile(
    r"^(?P<opener>(?P<indent>[ \t]{0,8})(?P<marker>`{3,8}(?!`)|~{3,8}(?!~))(?P<info>[^\n]{0,48}?))[ \t]{0,8}\r?$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class _Fence:
    """A fenced code block: text[start:body] is its first line, text[close:end] its last (empty if the text ends before)."""

    start: int
    body: int
    close: int
    end: int
    opener: str
    closer: str


def _fences(text: str) -> list[_Fence]:
    """The fenced code blocks, in order. A fence line with more indentation, backticks or info than a person writes is taken for text."""
    fences: list[_Fence] = []
    opened: re.Match[str] | None = None
    for line in _FENCE_LINE.finditer(text):
        info = line["info"].strip()
        if opened is None:
            if not (line["marker"].startswith("`") and "`" in info):
                opened = line
        elif not info and line["marker"].startswith(opened["marker"]):
            fences.append(_fence(text, opened, line.start(), _after(text, line)))
            opened = None
    if opened is not None:
        fences.append(_fence(text, opened, len(text), len(text)))
    return fences


def _fence(text: str, opened: re.Match[str], close: int, end: int) -> _Fence:
    return _Fence(opened.start(), _after(text, opened), close, end, opened["opener"].rstrip(), opened["indent"] + opened["marker"])


def _after(text: str, line: re.Match[str]) -> int:
    return min(line.end() + 1, len(text))


def _around(fences: Sequence[_Fence], offset: int) -> _Fence | None:
    """The fence that a cut at `offset` would split."""
    index = bisect_right(fences, offset, key=lambda fence: fence.start) - 1
    return fences[index] if index >= 0 and fences[index].start < offset < fences[index].end else None


def _reopening(fences: Sequence[_Fence], offset: int) -> str:
    return f"{fence.opener}\n" if (fence := _around(fences, offset)) else ""


def _closing(fences: Sequence[_Fence], offset: int) -> str:
    return f"\n{fence.closer}" if (fence := _around(fences, offset)) else ""


# --- where to cut -------------------------------------------------------------------------------------------------------------------

_PIECES: Final = tuple(
    re.compile(ends)
    for ends in (
        r"\n(?:[ \t\r]*\n)+",  # paragraphs
        r"\n",  # lines
        r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)\]])\s+|[。！？][」』”’）]*\s*",  # sentences
        r"\s+",  # words
    )
)
"""What ends a piece of a text, from the largest to the smallest."""

_SPACE: Final = re.compile(r"\s*")

_BEYOND: Final = 80
"""How far behind the place where it matters the end of a piece is looked for: white space at the end counts for nothing."""


def _cut(text: str, fences: Sequence[_Fence], limit: Limit, start: int) -> int:
    """Where the part that begins at `start` ends."""
    first, shown = _shown(text, start)
    room = limit.length - _size(_reopening(fences, start), limit.unit)
    reach = _reach(text, shown, room, limit.unit)
    fence = _around(fences, reach)
    if fence is None:
        begin, end = _between(text, fences, reach)
        if reach == end:
            return reach
    else:
        begin, end = fence.start, fence.end
        reach = _reach(text, shown, room - _size(f"\n{fence.closer}", limit.unit), limit.unit)
        if begin > first and (reach <= fence.body or _fits(text, fences, limit, begin, end)):
            return begin
    begin = max(begin, start)
    for ends in _PIECES:
        begin = _begin_of_piece(text, fence, ends, begin, reach)
        end = _end_of_piece(text, fence, ends, reach, min(end, begin + limit.length + _BEYOND), end)
        if begin > first and _fits(text, fences, limit, begin, end):
            return begin
    return _hard(text, fence, first, reach)


def _between(text: str, fences: Sequence[_Fence], offset: int) -> tuple[int, int]:
    """What lies between two fences, around an offset that is in none."""
    index = bisect_left(fences, offset, key=lambda fence: fence.start)
    return fences[index - 1].end if index else 0, fences[index].start if index < len(fences) else len(text)


def _begin_of_piece(text: str, fence: _Fence | None, ends: re.Pattern[str], begin: int, offset: int) -> int:
    """The last boundary from `begin` up to `offset`; else `begin`."""
    found = [m.end() for m in ends.finditer(text, begin, offset + _BEYOND)]
    return next((at for at in reversed(found) if at <= offset and _may_cut(text, fence, at)), begin)


def _end_of_piece(text: str, fence: _Fence | None, ends: re.Pattern[str], offset: int, window: int, end: int) -> int:
    """The first boundary after `offset`, as far as the window goes; else `end`."""
    return next((m.end() for m in ends.finditer(text, offset, window) if _may_cut(text, fence, m.end())), end)


def _hard(text: str, fence: _Fence | None, first: int, reach: int) -> int:
    """The last offset up to `reach` that splits no cluster, nor parts the last line of a fence from all that it closes.

    `LENGTH_MIN` puts it behind the first line of the fence.
    """
    if fence is not None and reach >= fence.close:
        reach = first + len(text[first : fence.close].rstrip()) - 1
    return next((at for at in range(reach, max(first, reach - CLUSTER_MAX), -1) if not _joined(text, at, first)), reach)


def _may_cut(text: str, fence: _Fence | None, offset: int) -> bool:
    """A fence's first line stays with what follows it, and its last with what it follows."""
    if fence is not None and (fence.start < offset <= fence.body or fence.close <= offset < fence.end):
        return False
    return not _joined(text, offset, offset)


# --- measuring ----------------------------------------------------------------------------------------------------------------------


def _size(text: str, unit: Unit) -> int:
    match unit:
        case "characters":
            return len(text)
        case "utf16":
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        case "bytes":
            return len(text.encode("utf-8", "surrogatepass"))
        case "escaped":
            return _size(text, "bytes") + 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))
        case _:
            assert_never(unit)


def _shown(text: str, start: int) -> tuple[int, int]:
    """Where the first visible character of a part that begins at `start` is, and where what is shown of it begins: with its indentation."""
    first = _end_of_space(text, start)
    return first, max(start, text.rfind("\n", start, first) + 1, first - INDENT_MAX)


def _reach(text: str, shown: int, room: int, unit: Unit) -> int:
    """How far a part goes that has this much room; white space at its end counts for nothing."""
    furthest = min(len(text), shown + room)
    if unit != "characters":
        furthest = shown - 1 + bisect_right(range(shown, furthest + 1), room, key=lambda end: _size(text[shown:end], unit))
    return _end_of_space(text, furthest)


def _end_of_space(text: str, offset: int) -> int:
    space = _SPACE.match(text, offset)
    assert space is not None
    return space.end()


def _fits(text: str, fences: Sequence[_Fence], limit: Limit, begin: int, end: int) -> bool:
    """Would this piece fit into a part of its own?"""
    if end - begin > limit.length + _BEYOND:
        return False
    shown = text[_shown(text, begin)[1] : end].rstrip()
    return _size(_reopening(fences, begin) + shown + _closing(fences, end), limit.unit) <= limit.length


# --- clusters -----------------------------------------------------------------------------------------------------------------------

_EXTENDING: Final = re.compile("[\u200c\u200d\u1160-\u11ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
"""What goes on with the character before, besides marks: joiners, Hangul vowels and finals, skin tones, tags."""

_FLAG_LETTERS: Final = ("\U0001f1e6", "\U0001f1ff")


def _joined(text: str, offset: int, start: int) -> bool:
    """Is this offset inside what a reader sees as one character? `start` is one where no character is cut.

    A line break of two characters needs no rule: no cut is asked about inside white space.
    """
    if not 0 < offset < len(text):
        return False
    before, after = text[offset - 1], text[offset]
    if before < " ":
        return False
    if before == "\u200d" or _EXTENDING.match(after) or unicodedata.category(after).startswith("M"):
        return True
    return _is_flag_letter(after) and _flag_letters_before(text, offset, start) % 2 == 1


def _is_flag_letter(character: str) -> bool:
    return _FLAG_LETTERS[0] <= character <= _FLAG_LETTERS[1]


def _flag_letters_before(text: str, offset: int, start: int) -> int:
    count = 0
    while offset - count > start and _is_flag_letter(text[offset - count - 1]):
        count += 1
    return count
