"""When the server says that trying again is worth it: in headers, in fields, in words. Seconds from `now`, bounded and sane."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final

from holdfast.core.failure import Kind
from holdfast.models.classify.body import DEPTH_MAX, MESSAGE_CHARS_MAX, parsed

HINT_S_MAX: Final[Mapping[Kind, float]] = {"transient": 3_600.0, "rate-limit": 86_400.0, "quota": 35 * 86_400.0}
"""Longer waits are not believed. A class that is not here has none."""

_EPOCH_S_MIN: Final = 1e9
_EPOCH_MS_MIN: Final = 1e11
_UNITS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|µs|us|ns|d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?|天|小时|分钟|分|秒)(?![a-z])",
    re.IGNORECASE,
)
_CHINESE: Final = {"天": "d", "小": "h", "分": "m", "秒": "s"}
_IN: Final = re.compile(
    r"(?:try|retry|retrying|wait|again|available|reset\w*|restored?|cooldown|cool down|next attempt|请在|等待)\W{0,3}(?:\w+\W+){0,4}?(?:in|after|for|within|~|about)?\W{0,3}"
    r"((?:\d+(?:\.\d+)?\s*(?:ms|milliseconds?|d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?|天|小时|分钟|分|秒)(?![a-z])[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_ISO: Final = re.compile(
    r"(?:reset\w*|until|regain access|again|available|renew\w*|retry|refresh\w*|expires?|将在|恢复)\W{0,3}(?:\w+\W+){0,4}?"
    r"(\d{4}-\d\d-\d\d)(?:[T ]*(?:at )?(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
_MONTH_DAY: Final = re.compile(
    r"(?:reset\w*|until|regain access|again|available|renew\w*|retry|on)\W{0,3}(?:\w+\W+){0,3}?"
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?"
    r"(?:,?\s+(?:at\s+)?(\d{1,2}):(\d\d)(?::\d\d)?\s*(AM|PM)?)?",
    re.IGNORECASE,
)
_MS_FIELDS: Final = ("retry_after_ms", "retryAfterMs", "retry-after-ms")
_TIME_FIELDS: Final = (
    "retry_after", "retryAfter", "retry-after", "retry_after_seconds", "retryAfterSeconds", "retryDelay", "retry_delay", "resets_in_seconds",
    "reset_in_seconds", "reset_seconds", "reset_after", "cooldown_seconds", "estimated_time", "resets_at", "reset_at", "resetsAt", "resetAt",
    "reset_time", "resetTime", "retry_at", "X-RateLimit-Reset", "x-ratelimit-reset", "quotaResetTimeStamp", "quota_reset_time",
)  # fmt: skip
_INSIDE: Final = ("error", "errors", "details", "metadata", "headers", "raw", "message", "parameters", "response", "detail", "data")


def retry_after_s(kind: Kind, headers: Mapping[str, str], body: str, messages: list[str], now: float) -> float | None:
    """Seconds until it is worth trying again, if the server says so and the class has such a thing."""
    most = HINT_S_MAX.get(kind)
    if most is None:
        return None
    for hint in _hints(headers, body, messages, now):
        if hint is not None and math.isfinite(hint) and hint >= -86_400.0:
            return round(min(max(hint, 0.0), most), 3)
    return None


def _hints(headers: Mapping[str, str], body: str, messages: list[str], now: float) -> Iterator[float | None]:
    """What is said where, the plainest first."""
    yield _scaled(headers.get("retry-after-ms"), 0.001)
    yield _after(headers.get("retry-after", ""), headers.get("date", ""), now)
    yield from _fields(parsed(body), now, 0)
    for line in body.splitlines()[:2000] if "data:" in body[:200] else ():
        if line.startswith("data:") and "error" in line:
            yield from _fields(parsed(line[5:]), now, 0)
    for message in reversed(messages):
        yield _in_words(message, now)
    yield _resets(headers, now)


def _after(value: str, date: str, now: float) -> float | None:
    """`retry-after`: seconds, or a date, which counts from the server's own clock where it tells it."""
    value = value.strip()
    if (number := _number(value)) is not None:
        return _until(number, now)
    if (length := _duration(value)) is not None:
        return length
    then, server_now = _http_date(value), _http_date(date)
    if then is None:
        return _iso(value, now)
    return then - (now if server_now is None else server_now)


