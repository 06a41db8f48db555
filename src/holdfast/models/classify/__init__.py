"""What kind of failure a model call ended with. Pure: the same outcome at the same instant is always the same class (DESIGN.md section 7).

The shape of the body is read first (`body`, `answer`), then its codes and wording (`words`), then the status. Evidence is weighed in this light: a
mistake taken for weather waits for ever, weather taken for a mistake closes a good route. So words that mean one thing beat a status that
could mean two, and where nothing tells the two apart it is `unknown`, which is tried a few times.

`python -m holdfast.models.classify` is the same as a command: JSON lines in, one JSON line each out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from holdfast.core.failure import Failure, Kind
from holdfast.models.classify import transport, words
from holdfast.models.classify.answer import Reading, read
from holdfast.models.classify.body import Said, said, said_in
from holdfast.models.classify.hints import retry_after_s
from holdfast.models.classify.reason import sentence
from holdfast.models.classify.words import Rule
from holdfast.models.dressed import MANIFEST
from holdfast.ports import RawFailure

_Verdict = tuple[Kind, str]

_MANIFEST_IN: Final = re.compile(r"\[\s*\U0001f99a\s*Manifest (M\d{3})\s*\]")
_LIMIT: Final = re.compile(r"limit:? (\d+)\b.{0,60}?requested:? (\d+)\b", re.IGNORECASE)
_DAILY: Final = re.compile(r"per[- _]?day|perday|daily|per[- _]?month|monthly|limit: 0\b", re.IGNORECASE)
_GOOGLE: Final = re.compile(r"resource exhausted|quota ?metric|google")
_CHALLENGE: Final = re.compile(r"just a moment|checking your browser|challenge|enable javascript and cookies|verify you are human", re.IGNORECASE)
_REFUSED_FINISH: Final = re.compile(r"content_?filter|refusal|safety|sensitive|prohibited|blocklist|recitation|spii|guardrail|moderation", re.IGNORECASE)
_BROKEN_FINISH: Final = re.compile(r"^error$|network_error|malformed|abort|insufficient_system_resource|failed|unexpected_tool_call|cancell?ed", re.IGNORECASE)
_TRANSCRIPT_PLACE: Final = re.compile(r"^(body\.|\$\.)?(messages|input|contents|content|prompt)\b", re.IGNORECASE)
_SETTING_PLACE: Final = re.compile(
    r"^(body\.|\$\.)?(model|tools?|functions?|tool_choice|temperature|top_\w|max_\w+|stream\w*|reasoning\w*|thinking\w*|stop|n|seed|response_format"
    r"|parallel_tool_calls|metadata|user|store|include|service_tier|verbosity|text|logprobs|effort|system)\b",
    re.IGNORECASE,
)

_BY_STATUS: Final[Mapping[int, _Verdict]] = {
    **dict.fromkeys((401, 403, 407, 410), ("config", "The server refuses us")),
    **dict.fromkeys((406, 411, 414, 415, 416, 417, 426, 431, 451, 501, 505), ("config", "The server does not take such a request")),
    402: ("quota", words.MONEY.why),
    413: ("overflow", words.OVERFLOW.why),
    429: ("rate-limit", words.RATE.why),
    **dict.fromkeys((408, 409, 423, 424, 425, 444, 460, 499), ("transient", words.AWAY.why)),
}
_NO_SUCH_PLACE: Final = {404, 405, 301, 302, 303, 307, 308}


def classify(failure: RawFailure, *, worked_before: bool = False, now: float) -> Failure:
    """The class of this outcome. `worked_before`: this endpoint has answered under this configuration; `now`: Unix seconds, for dates.

    `ok` means that what came is a healthy answer, whatever it talks about. Never raises, whatever the server sent.
    """
    headers = {name.lower(): value for name, value in failure.headers}
    status, about = failure.status, Said()
    if status is None:
        kind, why = transport.kind_of(failure.exception or failure.why, worked_before=worked_before)
        return Failure(kind, None, sentence(why, _detail(failure.exception)))
    if 200 <= status <= 299:
        kind, why, about = _answered(failure, headers, worked_before)
    else:
        about = said(failure.body)
        kind, why = _refused(status, about, worked_before)
    hint = retry_after_s(kind, headers, failure.body, about.messages, now)
    if kind == "quota" and hint is not None and hint < 60 and _DAILY.search(_all(about)):
        hint = None  # the next minute does not bring back what a day has used up
    return Failure(kind, hint, sentence(why, about.message or ("" if kind in {"ok", "cut"} else f"HTTP status {status}")))


def _all(about: Said) -> str:
    return words.words(about.messages, about.codes)


def _detail(exception: str) -> str:
    return exception.partition(": ")[2] or exception


# --- with an answer, or what looks like one ---------------------------------------------------------------------------------------------


def _answered(failure: RawFailure, headers: Mapping[str, str], worked_before: bool) -> tuple[Kind, str, Said]:
    timed_out = transport.timed_out(failure.exception)
    reading = read(failure.body, headers.get("content-type", ""))
    if reading is None:
        return _no_answer(failure, timed_out, worked_before)
    if reading.error is not None:
        about = said_in(reading.error)
        kind, why = _refused(next(iter(about.statuses), 200), about, worked_before)
        if reading.produced and kind in {"transient", "unknown"}:
            kind = "cut"
        return kind, why, about
    if code := _manifest(reading, headers):
        return *_manifest_says(code, reading.text), Said(messages=[MANIFEST.sub("", reading.text).strip()])
    return *_finished(reading, failure, timed_out), Said()


def _no_answer(failure: RawFailure, timed_out: bool, worked_before: bool) -> tuple[Kind, str, Said]:
    """Status 200 and nothing that is an answer: nothing at all, a page, or some text."""
    if not failure.body.strip():
        return ("transient", "It did not answer in time", Said()) if timed_out else ("cut", "The answer was empty", Said())
    about = said(failure.body)
    if (found := _first(words.WEATHER, _all(about))) is not None:
        return found.kind, found.why, about
    if not about.page and (found := _first((words.MONEY, *words.SETTINGS[:-1], words.RATE), _all(about))) is not None:
        return found.kind, found.why, about
    if worked_before:
        return "transient", "Something else answers in place of the model", about
    return "config", "What answers at this address is not a model server", about


def _finished(reading: Reading, failure: RawFailure, timed_out: bool) -> _Verdict:
    if _REFUSED_FINISH.search(reading.finish) or (reading.refusal and not reading.text.strip()):
        return "refused", words.REFUSED.why
    if _BROKEN_FINISH.search(reading.finish):
        return "cut", "The answer broke off"
    if not reading.answer:
        return "unknown", "What came is not an answer"
    if not reading.ended:
        if timed_out and not reading.produced:
            return "transient", "It did not answer in time"
        return "cut", "The answer ended in the middle"
    if reading.calls_broken:
        return "cut", "The answer holds half a tool call"
    if reading.empty:
        return ("overflow", words.OVERFLOW.why) if "context_window" in reading.finish else ("cut", "The answer was empty")
    return "ok", "The answer is complete"


def _manifest(reading: Reading, headers: Mapping[str, str]) -> str:
    """The code of an error that Manifest dressed as the assistant's words; "" if it is none, as where a model talks about such errors."""
    match = MANIFEST.match(reading.text)
    ours = any(name == "manifest" or name.startswith("chatcmpl-manifest") for name in reading.names) or "x-manifest-reason" in headers
    return match[1] if match and ours else ""


