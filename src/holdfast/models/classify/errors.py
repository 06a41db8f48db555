"""The class of an error that a server reports: its words first, then the places that it complains of, then its status.

One function per kind of status, each a list in which the first that fits wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from holdfast.models.classify import words
from holdfast.models.classify.body import Said
from holdfast.models.classify.words import Verdict, first

_MANIFEST: Final = re.compile(r"\[\s*\U0001f99a\s*Manifest (M\d{3})\s*\]")
_LIMIT: Final = re.compile(r"limit:? (\d{1,15})\b.{0,60}?requested:? (\d{1,15})\b")
_BY_GOOGLE: Final = re.compile(r"resource exhausted|quota ?metric")
_CREDITS: Final = re.compile(r"prepayment|credits")
_CHALLENGE: Final = re.compile(r"just a moment|checking your browser|challenge|enable javascript and cookies|verify you are human")
_OVERLOAD: Final = re.compile(r"overload|负载|过载")
_KEY_SURELY: Final = re.compile(
    r"(invalid|incorrect|expired|revoked|missing) (\w+ ){0,2}(api[-_ ]?key|credentials)|\b(set|export) \w*api_key|\b(log|sign) ?in (to|with|via|again)"
)
_OF_THE_REQUEST: Final = re.compile(
    r"badrequesterror|invalid[_ ]argument\b|^(invalid|unknown|unsupported|missing|unrecognized|illegal)( required)? (parameter|param|value|type|argument|field|request)$",
    re.MULTILINE,
)
_OF_THE_SERVER: Final = re.compile(
    r"internal ?server ?(error|exception)|unexpected error|try your request again|(upstream|provider) (request |call )?fail"
)
_NOT_US: Final = re.compile(r"server error|internal error|upstream")
_SAYS_NOTHING: Final = re.compile(
    r"request contains an invalid argument|client specified an invalid argument|invalid request|bad request|bad[_ ]response[_ ]status[_ ]code|unprocessable entity"
)
_OF_THE_CONVERSATION: Final = re.compile(
    rf"\b(messages?|contents?|conversation|history|turns?|roles?|assistant|{words.PICTURE}|pages)\b|消息|对话|角色|内容"
)
_WORD: Final = re.compile(r"[^\W\d_]{2}")
_TRANSCRIPT_PLACE: Final = re.compile(r"^(body\.|\$\.)?(messages|input|contents|content|prompt)\b")
_SETTING_PLACE: Final = re.compile(
    r"^(body\.|\$\.)?(model|tools?|functions?|tool_choice|temperature|top_\w|max_\w+|stream\w*|reasoning\w*|thinking\w*|stop|n|seed|response_format"
    r"|parallel_tool_calls|metadata|user|store|include|service_tier|verbosity|text|logprobs|effort|system)\b"
)
_TOOLS_PLACE: Final = re.compile(r"(^|[\s(.])(request\.)?(tools|functions|function_declarations)(\[|\.)\d", re.MULTILINE)

AWAY: Final[Verdict] = ("transient", words.AWAY.why)
REFUSES_US: Final[Verdict] = ("config", "The server refuses us")
NOTHING_THERE: Final[Verdict] = ("config", "Nothing answers at this address")
NO_MODEL_SERVER: Final[Verdict] = ("config", "What answers at this address is not a model server")
UNCLEAR: Final[Verdict] = ("unknown", "The server refuses the call")
COMPLAINT: Final[Verdict] = ("config", "The server does not take the call")
"""Whoever says of a call what is wrong with it will say so again, in words that we do not know."""
_BY_STATUS: Final[Mapping[int, Verdict]] = {
    **dict.fromkeys((401, 403, 407, 410), REFUSES_US),
    **dict.fromkeys((406, 411, 414, 415, 416, 417, 426, 431, 451, 501, 505), ("config", "The server does not take such a request")),
    402: words.MONEY.verdict,
    413: words.OVERFLOW.verdict,
    429: words.RATE.verdict,
    446: words.REFUSED.verdict,
    **dict.fromkeys((408, 409, 423, 424, 425, 444, 460, 499), AWAY),
}
_NOT_THERE: Final = {301, 302, 303, 307, 308, 404, 405}


def verdict(status: int, about: Said, *, worked_before: bool) -> Verdict:
    """The class, and why in a few words. `status` 200: an error that came without a status of its own."""
    text = about.words
    if about.page:
        return _page(status, text, worked_before=worked_before)
    if status >= 500:  # a gateway tells of another server
        status = next((one for one in about.statuses if one < 500), [status, *about.statuses][-1])
    if match := _MANIFEST.search(" ".join(about.messages)):
        return of_manifest(match[1], text)
    return _allowance(status, text, about) or _by_kind_of_status(status, text, about, worked_before=worked_before)


def _by_kind_of_status(status: int, text: str, about: Said, *, worked_before: bool) -> Verdict:
    if status >= 500:
        return _broken(status, text, about, worked_before=worked_before)
    if status in _NOT_THERE:
        return _not_there(text, worked_before=worked_before)
    match status:
        case 408 | 425 | 444 | 460 | 499:
            return AWAY
        case 401:
            return _stranger(text)
        case 403:
            return _forbidden(text, about)
        case 429:
            return _too_many(text)
        case _:
            return _bad_request(status, text, about, worked_before=worked_before)


def of_manifest(code: str, text: str) -> Verdict:
    """What an error of the gateway Manifest means, by its code."""
    if code in {"M200", "M204"}:
        return words.SPENT.verdict
    match code[1]:
        case "0":
            return words.KEY.verdict
        case "1" | "3":
            return "config", "The gateway lacks a setting for this"
        case "2":
            return words.RATE.verdict
        case "5":
            return AWAY
        case _:
            rule = first((words.MONEY, words.RATE, *words.WEATHER, *words.SETTINGS), text)
            return rule.verdict if rule else UNCLEAR


def _allowance(status: int, text: str, about: Said) -> Verdict | None:
    """Credit and quotas, before anything else: every status is used for them. Google calls its rate limits quotas."""
    if (match := _LIMIT.search(text)) and int(match[2]) > int(match[1]):
        return words.OVERFLOW.verdict  # a limit that this request alone exceeds: waiting is of no use
    spoken = about.spoken
    money = words.MONEY.found_in(spoken) or (words.MONEY.found_in(text) and not words.PER_MINUTE.search(spoken))
    if _BY_GOOGLE.search(text) and (money or words.SPENT.found_in(text)):
        return words.SPENT.verdict if words.PER_DAY.search(text) or _CREDITS.search(text) else words.RATE.verdict
    return words.MONEY.verdict if money or status == 402 else None


def _too_many(text: str) -> Verdict:
    """429: a rate, unless the words mean something that waiting a minute does not mend, or that is not ours."""
    if words.spent(text):
        return words.SPENT.verdict
    if "long context" in text or (words.OVERFLOW.found_in(text) and not words.PER_MINUTE.search(text)):
        return words.OVERFLOW.verdict
    if _OVERLOAD.search(text):
        return words.BUSY.verdict
    rate = words.RATE.found_in(text) or words.PER_MINUTE.search(text)
    rule = None if rate else first(words.WEATHER, text)
    return rule.verdict if rule else words.RATE.verdict


def _broken(status: int, text: str, about: Said, *, worked_before: bool) -> Verdict:
    """5xx: weather, unless the words mean a mistake and nothing else. Gateways (502 and above) tell of others, and little can be believed."""
    if words.TEMPLATE.search(text):
        return _template(text)
    if status in {501, 505}:
        return _BY_STATUS[status]
    if _OF_THE_REQUEST.search(text):  # a gateway wraps the answer of another server
        return _bad_request(status, text, about, worked_before=worked_before)
    if words.SURELY_SPENT.search(text):
        return words.SPENT.verdict
    rule = first(words.REQUEST, text)
    if rule is words.LIMITED and _OVERLOAD.search(text):
        rule = words.BUSY
    if rule is None and _KEY_SURELY.search(text):
        rule = words.KEY
    rule = rule or first((words.NOBODY_FOR_MODEL, *words.WEATHER), text)
    if rule is None and words.spent(text):
        rule = words.SPENT
    if rule is None:
        rule = first((words.RATE, *words.SETTINGS) if status == 500 else (words.PLACE, words.MODEL), text)
    if rule is not None and not (worked_before and rule in {words.MODEL, words.NOBODY_FOR_MODEL}):
        return rule.verdict
    return AWAY


def _stranger(text: str) -> Verdict:
    """401: the key, unless the words mean that the one who should look at it can't."""
    rule = first((words.NOBODY_FOR_MODEL, words.BUSY, words.AWAY), text)
    return rule.verdict if rule else _BY_STATUS[401]


