"""What an error body says, whatever its shape: objects, arrays, strings, JSON in a string in JSON, pages of proxies, plain text.

Only the places where servers put their own words are read. Bodies also repeat what was sent to them, and nothing is decided by that.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast.models.classify.words import words

DEPTH_MAX: Final = 12
WORDS_CHARS_MAX: Final = 4_000
MESSAGES_MAX: Final = 20

_MESSAGES: Final = (
    "message", "Message", "msg", "error_message", "errorMessage", "error_msg", "error_description", "status_msg", "reason", "detail", "title",
    "description",
)  # fmt: skip
_CODES: Final = ("code", "type", "__type", "status", "reason", "error_code", "errorCode", "err_code", "quotaId", "@type", "statusText")
_INSIDE: Final = (
    "error", "errors", "err", "detail", "details", "metadata", "raw", "innererror", "inner_error", "upstream_error", "violations", "base_resp",
    "body", "cause", "failure", "response", "data", "original", "originalError", "provider_error", "last_error", "message", "fault",
)  # fmt: skip
_SCHEMAS: Final = re.compile(r"^type\.googleapis\.com/|^(error|object|null|none)$", re.IGNORECASE)
_QUASI_CODE: Final = re.compile(r"""["'](?:code|type|status)["']\s*:\s*["']([\w.\- ]{3,80})["']""")
_QUASI_MESSAGE: Final = re.compile(r"""['"]message['"]:\s*(?:"([^"]{1,2000})"|'([^']{1,2000})')""")
_PAGE: Final = re.compile(r"^\s*(<!doctype html|<html|<head|<body|<\?xml|<center|<h1|<title)", re.IGNORECASE)
_HEADING: Final = re.compile(r"<(?:title|h1|h2)[^>]*>(.*?)</(?:title|h1|h2)>", re.IGNORECASE | re.DOTALL)
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?(</\1>|$)", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]*>")
_PAGE_CHARS_MAX: Final = 300
_STATUSES: Final = range(400, 600)


@dataclass(slots=True)
class Said:
    """What a body says. `statuses`: HTTP statuses that it names, outermost first. `places`: the parts of the request it complains of."""

    messages: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    page: bool = False

    @property
    def words(self) -> str:
        """Everything that was said, messages and codes, as the rules read it."""
        return words(self.messages, self.codes)

    @property
    def spoken(self) -> str:
        """The messages alone, as the rules read them."""
        return words(self.messages, ())

    @property
    def message(self) -> str:
        """The innermost message, as that of whom knows best; "" if there is none."""
        return self.messages[-1] if self.messages else ""


def parsed(text: str) -> Any:
    """The JSON in a text; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def said(body: str) -> Said:
    """What the body says."""
    found = Said()
    value = parsed(body)
    if isinstance(value, dict | list):
        _walk(value, found, 0)
    elif isinstance(value, str):
        _text(value, found, 0)
    elif _PAGE.match(body):
        found.page = True
        _say(found, _page(body))
    else:
        _text(body, found, 0)
    return found


def said_in(value: Any) -> Said:
    """What a piece of JSON says."""
    found = Said()
    _walk(value, found, 0)
    return found


def _walk(value: Any, found: Said, depth: int) -> None:
    if depth > DEPTH_MAX:
        return
    if isinstance(value, str):
        _text(value, found, depth)
    elif isinstance(value, list):
        for one in value[:MESSAGES_MAX]:
            _walk(one, found, depth + 1)
    elif isinstance(value, dict):
        _object(value, found, depth)


def _object(value: dict[str, Any], found: Said, depth: int) -> None:
    for key in _CODES:
        _code(value.get(key), found)
    for key in ("code", "status", "statusCode", "status_code", "http_code", "http_status_code", "error_code", "errorCode"):
        _number(value.get(key), found)
    loc = value.get("loc")
    if isinstance(loc, list):
        found.places.append(".".join(str(part) for part in loc[:6]))
    if isinstance(param := value.get("param"), str):
        found.places.append(param[:200])
    for key in _MESSAGES:
        if isinstance(text := value.get(key), str):
            _text(text, found, depth + 1)
    for key in _INSIDE:
        inner = value.get(key)
        if isinstance(inner, dict | list) or (isinstance(inner, str) and key not in _MESSAGES):
            _walk(inner, found, depth + 1)


def _text(text: str, found: Said, depth: int) -> None:
    """A message, which may hold the JSON of somebody further away."""
    start = min((at for at in (text.find("{"), text.find("[{")) if at >= 0), default=-1)
    if start >= 0 and depth < DEPTH_MAX:
        try:
            inner, _ = json.JSONDecoder().raw_decode(text[start:])
        except (ValueError, RecursionError):
            inner = None
            for code in _QUASI_CODE.findall(text[:WORDS_CHARS_MAX]):
                _code(code, found)
            if match := _QUASI_MESSAGE.search(text[:WORDS_CHARS_MAX]):
                _say(found, text[:start])
                text = match[1] or match[2]
        if isinstance(inner, dict | list) and inner:
            _say(found, text[:start])
            _walk(inner, found, depth + 1)
            return
    if _PAGE.match(text):
        text = _page(text)
    _say(found, text)


def _page(text: str) -> str:
    """What a page says: its title and headings, else the beginning of its text."""
    headings = " | ".join(dict.fromkeys(_plain(one) for one in _HEADING.findall(text) if _plain(one)))
    rest = _plain(_SCRIPT.sub(" ", text))[:_PAGE_CHARS_MAX]
    return f"{headings} | {rest}" if headings else rest


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def _say(found: Said, text: str) -> None:
    text = " ".join(text[:WORDS_CHARS_MAX].split())
    if text and text not in found.messages and len(found.messages) < MESSAGES_MAX:
        found.messages.append(text)


def _code(value: Any, found: Said) -> None:
    if isinstance(value, str) and value and not _SCHEMAS.match(value) and len(value) < 200 and value not in found.codes:
        found.codes.append(value)


def _number(value: Any, found: Said) -> None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _STATUSES:
        found.statuses.append(value)
