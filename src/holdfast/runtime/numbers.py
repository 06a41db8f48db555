"""Numbers for whoever watches over this: counted where things happen, in memory, and shown in Prometheus' text format.

A series is told apart by what the configuration names (routes, accounts, tool servers) and by outcomes: never by conversation or person.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

CALL_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
COMMIT_S: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: what is added to the family's name, the labels, the value."""

    labels: Sequence[tuple[str, str]]
    value: float
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Gauge:
    """Something as it stands now: for each set of labels a value."""

    name: str
    about: str
    labels: Labels
    values: Mapping[Labels, float]
    kind: Literal["gauge", "counter"] = "gauge"

    def samples(self) -> Iterator[Sample]:
        for values, value in self.values.items():
            yield Sample(tuple(zip(self.labels, values, strict=True)), value)


class Counter:
    """How many so far."""

    kind: Final = "counter"

    def __init__(self, name: str, about: str, *labels: str) -> None:
        self.name, self.about, self._labels = name, about, labels
        self._values: dict[Labels, float] = {}

    def add(self, *values: str, by: float = 1.0) -> None:
        self._values[values] = self._values.get(values, 0.0) + by

    def samples(self) -> Iterator[Sample]:
        for values, value in sorted(self._values.items()):
            yield Sample(tuple(zip(self._labels, values, strict=True)), value)


class Histogram:
    """How many so far, and how long they took."""

    kind: Final = "histogram"

    def __init__(self, name: str, about: str, bounds_s: Sequence[float], *labels: str) -> None:
        self.name, self.about, self._bounds, self._labels = name, about, bounds_s, labels
        self._buckets: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, took_s: float, *values: str) -> None:
        buckets = self._buckets.setdefault(values, [0] * (len(self._bounds) + 1))
        buckets[bisect_left(self._bounds, took_s)] += 1
        self._sums[values] = self._sums.get(values, 0.0) + took_s

    def samples(self) -> Iterator[Sample]:
        for values, buckets in sorted(self._buckets.items()):
            labels, so_far = tuple(zip(self._labels, values, strict=True)), 0
            for bound, count in zip((*map(str, self._bounds), "+Inf"), buckets, strict=True):
                so_far += count
                yield Sample((*labels, ("le", bound)), so_far, "_bucket")
            yield Sample(labels, self._sums.get(values, 0.0), "_sum")
            yield Sample(labels, so_far, "_count")


Family = Gauge | Counter | Histogram


class Numbers:
    """What is counted in this life."""

    def __init__(self) -> None:
        self.received = Counter("holdfast_messages_received_total", "Messages that people wrote, and that were kept.", "account")
        self.calls = Histogram(
            "holdfast_model_call_seconds", "Calls of models. The outcome is ok, or the class of the failure.", CALL_S, "route", "outcome"
        )
        self.tokens = Counter("holdfast_model_tokens_total", "Tokens as the providers counted them.", "route", "direction")
        self.cost = Counter("holdfast_model_cost_total", "What the calls of models cost, by the prices in the configuration.", "route")
        self.tool_calls = Histogram(
            "holdfast_tool_call_seconds", "Calls of tools, by the server that has them.", CALL_S, "server", "outcome"
        )
        self.deliveries = Counter("holdfast_deliveries_total", "Parts of what was said, sent or refused.", "account", "outcome")
        self.questions = Counter("holdfast_questions_total", "Questions that were asked.", "kind")
        self.set_aside = Counter("holdfast_turns_set_aside_total", "Turns that were set aside.", "why")
        self.commits = Histogram("holdfast_journal_commit_seconds", "Commits of the journal, and how long they took.", COMMIT_S)
        self.writes = Counter("holdfast_journal_writes_total", "What was committed to the journal; many writes can share a commit.")

    def committed(self, writes: int, took_s: float) -> None:
        """Called in the journal's thread; nobody else counts these."""
        self.commits.add(took_s)
        self.writes.add(by=writes)

    def families(self) -> tuple[Family, ...]:
        return tuple(vars(self).values())


def exposition(families: Iterable[Family]) -> str:
    """Prometheus' text format, version 0.0.4."""
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} {family.about}", f"# TYPE {family.name} {family.kind}"]
        for sample in family.samples():
            labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
            lines.append(
                f"{family.name}{sample.suffix}{{{labels}}} {sample.value!r}" if labels else f"{family.name}{sample.suffix} {sample.value!r}"
            )
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