def _manifest_says(code: str, text: str) -> _Verdict:
    if code in {"M200", "M204"}:
        return "quota", words.SPENT.why
    match code[1]:
        case "0":
            return "config", words.KEY.why
        case "1" | "3":
            return "config", "The gateway lacks a setting for this"
        case "2":
            return "rate-limit", words.RATE.why
        case "5":
            return "transient", words.AWAY.why
        case _:
            found = _first((words.MONEY, words.RATE, *words.WEATHER, *words.SETTINGS), words.words([text], []))
            return (found.kind, found.why) if found else ("unknown", "The gateway reports an error")


# --- with an error ----------------------------------------------------------------------------------------------------------------------


def _refused(status: int, about: Said, worked_before: bool) -> _Verdict:
    """The class of an error that was reported with this status (200: with none that says anything)."""
    text = _all(about)
    if about.page:
        return _page(status, text, worked_before)
    if match := _MANIFEST_IN.search(" ".join(about.messages)):
        return _manifest_says(match[1], " ".join(about.messages))
    if (found := _allowance(status, text)) is not None:
        return found
    if status == 429:
        return _too_many(text)
    if status >= 500:
        return _broken(status, text, about, worked_before)
    if status in {401, 402}:
        found_rule = _first((words.BUSY, words.AWAY), text) if status == 401 else None
        return (found_rule.kind, found_rule.why) if found_rule else _by_status(status)
    if status == 403:
        return _forbidden(text)
    if status in _NO_SUCH_PLACE:
        return _not_there(text, worked_before)
    return _bad_request(status, text, about, worked_before)


def _allowance(status: int, text: str) -> _Verdict | None:
    """Credit and quotas, before anything else: every status is used for them."""
    if match := _LIMIT.search(text):
        limit, requested = int(match[1][:15]), int(match[2][:15])
        if requested > limit:
            return "overflow", words.OVERFLOW.why
    if words.MONEY.pattern.search(text):
        if _GOOGLE.search(text) and not _DAILY.search(text) and not re.search(r"prepayment|credits", text):
            return "rate-limit", words.RATE.why
        return "quota", words.MONEY.why
    if status == 402:
        return "quota", words.MONEY.why
    if _GOOGLE.search(text) and words.SPENT.pattern.search(text):
        return ("quota", words.SPENT.why) if _DAILY.search(text) else ("rate-limit", words.RATE.why)
    return None


