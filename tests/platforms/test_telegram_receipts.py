"""LEDGER H-15, H-16, I 4: what is certain, what is not, and what will never be, are told apart by what Telegram said, never by a guess."""

from __future__ import annotations

import pytest

from holdfast.platforms.asking import Failure, NotSent, Unanswered
from holdfast.platforms.telegram.api import Refused
from holdfast.platforms.telegram.receipts import receipt


@pytest.mark.parametrize(
    ("failure", "refusal", "account"),
    [
        (NotSent("no such host"), "retry", "away"),
        (Unanswered("it said nothing for 30 s"), "unknown", ""),
        (Refused(500, "Internal Server Error"), "unknown", ""),
        (Refused(502, "Bad Gateway"), "unknown", ""),
        (Refused(401, "Unauthorized"), "retry", "stopped"),
        (Refused(404, "Not Found"), "retry", "stopped"),
        (Refused(429, "retry after 9", 9.0), "retry", ""),
        (Refused(403, "bot was blocked by the user"), "blocked", ""),
        (Refused(403, "bot was kicked from the supergroup chat"), "blocked", ""),
        (Refused(403, "user is deactivated"), "blocked", ""),
        (Refused(400, "chat not found"), "blocked", ""),
        (Refused(400, "not enough rights to send text messages to the chat"), "blocked", ""),
        (Refused(400, "message is too long"), "refused", ""),
        (Refused(413, "the file is too large"), "refused", ""),
    ],
)
def test_every_answer_has_a_meaning(failure: Failure, refusal: str, account: str) -> None:
    found = receipt(failure)
    assert (found.refusal, found.account) == (refusal, account)
    assert str(failure) in found.why


def test_the_time_that_telegram_names_is_passed_on() -> None:
    assert receipt(Refused(429, "retry after 9", 9.0)).retry_after_s == 9.0


def test_an_edit_that_changes_nothing_has_succeeded() -> None:
    unchanged = Refused(400, "message is not modified: specified new message content ...")
    assert receipt(unchanged, edit="12").id == "12"
    assert receipt(unchanged).refusal == "refused"


def test_a_message_that_can_be_edited_no_more_is_gone() -> None:
    for said in ("message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID"):
        assert receipt(Refused(400, said), edit="12").refusal == "gone"
