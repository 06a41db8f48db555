"""What kind of failure a model call ended with. Pure: the same outcome at the same instant is always the same class (DESIGN.md section 7).

The shape of the body is read first (`body`, `answer`), then its codes and wording (`words`), then the status (`errors`). Evidence is weighed in
this light: a mistake taken for weather waits for ever, weather taken for a mistake closes a good route. So words that mean one thing beat a
status that could mean two, and where nothing tells the two apart it is `unknown`, which is tried a few times. A 400 that says what is wrong,
in words that no rule knows, will say so again: a mistake, or the conversation's fault where it speaks of messages.

`python -m holdfast.models.classify` is the same as a command: JSON lines in, one JSON line each out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from holdfast.core.failure import Failure, Kind
from holdfast.models.classify import errors, transport, words
from holdfast.models.classify.answer import Reading, read
from holdfast.models.classify.body import Said, said, said_in
from holdfast.models.classify.hints import retry_after_s
from holdfast.models.classify.reason import sentence
from holdfast.models.classify.words import Verdict, first
from holdfast.models.dressed import MANIFEST
from holdfast.ports import RawFailure

_REFUSED: Final = re.compile(
    r"content_?filter|refusal|safety|sensitive|prohibited|blocklist|recitation|spii|guardrail|moderation|black_?list", re.IGNORECASE
)
_BROKEN_OFF: Final = re.compile(
    r"^error$|network_error|malformed|abort|insufficient_system_resource|failed|unexpected_tool_call|cancell?ed", re.IGNORECASE
)
_SETTINGS: Final[Mapping[str, str]] = {
    words.KEY.why: "api_key",
    errors.REFUSES_US[1]: "api_key",
    words.MODEL.why: "model",
    errors.NOTHING_THERE[1]: "base_url",
    errors.NO_MODEL_SERVER[1]: "base_url",
    transport.NO_NAME: "base_url",
    transport.OTHER_NAME: "base_url",
}
_EMPTY: Final[Verdict] = ("cut", "The answer was empty")
_TOO_LATE: Final[Verdict] = ("transient", "It did not answer in time")
_PROBE_S_MIN: Final = 60.0


def classify(failure: RawFailure, *, worked_before: bool = False, now: float) -> Failure:
    """The class of this outcome. `worked_before`: this endpoint has answered under this configuration; `now`: Unix seconds, for dates.

    `ok` means that what came is a healthy answer, whatever it talks about. Never raises, whatever the server sent.
    """
    headers = {name.lower(): value for name, value in failure.headers}
    status = failure.status
    if status is None:
        kind, why = transport.kind_of(failure.exception or failure.why or failure.transport, worked_before=worked_before)
        detail = failure.exception.partition(": ")[2] or failure.exception
        told = sentence("", failure.why) if failure.why and kind != "config" else sentence(why, "" if why in transport.PLAIN else detail)
        return Failure(kind, None, told, cause=why)
    if 200 <= status <= 299:
        (kind, why), about = _answered(failure, headers, worked_before=worked_before)
    else:
        about = said(failure.body)
        about.codes.append(headers.get("x-amzn-errortype", "").partition(":")[0])
        kind, why = errors.verdict(status, about, worked_before=worked_before)
    hint = retry_after_s(kind, headers, failure.body, about.messages, now)
    if kind == "quota" and hint is not None and hint < _PROBE_S_MIN and words.PER_DAY.search(about.words):
        hint = None  # the next minute does not bring back what a day has used up
    return Failure(kind, hint, _told(kind, why, about, status), loading=why == words.LOADING.why, cause=why)


def setting(failure: Failure) -> str:
    """Which setting of its route a mistake is about; "" if that can't be told."""
    return _SETTINGS.get(failure.cause, "") if failure.kind == "config" else ""


def _told(kind: Kind, why: str, about: Said, status: int) -> str:
    """What people read. Of a limit the server's own words, since its class says the rest; of a page the heading."""
    message = about.message.partition(" | ")[0] if about.page else about.message
    if message and kind in {"quota", "rate-limit"}:
        return sentence("", message)
    return sentence(why, message or ("" if kind in {"ok", "cut"} else f"HTTP status {status}"))


def _answered(failure: RawFailure, headers: Mapping[str, str], *, worked_before: bool) -> tuple[Verdict, Said]:
    """Status 200: an answer, part of one, an error all the same, or nothing."""
    timed_out = transport.timed_out(failure.exception)
    reading = read(failure.body, headers.get("content-type", ""))
    if reading is None:
        about = said(failure.body)
        return _no_answer(about, timed_out=timed_out, worked_before=worked_before), about
    if reading.error is not None:
        about = said_in(reading.error)
        kind, why = errors.verdict(next(iter(about.statuses), 200), about, worked_before=worked_before)
        return ("cut" if reading.produced and kind in {"transient", "unknown"} else kind, why), about
    if code := _of_manifest(reading, headers):
        about = Said(messages=[MANIFEST.sub("", reading.text).strip()])
        return errors.of_manifest(code, about.words), about
    return _finished(reading, timed_out=timed_out), Said()


def _no_answer(about: Said, *, timed_out: bool, worked_before: bool) -> Verdict:
    """Nothing at all, a page, or some text."""
    text = about.words
    if not text.strip():
        return _TOO_LATE if timed_out else _EMPTY
    rules = words.WEATHER if about.page else (*words.WEATHER, words.MONEY, words.KEY, words.RATE)
    if (rule := first(rules, text)) is not None:
        return rule.verdict
    if worked_before:
        return "transient", "Something else answers in place of the model"
    return errors.NO_MODEL_SERVER


def _finished(reading: Reading, *, timed_out: bool) -> Verdict:
    """How the answer ended."""
    if _REFUSED.search(reading.finish) or (reading.refusal and not reading.text.strip()):
        return words.REFUSED.verdict
    if _BROKEN_OFF.search(reading.finish):
        return "cut", "The answer broke off"
    if not reading.answer:
        return "unknown", "What came is not an answer"
    if not reading.ended:
        return _TOO_LATE if timed_out and not reading.produced else ("cut", "The answer ended in the middle")
    if reading.calls_broken:
        return "cut", "The answer holds half a tool call"
    if reading.empty:
        return words.OVERFLOW.verdict if "context_window" in reading.finish else _EMPTY
    return "ok", "The answer is complete"


def _of_manifest(reading: Reading, headers: Mapping[str, str]) -> str:
    """The code of an error that Manifest dressed as the assistant's words; "" if it is none, as where a model talks about such errors."""
    match = MANIFEST.match(reading.text)
    ours = any(name == "manifest" or name.startswith("chatcmpl-manifest") for name in reading.names) or "x-manifest-reason" in headers
    return match[1] if match and ours else ""
