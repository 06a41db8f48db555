"""What an error body says, whatever its shape: objects, arrays, strings, JSON in a string in JSON, pages of proxies, plain text.

Only the places where servers put their own words are read. Bodies also repeat what was sent to them, and nothing is decided by that.
"""

from __future__ import annotations

import ast
import html
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast.models.classify.words import words

DEPTH_MAX: Final = 12
MESSAGE_CHARS_MAX: Final = 3_000
PAGE_CHARS_MAX: Final = 16_000
MESSAGES_MAX: Final = 20
FIELDS_MAX: Final = 60
LITERAL_CHARS_MAX: Final = 8_000
CODES_MAX: Final = 20

_MESSAGE: Final = re.compile(
    r"(message|msg|reason|details?|title|description|fault|faultstring|explanation|trace|traceback)$", re.IGNORECASE
)
_CODE: Final = re.compile(r"(code|type|status|statustext|reason|quotaid|error_?name|^name)$", re.IGNORECASE)
_STATUS: Final = re.compile(r"(code|status)$", re.IGNORECASE)
_INSIDE: Final = (
    "error", "errors", "err", "detail", "details", "metadata", "raw", "innererror", "inner_error", "upstream_error", "violations", "base_resp",
    "body", "cause", "failure", "response", "data", "original", "originalerror", "provider_error", "last_error", "message", "fault", "reason",
)  # fmt: skip
_SCHEMAS: Final = re.compile(r"^type\.googleapis\.com/|^(error|object|null|none)$", re.IGNORECASE)
_QUASI_CODE: Final = re.compile(r"""["'](?:code|type|status)["']\s*:\s*["']([\w.\- ]{3,80})["']""")
_QUASI_MESSAGE: Final = re.compile(r"""['"]message['"]:\s*(?:"([^"]{1,2000})"|'([^']{1,2000})')""")
_PAGE: Final = re.compile(r"^\s*(<!doctype html|<html|<head|<body|<\?xml|<center|<h1|<title)", re.IGNORECASE)
_HEADING: Final = re.compile(r"<(?:title|h1|h2)[^>]{0,200}>(.{0,200}?)</(?:title|h1|h2)>", re.IGNORECASE | re.DOTALL)
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?(</\1>|$)", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]*>")
_EXCERPT_CHARS_MAX: Final = 300
_XML: Final = re.compile(r"<((?:\w+:)?[A-Za-z]+)>([^<]{1,2000})</\1>")
_BYTES: Final = re.compile(r"""\bb'(?:[^'\\]|\\.)*'|\bb"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_TRACEBACK: Final = "Traceback (most recent call last)"
_STATUSES: Final = range(400, 600)
_NAMED: Final = re.compile(
    r"\b(?:error code|status(?:[ _]?code)?|http(?:/\d\.?\d?)?|returned|responded with|response code|code)[\s:=\"']{1,4}\(?([45]\d\d)\b|^\W?([45]\d\d)\b|[\[(]([45]\d\d)[\])]",
    re.IGNORECASE,
)
"""A status that a text names: `Error code: 400`, `[503]`, `returned 404`, `429 Too Many Requests`."""


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
    elif _xml(body, found):
        pass
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
    """Codes and places first, then the messages, then whatever lies further in."""
    fields = list(value.items())[:FIELDS_MAX]
    for key, one in fields:
        if _CODE.search(key):
            _code(one, found)
        if _STATUS.search(key):
            _number(one, found)
    _complaints(value, found, depth)
    for key, one in fields:
        if isinstance(one, str) and _MESSAGE.search(key):
            _text(one, found, depth + 1)
    lower = {key.lower(): one for key, one in reversed(fields)}
    for key in _INSIDE:
        if isinstance(inner := lower.get(key), dict | list) or (isinstance(inner, str) and not _MESSAGE.search(key)):
            _walk(inner, found, depth + 1)


def _complaints(value: dict[str, Any], found: Said, depth: int) -> None:
    """The parts of the request that an object complains of, in the manner of FastAPI, OpenAI, and ASP.NET."""
    if isinstance(loc := value.get("loc"), list | tuple):
        found.places.append(".".join(str(part) for part in loc[:6]))
    if isinstance(param := value.get("param"), str):
        found.places.append(param[:200])
        if " " in param.strip():  # not the name of a parameter, but what is wrong
            _text(param, found, depth + 1)
    if isinstance(by_place := value.get("errors"), dict):
        for place, complaints in list(by_place.items())[:MESSAGES_MAX]:
            if isinstance(complaints, list):
                found.places.append(place[:200])
                _walk(complaints, found, depth + 1)


def _text(text: str, found: Said, depth: int) -> None:
    """A message, which may hold the JSON of somebody further away, or what Python makes of it: `b'{...}'`, `{'error': None}`."""
    text, start = _unpacked(text)
    if start >= 0 and depth < DEPTH_MAX:
        if inner := _structure(text[start:]):
            _say(found, text[:start])
            _walk(inner, found, depth + 1)
            return
        for code in _QUASI_CODE.findall(text[:MESSAGE_CHARS_MAX]):
            _code(code, found)
        if match := _QUASI_MESSAGE.search(text[:MESSAGE_CHARS_MAX]):
            _say(found, text[:start])
            text = match[1] or match[2]
    if _PAGE.match(text):
        text = _page(text)
    if _TRACEBACK in text:
        text = text.rstrip().rpartition("\n")[2]
    _say(found, text)


def _unpacked(text: str) -> tuple[str, int]:
    """The text without Python's wrapping around the JSON in it, and where that begins (-1: there is none)."""
    start = min((at for at in (text.find("{"), text.find("[{")) if at >= 0), default=-1)
    raw = _BYTES.search(text[:LITERAL_CHARS_MAX])
    if raw is None or not raw.start() < start < raw.end():
        return text, start
    text = f"{text[: raw.start()]}{_literal(raw[0]) or raw[0][2:-1]}{text[raw.end() :]}"
    return text, min((at for at in (text.find("{"), text.find("[{")) if at >= 0), default=-1)


def _structure(text: str) -> Any:
    """The object or array that a text begins with; None if it is neither."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        value = _literal(text[: max(text.rfind("}"), text.rfind("]")) + 1])
    return value if isinstance(value, dict | list) else None


def _literal(text: str) -> Any:
    """What a piece of Python stands for; None if it is none, or too much of it."""
    if len(text) > LITERAL_CHARS_MAX:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _xml(body: str, found: Said) -> bool:
    """Is this the XML of an error? Then what it says."""
    if not re.match(r"\s*(<\?xml[^>]*>\s*)?<(\w+:)?(Error|ErrorResponse|Fault|response|Exception)\b", body, re.IGNORECASE):
        return False
    _object({name.rpartition(":")[2]: text for name, text in _XML.findall(body)[:FIELDS_MAX]}, found, 1)
    return bool(found.messages)


def _page(text: str) -> str:
    """What a page says: its title and headings, else the beginning of its text."""
    text = text[:PAGE_CHARS_MAX]
    headings = " | ".join(dict.fromkeys(_plain(one) for one in _HEADING.findall(text) if _plain(one)))
    rest = _plain(_SCRIPT.sub(" ", text))[:_EXCERPT_CHARS_MAX]
    return f"{headings} | {rest}" if headings else rest


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def _say(found: Said, text: str) -> None:
    if len(text) > MESSAGE_CHARS_MAX:  # what matters stands at the beginning or at the very end
        text = f"{text[: MESSAGE_CHARS_MAX * 2 // 3]} ... {text[-MESSAGE_CHARS_MAX // 3 :]}"
    text = " ".join(text.split())
    if text and text not in found.messages and len(found.messages) < MESSAGES_MAX:
        found.messages.append(text)
        found.statuses.extend(int(one) for groups in _NAMED.findall(text) for one in groups if one)


def _code(value: Any, found: Said) -> None:
    if (
        isinstance(value, str)
        and value
        and not _SCHEMAS.match(value)
        and len(value) < 200
        and value not in found.codes
        and len(found.codes) < CODES_MAX
    ):
        found.codes.append(value)


def _number(value: Any, found: Said) -> None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _STATUSES:
        found.statuses.append(value)