def _forbidden(text: str, about: Said) -> Verdict:
    rule = first((words.PLACE, words.REFUSED, words.RATE, words.BUSY, words.AWAY), text)
    if rule is None and words.spent(text):
        rule = words.SPENT
    if rule is None or (rule is words.REFUSED and words.ACCOUNT.found_in(about.spoken) and "flagged" not in text):
        rule = first(words.SETTINGS, text)
    if rule is None and _NOT_US.search(about.message.lower()):
        return AWAY
    return rule.verdict if rule else _BY_STATUS[403]


def _not_there(text: str, *, worked_before: bool) -> Verdict:
    """404 and its kin: the model, or the address, or a server that is being replaced."""
    rules = (words.OVERFLOW, words.LOADING, words.TRANSCRIPT, words.AWAY, words.PLACE, words.FEATURE, words.ACCOUNT, words.MODEL)
    if (rule := first(rules, text)) is not None:
        return rule.verdict
    return ("transient", "The model does not answer there now") if worked_before else NOTHING_THERE


def _bad_request(status: int, text: str, about: Said, *, worked_before: bool) -> Verdict:
    if words.TEMPLATE.search(text):
        return _template(text)
    if words.WRONG_URL.search(text):
        return _not_there(text, worked_before=worked_before)
    spoken = about.spoken  # some providers put a code on every bad request that means no more than that
    settings = bool(_TOOLS_PLACE.search(spoken)) or any(map(_SETTING_PLACE.match, about.places))
    rule = first(words.REQUEST, text)
    if rule is words.TRANSCRIPT and settings and words.PARAMETER.found_in(spoken):
        rule = words.PARAMETER
    if rule is None and words.spent(text):
        rule = words.SPENT
    rule = rule or first((words.RATE, *words.WEATHER, *words.SETTINGS), text)
    if rule is not None:
        return rule.verdict
    if any(map(_TRANSCRIPT_PLACE.match, about.places)):
        return words.TRANSCRIPT.verdict
    if settings or words.PARAMETER.found_in(_SAYS_NOTHING.sub("", spoken)):
        return words.PARAMETER.verdict
    return _by_status(status, text, about)


