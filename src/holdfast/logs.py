"""The log: what the gateway writes to stderr for whoever runs it.

A line for a person, or an object of JSON, for each record of `logging`. Whoever logs never waits: a thread writes, and what would have to wait for too long
is counted, not kept. Secrets are masked in everything that leaves. Nothing can flood it: what is repeated is counted.

A record's `extra` becomes fields of the JSON. `conversation`, `server` or `account` among them says whose line it is: each of those has room of its own.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote

import msgspec

from holdfast.core.text import well_formed
from holdfast.errors import HoldfastError
from holdfast.secrets import MASK, MASKED_CHARS_MIN

WAITING_CHARS_MAX: Final = 4_000_000
"""So much waits to be written, if nobody takes it; what comes then is lost, and counted."""
TEXT_CHARS_MAX: Final = 16_000
"""Of one message, and of one traceback."""
CLOSE_S_MAX: Final = 2.0
"""How long the last lines may take when the gateway ends."""
TICK_S: Final = 1.0
WRITTEN_TOGETHER_MAX: Final = 256

WINDOW_S: Final = 60.0
EQUAL_MAX: Final = 5
"""So many lines that are the same are written in `WINDOW_S`;"""
ALIKE_MAX: Final = 50
"""so many that come from the same place in the program;"""
OF_ONE_MAX: Final = 200
"""or from the same place, about the same conversation, server or account;"""
ALL_MAX: Final = 60_000
"""and so many of all kinds."""
SHOWN_CHARS_MAX: Final = 200
"""Of one that stands for many."""
KINDS_MAX: Final = 2_000
"""So many kinds of lines are told apart; of more, those that came longest ago are forgotten."""

PRIORITY: Final[Mapping[int, int]] = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""What systemd's journal calls the levels: sd-daemon(3)."""