def _too_many(text: str) -> _Verdict:
    if _spent(text):
        return "quota", words.SPENT.why
    if words.OVERFLOW.pattern.search(text) and not words.PER_MINUTE.search(text):
        return "overflow", words.OVERFLOW.why
    if re.search(r"long context", text):
        return "overflow", words.OVERFLOW.why
    if re.search(r"overload|负载|过载", text):
        return "transient", words.BUSY.why
    return _by_status(429)


def _spent(text: str) -> bool:
    """An allowance that does not come back within minutes."""
    return bool(words.SPENT.pattern.search(text)) and not words.PER_MINUTE.search(text)


def _broken(status: int, text: str, about: Said, worked_before: bool) -> _Verdict:
    """5xx: weather, unless the words mean a mistake and nothing else."""
    if words.TEMPLATE.search(text):
        return _template(text)
    if status in {501, 505}:
        return _by_status(status)
    found = _first((*words.REQUEST, *words.WEATHER), text)
    if found is None and _spent(text):
        found = words.SPENT
    if found is None:
        found = _first((words.RATE, *words.SETTINGS), text)
        if found is words.MODEL and worked_before:
            found = None
    if found is not None:
        return found.kind, found.why
    inner = next((one for one in about.statuses if one in {401, 402, 403, 413, 429}), None)
    return _by_status(inner) if inner else ("transient", words.AWAY.why)


def _forbidden(text: str) -> _Verdict:
    found = _first((words.PLACE, words.REFUSED, words.RATE, words.BUSY, words.AWAY), text)
    if found is None and _spent(text):
        found = words.SPENT
    if found is None or (words.ACCOUNT.pattern.search(text) and found.kind == "refused" and "flagged" not in text):
        found = _first(words.SETTINGS, text)
    return (found.kind, found.why) if found else _by_status(403)


def _not_there(text: str, worked_before: bool) -> _Verdict:
    """404 and its kin: the model, or the address, or a server that is being replaced."""
    found = _first((words.OVERFLOW, words.LOADING, words.TRANSCRIPT, words.AWAY, words.PLACE, words.FEATURE, words.ACCOUNT, words.MODEL), text)
    if found is not None:
        return found.kind, found.why
    if worked_before:
        return "transient", "What answers there is not the model now"
    return "config", "Nothing answers at this address"


def _bad_request(status: int, text: str, about: Said, worked_before: bool) -> _Verdict:
    if words.TEMPLATE.search(text):
        return _template(text)
    found = _first((*words.REQUEST, words.RATE, *words.WEATHER), text)
    if found is words.TRANSCRIPT and any(map(_SETTING_PLACE.match, about.places)) and words.PARAMETER.pattern.search(text):
        found = words.PARAMETER
    if found is None and _spent(text):
        found = words.SPENT
    found = found or _first(words.SETTINGS, text)
    if found is not None:
        return found.kind, found.why
    if any(map(_TRANSCRIPT_PLACE.match, about.places)):
        return "bad-transcript", words.TRANSCRIPT.why
    if any(map(_SETTING_PLACE.match, about.places)) or words.PARAMETER.pattern.search(text):
        return "config", words.PARAMETER.why
    if verdict := _BY_STATUS.get(status):
        return verdict
    inner = next((one for one in about.statuses if one >= 401), None)
    if inner is not None:
        return _by_status(inner)
    if words.SORRY.pattern.search(text):
        return "unknown" if status == 400 else "transient", words.SORRY.why
    return "unknown", "The server refuses the call"


def _template(text: str) -> _Verdict:
    if words.TEMPLATE_BROKEN.search(text) and "raise_exception" not in text:
        return "config", "The model's chat template does not work"
    return "bad-transcript", words.TRANSCRIPT.why


def _page(status: int, text: str, worked_before: bool) -> _Verdict:
    """A page, as proxies write them: its status says nearly everything."""
    if status == 403 and (_CHALLENGE.search(text) or words.AWAY.pattern.search(text)):
        return "transient", "A guard in front of the server asks for a browser"
    if status == 403:
        return ("transient" if worked_before else "config"), "A guard in front of the server blocks us"
    if status in _NO_SUCH_PLACE:
        return _not_there("", worked_before)
    if status in {400, 422, 200}:
        found = _first((words.FEATURE, words.OVERFLOW, *words.WEATHER), text)
        return (found.kind, found.why) if found else ("unknown", "The server refuses the call")
    return _by_status(status)


def _by_status(status: int) -> _Verdict:
    if status in _NO_SUCH_PLACE:
        return "config", "Nothing answers at this address"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ("transient", words.AWAY.why) if status >= 500 else ("unknown", "The server refuses the call")


def _first(rules: tuple[Rule, ...], text: str) -> Rule | None:
    return next((rule for rule in rules if rule.pattern.search(text)), None)