def _by_status(status: int, text: str, about: Said) -> Verdict:
    """What is left when words say nothing: the status, or one that the body names."""
    for one in (status, *about.statuses):
        if one in _BY_STATUS:
            return _BY_STATUS[one]
        if one >= 500:
            return AWAY
    regrets = words.SORRY if status == 200 else _OF_THE_SERVER
    if regrets.search(text):
        return AWAY
    complaint = words.words(about.messages[-1:], ())
    if status not in {400, 412, 422} or words.SORRY.search(complaint) or len(_WORD.findall(_SAYS_NOTHING.sub("", complaint))) < 3:
        return UNCLEAR
    return words.TRANSCRIPT.verdict if _OF_THE_CONVERSATION.search(complaint) else COMPLAINT


def _template(text: str) -> Verdict:
    """A chat template that refuses the conversation, or one that does not work at all."""
    if words.TEMPLATE_BROKEN.search(text) and "raise_exception" not in text:
        return "config", "The model's chat template does not work"
    return words.TRANSCRIPT.verdict


def _page(status: int, text: str, *, worked_before: bool) -> Verdict:
    """A page, as proxies write them: its status says nearly everything."""
    if status in _NOT_THERE:
        return _not_there("", worked_before=worked_before)
    if status == 403 and (_CHALLENGE.search(text) or words.AWAY.found_in(text)):
        return "transient", "A guard in front of the server asks for a browser"
    if status == 403:
        return ("transient" if worked_before else "config"), "A guard in front of the server blocks us"
    rule = first((words.FEATURE, words.OVERFLOW, *words.WEATHER), text) if status in {400, 422} else None
    return rule.verdict if rule else _by_status(status, "", Said())
