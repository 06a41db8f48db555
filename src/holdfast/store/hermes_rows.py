"""What the rows of a `state.db` amount to: the messages in their order, once each.

When a conversation grew too long there, its rows were followed by copies of its beginning, a summary, and copies of its end; then it went on. The summary
may stand inside of the first of these copies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from holdfast.core.history import Answered, Called, CameBack, Line, SummedUp, Wrote

_REVIEWS: Final = (
    "Review the conversation above and update the skill library",
    "Review the conversation above and consider saving to memory",
)
_SUMMARY: Final = re.compile(r"\s*(?:\[CONTEXT COMPACTION[^\n]*\n|\[CONTEXT SUMMARY\]:)")
_MERGED: Final = re.compile(r"(.*)\[END OF PRIOR CONTEXT[^\]\n]*\]\s*(.*)", re.DOTALL)
_PRIOR: Final = re.compile(r"\s*\[PRIOR CONTEXT[^\]\n]*\]\n?")
_END: Final = re.compile(r"\n*--- END OF CONTEXT SUMMARY[^\n]*(?:\n+|\Z)")
_STRIPPED: Final = "[Attached image"


@dataclass(frozen=True, slots=True)
class Row:
    role: str
    text: str
    at: float
    calls: tuple[Called, ...] = ()
    call: str = ""
    tool: str = ""
    marked: bool = field(default=False, compare=False)

    @property
    def same(self) -> tuple[str, ...]:
        """Two that agree in this are the same message: what copies of it were shortened by does not count."""
        if self.role == "tool" and self.call:
            return self.role, self.call
        if self.calls:
            return self.role, *(call.id for call in self.calls)
        return self.role, " ".join(word for word in self.text.split("\n") if not word.startswith((_STRIPPED, "[picture]"))).strip()

    @property
    def line(self) -> Line:
        match self.role:
            case "user":
                return Wrote(self.text, self.at)
            case "assistant":
                return Answered(self.text, self.at, self.calls)
            case _:
                return CameBack(self.text, self.at, self.call, self.tool)


def lines(rows: Sequence[Row]) -> Iterator[Line]:
    """The messages in their order, without the copies that a compression makes."""
    kept: list[Row] = []
    summaries: list[tuple[int, SummedUp]] = []
    at = 0
    while at < len(rows):
        row, at = rows[at], at + 1
        summed_up = _summary(row)
        if summed_up is None:
            kept.append(row)
            continue
        text, prior = summed_up
        _drop_beginning(kept, since=max((place for place, _ in summaries), default=0))
        first = [Row(row.role, prior, row.at)] if prior else []
        copies = _copies(kept, [*first, *rows[at:]])
        summaries.append((len(kept), SummedUp(text, row.at, len(kept) - copies)))
        if copies:
            at += copies - len(first)
        else:
            kept += first
    for place in range(len(kept) + 1):
        yield from (summary for before, summary in summaries if before == place)
        if place < len(kept):
            yield kept[place].line


def _summary(row: Row) -> tuple[str, str] | None:
    """The summary that this is, and what was said in the message that it was put into ("": it is one alone); None if it is none."""
    prior, summary = "", row.text
    if merged := _MERGED.fullmatch(row.text):
        prior, summary = _PRIOR.sub("", merged[1], count=1).strip(), merged[2]
    begun = _SUMMARY.match(summary)
    if begun is None and not row.marked:
        return None
    text, *after = _END.split(summary[begun.end() :] if begun else summary, maxsplit=1)
    return text.strip(), prior or "".join(after).strip()


def _drop_beginning(kept: list[Row], since: int) -> None:
    """A summary follows: what stands before it, after the place `since`, may be a copy of the beginning."""
    for length in range(min(len(kept) - since, len(kept) // 2), 0, -1):
        if _agree(kept[-length:], kept[:length]):
            del kept[-length:]
            return


def _copies(kept: Sequence[Row], following: Sequence[Row]) -> int:
    """How many of the rows that follow a summary are copies of the end of what was there before."""
    lengths = range(min(len(kept), len(following)), 0, -1)
    return next((length for length in lengths if _agree(kept[-length:], following[:length])), 0)


def _agree(some: Sequence[Row], others: Sequence[Row]) -> bool:
    return some[0].same == others[0].same and all(one.same == other.same for one, other in zip(some, others, strict=True))


def without_reviews(rows: Iterable[Row]) -> list[Row]:
    """Early versions wrote talks of the agent with itself, about what to remember, into the conversation: an order, and its answer."""
    left: list[Row] = []
    answer_of_it = False
    for row in rows:
        if row.role == "user" and row.text.startswith(_REVIEWS):
            answer_of_it = True
        elif not (answer_of_it and row.role == "assistant"):
            left.append(row)
            answer_of_it = False
        else:
            answer_of_it = False
    return left
