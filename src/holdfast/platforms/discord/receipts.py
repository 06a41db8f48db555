"""What became of a send, by what Discord answered. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from holdfast.platforms.asking import Failure, unanswered
from holdfast.platforms.discord.api import Refused
from holdfast.ports import Receipt

UNKNOWN_MESSAGE: Final = 10008
NOT_OURS: Final = 50005
"""The message to be edited is another one's."""

_CHAT_IS_SHUT: Final = frozenset(
    {
        10003,  # unknown channel
        10004,  # unknown server
        50001,  # we may not see it
        50007,  # this person takes nothing from us
        50013,  # we may not write there
        50083,  # the thread is archived
        50278,  # there is no server that we share with this person
        160005,  # the thread is locked
    }
)
"""Discord's codes of errors that concern no message: they would befall any."""


def receipt(failure: Failure, edit: str = "") -> Receipt:
    """`edit`: the message of ours that was to get another text."""
    why = f"Discord: {failure}"
    if not isinstance(failure, Refused):
        return unanswered("Discord", failure)
    match failure.status:
        case HTTPStatus.UNAUTHORIZED:
            return Receipt("retry", why=why, account="stopped")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Receipt("retry", why=why, retry_after_s=failure.retry_after_s, account="away" if failure.everywhere else "")
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            return Receipt("unknown", why=why)
        case _ if edit and failure.code in {UNKNOWN_MESSAGE, NOT_OURS}:
            return Receipt("gone", why=why)
        case _ if failure.code in _CHAT_IS_SHUT:
            return Receipt("blocked", why=why)
        case HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND if not failure.code:
            return Receipt("retry", why=why, account="away")  # that was not said by Discord's API
        case _:
            return Receipt("refused", why=why)
