"""What became of a request, by the code that it was answered with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from holdfast.errors import Config, Temporary
from holdfast.platforms.asking import Failure, unanswered
from holdfast.platforms.tencent.api import STALE, Refused
from holdfast.ports import Receipt

BUSY: Final = -1


@dataclass(frozen=True, slots=True)
class Codes:
    """What a platform's codes mean, of those that matter.

    `who`: the platform. `mends`: what a person has to do. `limits`: too many; how many seconds to wait. `shut`: this person takes nothing from us, and why.
    """

    who: str
    mends: Mapping[int, str]
    limits: Mapping[int, float]
    shut: Mapping[int, str]


def receipt(failure: Failure | Refused, codes: Codes) -> Receipt:
    """Of a send."""
    if not isinstance(failure, Refused):
        return unanswered(codes.who, failure)
    why = f"{codes.who}: {failure}"
    match failure.code:
        case code if code in codes.mends:
            return Receipt("retry", why=f"{why}. {codes.mends[code]}", account="stopped")
        case code if code in codes.limits:
            return Receipt("retry", why=why, retry_after_s=codes.limits[code])
        case code if code in codes.shut:
            return Receipt("blocked", why=f"{codes.shut[code]} ({code})")
        case code if code in STALE:
            return Receipt("retry", why=why, account="away")
        case code if code == BUSY:
            return Receipt("unknown", why=why)
        case _:
            return Receipt("refused", why=why)


def trouble(failure: Failure | Refused, codes: Codes) -> Config | Temporary:
    """Of any other request."""
    if isinstance(failure, Refused) and failure.code in codes.mends:
        return Config(f"{codes.who} says: {failure}. {codes.mends[failure.code]}")
    limit_s = codes.limits.get(failure.code) if isinstance(failure, Refused) else None
    return Temporary(f"{codes.who} can't be asked: {failure}.", limit_s)


def refuses(failure: Failure | Refused, codes: Codes) -> bool:
    """What was asked for, for its own sake: neither time nor a person will change that."""
    return isinstance(failure, Refused) and failure.code not in {*codes.mends, *codes.limits, *STALE, BUSY}