SUBJECTS: Final = ("conversation", "server", "account")
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_UNPRINTABLE: Final = {
    ord(sign): ascii(sign)[1:-1]  # what moves the cursor, or turns the text around it
    for sign in map(chr, [*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
}

Format = Literal["auto", "text", "json"]


@dataclass(frozen=True, slots=True)
class Line:
    """One record, as it is to be written."""

    at: float
    level: int
    logger: str
    message: str
    trace: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.message) + len(self.trace) + 200


# --- how it looks -------------------------------------------------------------------------------------------------------------------


class Masked:
    """Makes these values unreadable, however they are spelled: as they are, or as they stand in a URL, in JSON, or in a `repr`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelled = {
            spelling
            for secret in secrets
            if len(secret) >= MASKED_CHARS_MIN
            for spelling in (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1])
        }
        longest_first = sorted(spelled, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if spelled else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def as_json(line: Line, mask: Callable[[str], str]) -> str:
    """An object on one line."""
    told: dict[str, Any] = {
        "at": datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": logging.getLevelName(line.level).lower(),
        "logger": line.logger,
        "message": mask(line.message),
    }
    told |= {name: _plain(value, mask) for name, value in line.fields.items() if name not in told}
    if line.trace:
        told["trace"] = mask(line.trace)
    return msgspec.json.encode(told).decode()


def _plain(value: Any, mask: Callable[[str], str]) -> Any:
    return value if isinstance(value, bool | int | float) or value is None else well_formed(mask(str(value)))


def as_text(line: Line, mask: Callable[[str], str], *, dated: bool) -> str:
    """For a person. Whatever stands in the message: only the first line of it begins at the margin, and nothing in it moves the cursor."""
    when = f"{datetime.fromtimestamp(line.at).astimezone():%Y-%m-%d %H:%M:%S} " if dated else ""
    level = logging.getLevelName(line.level)
    text = f"{when}{level} {line.logger}: {line.message}" + (f"\n{line.trace}" if line.trace else "")
    return mask(text).translate(_UNPRINTABLE).replace("\n", "\n    ")


# --- what is repeated ---------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Window:
    """Lines of one kind since `began`: so many were written, so many left out, of which `one` is the first."""

    began: float
    written: int = 0
    left_out: int = 0
    one: Line | None = None

    def refuses(self, line: Line, most: int) -> bool:
        if self.written < most:
            return False
        self.left_out += 1
        self.one = self.one or replace(line, message=line.message[:SHOWN_CHARS_MAX])
        return True

    def said(self) -> list[Line]:
        """What is to be said of those that were left out."""
        if self.one is None:
            return []
        text = f"... {self.left_out:,} more like this in {WINDOW_S:.0f} s: {self.one.message}"
        return [replace(self.one, message=text, fields={**self.one.fields, "left_out": self.left_out})]


class Repeats:
    """Decides which lines are written. Of the others it is said how many they were, when their minute is over."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[object, ...], _Window] = {}  # in the order in which they began
        self._all = _Window(0.0)

    def admit(self, line: Line, template: str, now: float) -> tuple[bool, list[Line]]:
        """Is it to be written? And what is to be said before it."""
        before = self.over(now)
        subject = next((str(found) for name in SUBJECTS if (found := line.fields.get(name)) is not None), "")
        equal = ("equal", line.logger, hash(line.message), subject)
        alike = ("alike", line.logger, line.level, hash(template), subject)
        for kind, most in ((equal, EQUAL_MAX), (alike, OF_ONE_MAX if subject else ALIKE_MAX)):
            if kind in self._kinds and self._kinds[kind].refuses(line, most):
                return False, before
        if self._all.refuses(line, ALL_MAX):
            return False, before
        for kind in (alike, equal):
            self._kinds.setdefault(kind, _Window(now)).written += 1
        self._all.written += 1
        while len(self._kinds) > KINDS_MAX:
            before += self._kinds.pop(next(iter(self._kinds))).said()
        return True, before

    def over(self, now: float) -> list[Line]:
        """Forget the kinds whose minute is over."""
        said: list[Line] = []
        while self._kinds and now - (window := self._kinds[kind := next(iter(self._kinds))]).began >= WINDOW_S:
            del self._kinds[kind]
            said += window.said()
        if now - self._all.began >= WINDOW_S:
            said += self._all.said()
            self._all = _Window(now)
        return said


# --- the sink -----------------------------------------------------------------------------------------------------------------------


class Log(logging.Handler):
    """Within it all loggers write here. `lines` were admitted by level in this life, `lost` were not written."""

    def __init__(
        self,
        out: int | None,
        *,
        level: str = "info",
        form: Format = "text",
        journald: bool = False,
        secrets: Iterable[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        assert self.lock is not None
        self._guard = self.lock  # reentrant: whoever is freed while we hold it may have something to say
        self._out, self._form, self._journald, self._monotonic = out, form, journald, monotonic
        self._threshold = getattr(logging, level.upper())
        self._mask = Masked(secrets)
        self._repeats = Repeats()
        self._queue: SimpleQueue[Line | None] = SimpleQueue()
        self._put_chars = self._taken_chars = 0  # each written by one side alone
        self._untold = 0
        self.lines: Counter[str] = Counter()
        self.lost = 0
        self._thread = threading.Thread(target=self._main, name="log", daemon=True)
        self._closed = False

    # --- whoever logs -----------------------------------------------------------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        """Called under the handler's lock, from any thread. Never waits."""
        line = self._line(record)
        admitted, before = self._repeats.admit(line, str(record.msg), self._monotonic())
        for one in before:
            self._put(one)
        if admitted:
            self.lines[logging.getLevelName(record.levelno).lower()] += 1
            self._put(replace(line, trace=self._trace(record)) if record.exc_info else line)

    def _line(self, record: logging.LogRecord) -> Line:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:  # a mistake of whoever logs is no reason to fail
            message = f"{record.msg} (and what belongs into this line can't be put there: {type(error).__name__})"
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        return Line(record.created, record.levelno, record.name, well_formed(message[:TEXT_CHARS_MAX]), fields=fields)

    def _trace(self, record: logging.LogRecord) -> str:
        """Where it happened. What errors of libraries say in words may quote what somebody wrote: that is shown at level debug alone."""
        assert isinstance(record.exc_info, tuple)
        kind, error, frames = record.exc_info
        if kind is None:
            return ""
        if self._threshold > logging.DEBUG and not _is_ours(record.name):
            where = traceback.extract_tb(frames)[-1:]
            return f"{kind.__qualname__}" + "".join(f" at {frame.filename}:{frame.lineno}" for frame in where)
        return well_formed("".join(traceback.format_exception(kind, error, frames)).rstrip()[-TEXT_CHARS_MAX:])

    def _put(self, line: Line) -> None:
        if self._closed:
            if not self._thread.is_alive():  # else it is stuck, and so would we be
                self._write([line])
        elif self._put_chars - self._taken_chars > WAITING_CHARS_MAX:
            self.lost += 1
            self._untold += 1
        else:
            self._put_chars += line.size
            self._queue.put(line)

    # --- the thread -------------------------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the main thread, which may make them wait
        last = False
        while not last:
            batch, last = self._take()
            with self._guard:
                over = self._repeats.over(inf if last else self._monotonic())
            if batch or over:
                self._write([*batch, *over])
                self._taken_chars += sum(line.size for line in batch)

    def _take(self) -> tuple[list[Line], bool]:
        """What waits, perhaps nothing; and whether nothing comes after it."""
        batch: list[Line] = []
        try:
            line = self._queue.get(timeout=TICK_S)
            while line is not None:
                batch.append(line)
                if len(batch) == WRITTEN_TOGETHER_MAX or self._queue.empty():
                    return batch, False
                line = self._queue.get()
        except Empty:
            return batch, False
        return batch, True

    def _write(self, batch: list[Line]) -> None:
        """All of it, if it is taken. A stderr that is broken takes nothing, and ends nothing."""
        with self._guard:
            untold, self._untold = self._untold, 0
        if untold:
            text = f"{untold:,} lines of this log are lost: they were not taken in time"
            batch = [Line(time.time(), logging.WARNING, __name__, text, fields={"lost": untold}), *batch]
        data = "".join(self._shown(line) for line in batch).encode(errors="backslashreplace")
        if not _written(self._out, data):
            with self._guard:
                lost = len(batch) - bool(untold)
                self.lost += lost
                self._untold += untold + lost

    def _shown(self, line: Line) -> str:
        text = as_json(line, self._mask) if self._form == "json" else as_text(line, self._mask, dated=not self._journald)
        if self._journald:
            prefix = f"<{PRIORITY.get(line.level, 6)}>"
            text = prefix + text.replace("\n", f"\n{prefix}")
        return text + "\n"

    # --- from the beginning to the end ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._before = root.handlers[:], root.level, logging.getLogger("holdfast").level, threading.excepthook, sys.unraisablehook
        root.handlers[:] = [self]
        root.setLevel(self._threshold if self._threshold == logging.DEBUG else max(self._threshold, logging.WARNING))
        logging.getLogger("holdfast").setLevel(self._threshold)
        threading.excepthook, sys.unraisablehook = _thread_ended, _unraisable
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """What Python would print, without secrets: a bug is logged, and ends the process as it would."""
        bug = isinstance(error, Exception) and not isinstance(error, HoldfastError)
        if bug:
            logging.getLogger(__name__).critical("a bug ended the gateway", exc_info=error)
        root = logging.getLogger()
        root.handlers[:], level, ours, threading.excepthook, sys.unraisablehook = self._before
        root.setLevel(level)
        logging.getLogger("holdfast").setLevel(ours)
        self.close()
        if bug:
            raise SystemExit(1) from None

    def close(self) -> None:
        """Write what waits, for a moment at most. What is logged afterwards is written at once."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join(CLOSE_S_MAX)
        super().close()


def to_stderr(level: str, form: Format, secrets: Iterable[str], environ: Mapping[str, str]) -> Log:
    """The log of this process. `auto` is text for a person at a terminal, and for systemd's journal; JSON for everything else."""
    out = sys.stderr.fileno() if sys.stderr is not None else None
    journald = _is_journal(out, environ.get("JOURNAL_STREAM", ""))
    if form == "auto":
        form = "text" if journald or (out is not None and os.isatty(out)) else "json"
    return Log(out, level=level, form=form, journald=journald, secrets=secrets)


def _is_journal(out: int | None, stream: str) -> bool:
    """Does systemd's journal read it? It says so by device and inode; whoever redirects us leaves the variable as it was: systemd.exec(5)."""
    if out is None or not stream:
        return False
    status = os.fstat(out)
    return stream == f"{status.st_dev}:{status.st_ino}"


def _is_ours(logger: str) -> bool:
    return logger == "holdfast" or logger.startswith("holdfast.")


def _written(out: int | None, data: bytes) -> bool:
    """False if it was not taken, or only a part of it."""
    while out is not None and data:
        try:
            data = data[os.write(out, data) :]
        except BlockingIOError:  # another program has made the terminal so
            select.select([], [out], [])
        except OSError:
            return False
    return not data


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else "?"
        logging.getLogger(__name__).error("a bug ended the thread %s", name, exc_info=ended.exc_value)


def _unraisable(met: sys.UnraisableHookArgs) -> None:
    logging.getLogger(__name__).error("a bug where nobody can be told", exc_info=met.exc_value)
