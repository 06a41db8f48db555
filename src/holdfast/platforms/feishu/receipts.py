"""What became of a request, by the codes with which Feishu refuses. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from holdfast.platforms.asking import Failure, unanswered
from holdfast.platforms.feishu.api import TOKENS_REFUSED, Refused
from holdfast.ports import Receipt

PAUSE_S: Final = 1.0
"""Feishu counts by the second, where it does not say when."""

_APP: Final = frozenset({99991543, 99991662, 99991672, 99991673, 99991676, 230006, 11205})
"""The app is not known, is switched off, has not the right to speak, or no bot: only a person can mend that."""
_APP_AUTH: Final = range(10_000, 10_100)
"""So the codes begin of the door at which the app's token is got: a wrong id, a wrong secret."""
_TOO_MANY: Final = frozenset({11020, 11021, 11232, 11247, 99991400, 99991402, 230020})
_BUSY: Final = frozenset({1, 1000040343, 1500, 1551, 1663, 1668, 230049})
"""Feishu's own trouble; the last one says that this very message is just being sent."""
_CHAT_IS_SHUT: Final = frozenset({230002, 230013, 230017, 230018, 230027, 230029, 230035, 230053, 232009})
"""The bot is not in the chat, the person may not be written to or wants to hear nothing, nobody may write there, the group is dissolved."""
_MESSAGE_IS_GONE: Final = frozenset({230011, 230019, 230031, 230054, 230110, 231003})
"""It was recalled, or deleted, or is older than 14 days, or is no card."""


def is_for_a_person(refused: Refused) -> bool:
    """Can only a person mend this, whatever was asked for?"""
    if refused.to_the_app:
        return refused.code in _APP or refused.code in _APP_AUTH
    return refused.code in _APP - {99991672, 99991676}  # this one right may be missing, and others be there


def is_too_many(refused: Refused) -> bool:
    return refused.code in _TOO_MANY or refused.status == HTTPStatus.TOO_MANY_REQUESTS


def is_passing(refused: Refused) -> bool:
    """What Feishu itself says has a code: anything else stands before it, and may be gone the next time."""
    return is_too_many(refused) or refused.code in _BUSY | TOKENS_REFUSED or not refused.code


def is_gone(refused: Refused) -> bool:
    """The message that is to be answered, or changed, is not there."""
    return refused.code in _MESSAGE_IS_GONE


def receipt(failure: Failure, edit: str = "") -> Receipt:
    """What became of a send. `edit`: the message of ours that was to get another text."""
    why = f"Feishu: {failure}"
    if not isinstance(failure, Refused):
        return unanswered("Feishu", failure)
    if failure.to_the_app:
        stopped = is_for_a_person(failure)
        return Receipt("retry", why=why, retry_after_s=failure.retry_after_s, account="stopped" if stopped else "away")
    if is_too_many(failure):
        return Receipt("retry", why=why, retry_after_s=PAUSE_S if failure.retry_after_s is None else failure.retry_after_s)
    if failure.code in _APP:
        return Receipt("retry", why=why, account="stopped")
    if failure.code in _BUSY or failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Receipt("unknown", why=why)
    if failure.code in TOKENS_REFUSED or (not failure.code and failure.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return Receipt("retry", why=why, account="away")
    if failure.code in _CHAT_IS_SHUT:
        return Receipt("blocked", why=why)
    if edit and is_gone(failure):
        return Receipt("gone", why=why)
    return Receipt("refused", why=why)
