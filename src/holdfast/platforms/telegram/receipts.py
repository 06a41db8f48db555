"""What became of a send, by what Telegram said to it. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from holdfast.platforms.asking import Failure, unanswered
from holdfast.platforms.telegram.api import Refused
from holdfast.ports import Receipt

_CHAT_IS_SHUT: Final = (
    "chat not found",
    "chat was deactivated",
    "chat_restricted",
    "chat_write_forbidden",
    "have no rights to send",
    "need administrator rights",
    "not enough rights to send",
    "peer_id_invalid",
    "topic_closed",
    "user is deactivated",
)
"""Descriptions of errors that concern no message: they would befall any. (Telegram says most of them with 403.)"""


def receipt(failure: Failure, edit: str = "") -> Receipt:
    """`edit`: the message of ours that was to get another text."""
    why = f"Telegram: {failure}"
    if not isinstance(failure, Refused):
        return unanswered("Telegram", failure)
    match failure.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND:
            return Receipt("retry", why=why, account="stopped")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Receipt("retry", why=why, retry_after_s=failure.retry_after_s)
        case HTTPStatus.FORBIDDEN:
            return Receipt("blocked", why=why)
        case HTTPStatus.BAD_REQUEST if edit and failure.says("message is not modified"):
            return Receipt(id=edit)
        case HTTPStatus.BAD_REQUEST if edit and failure.says("message to edit not found", "message can't be edited", "message_id_invalid"):
            return Receipt("gone", why=why)
        case HTTPStatus.BAD_REQUEST if failure.says(*_CHAT_IS_SHUT):
            return Receipt("blocked", why=why)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Receipt("unknown", why=why)
        case _:
            return Receipt("refused", why=why)