def _resets(headers: Mapping[str, str], now: float) -> float | None:
    """`x-ratelimit-reset-*` and its kin. Of several windows, those that are used up; else the one that ends first."""
    ends: list[tuple[bool, float]] = []
    for name, value in headers.items():
        if "ratelimit" not in name.replace("-", "").replace("_", "") or "reset" not in name:
            continue
        end = _moment(value, now)
        if end is not None:
            ends.append((headers.get(name.replace("reset", "remaining"), "").strip() in {"0", "0.0"}, end))
    used_up = [end for spent, end in ends if spent]
    return max(used_up) if used_up else min((end for _, end in ends), default=None)


def _fields(value: Any, now: float, depth: int) -> Iterator[float | None]:
    """Fields of the body that hold a time, wherever they are."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        value = parsed(value)
    if depth > DEPTH_MAX or not isinstance(value, dict | list):
        return
    if isinstance(value, list):
        inner = value[:20]
    else:
        yield from (_scaled(value[name], 0.001) for name in _MS_FIELDS if name in value)
        yield from (_moment(value[name], now) for name in _TIME_FIELDS if name in value)
        inner = [value[name] for name in _INSIDE if name in value]
    for one in inner:
        yield from _fields(one, now, depth + 1)


def _moment(value: Any, now: float) -> float | None:
    """A time in any of the usual forms: seconds, an epoch in seconds or milliseconds, a duration, a date."""
    if isinstance(value, str):
        value = value.strip()
        if (number := _number(value)) is None:
            length = _duration(value)
            return length if length is not None else _iso(value, now)
        value = number
    return _until(number, now) if (number := _number(value)) is not None else None


def _until(number: float, now: float) -> float | None:
    if number >= _EPOCH_MS_MIN:
        return number / 1000 - now
    if number >= _EPOCH_S_MIN:
        return number - now
    return number if number >= 0 else None


def _in_words(text: str, now: float) -> float | None:
    text = text[:MESSAGE_CHARS_MAX]
    if match := _IN.search(text):
        return _duration(match[1], whole=False)
    if match := _ISO.search(text):
        east = 8 if "重置" in text or "恢复" in text else 0
        return _dated(match[1], match[2], match[3], now, east)
    if match := _MONTH_DAY.search(text):
        return _month_day(match, now)
    return None


def _month_day(match: re.Match[str], now: float) -> float | None:
    month = list(calendar.month_abbr).index(match[1].title())
    hour, minute = int(match[4] or 0), int(match[5] or 0)
    if match[6] and hour <= 12:
        hour = hour % 12 + (12 if match[6].upper() == "PM" else 0)
    today = datetime.fromtimestamp(now, UTC)
    try:
        then = datetime(int(match[3] or today.year), month, int(match[2]), hour, minute, tzinfo=UTC)
        if not match[3] and then < today - timedelta(days=1):
            then = then.replace(year=today.year + 1)
        return then.timestamp() - now
    except (ValueError, OverflowError):
        return None


def _iso(value: str, now: float) -> float | None:
    match = re.match(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?$", value.strip())
    return _dated(match[1], match[2], match[3], now, 0) if match else None


def _dated(day: str, clock: str | None, zone: str | None, now: float, hours_east: int) -> float | None:
    try:
        then = datetime.fromisoformat(f"{day}T{clock or '00:00'}")
        if zone and zone[0] in "+-":
            then = datetime.fromisoformat(f"{then.isoformat()}{zone}")
        else:
            then = then.replace(tzinfo=timezone(timedelta(hours=0 if zone else hours_east)))
        return then.timestamp() - now
    except (ValueError, OverflowError):
        return None


def _duration(text: str, *, whole: bool = True) -> float | None:
    """`9m38.016s`, `14.2s`, `120ms`, `1 hour and 5 minutes`: seconds. `whole`: nothing else may stand there."""
    parts = _DURATION.findall(text[:200])
    if not parts or (whole and _DURATION.sub("", text).strip(" ,")):
        return None
    total = 0.0
    for number, unit in parts:
        short = _CHINESE.get(unit[0]) or (
            "ms" if unit.lower().startswith(("ms", "milli")) else unit.lower() if unit.lower() in _UNITS else unit[0].lower()
        )
        total += float(number) * _UNITS[short]
    return total


def _http_date(value: str) -> float | None:
    try:
        then = parsedate_to_datetime(value)
        return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _scaled(value: Any, factor: float) -> float | None:
    number = _number(value)
    return number * factor if number is not None and number >= 0 else None
