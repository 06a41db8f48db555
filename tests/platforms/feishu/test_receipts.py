"""LEDGER H-16, I 4: what is certain, what is not, and what will never be, are told apart by Feishu's codes, never by a guess."""

from __future__ import annotations

import pytest

from holdfast.platforms.asking import Failure, NotSent, Unanswered
from holdfast.platforms.feishu.api import Refused
from holdfast.platforms.feishu.receipts import is_for_a_person, receipt


@pytest.mark.parametrize(
    ("failure", "refusal", "account"),
    [
        (NotSent("no such host"), "retry", "away"),
        (Unanswered("it said nothing for 20 s"), "unknown", ""),
        (Refused(502, 0, ""), "unknown", ""),
        (Refused(400, 230049, "The message is being sent."), "unknown", ""),
        (Refused(200, 10014, "app secret invalid", to_the_app=True), "retry", "stopped"),
        (Refused(200, 10003, "invalid param", to_the_app=True), "retry", "stopped"),
        (Refused(502, 0, "", to_the_app=True), "retry", "away"),
        (Refused(400, 99991672, "Access denied. One of the following scopes is required"), "retry", "stopped"),
        (Refused(400, 99991662, "app not in use"), "retry", "stopped"),
        (Refused(400, 230006, "Bot ability is not activated."), "retry", "stopped"),
        (Refused(429, 99991400, "request trigger frequency limit"), "retry", ""),
        (Refused(200, 11232, "create message trigger system rate limit"), "retry", ""),
        (Refused(400, 230020, "This operation triggers the frequency limit."), "retry", ""),
        (Refused(400, 230002, "Bot/User can NOT be out of the chat."), "blocked", ""),
        (Refused(400, 230013, "Bot has NO availability to this user."), "blocked", ""),
        (Refused(400, 230018, "These operations are NOT allowed at current group settings."), "blocked", ""),
        (Refused(400, 232009, "the chat has been dissolved"), "blocked", ""),
        (Refused(400, 230001, "invalid request parameter"), "refused", ""),
        (Refused(400, 230099, "Failed to create card content"), "refused", ""),
        (Refused(413, 0, "too large"), "refused", ""),
        (Refused(403, 0, "log in to this network"), "retry", "away"),
        (Refused(400, 99991663, "a new token, and it is not taken"), "retry", "away"),
    ],
)
def test_every_answer_has_a_meaning(failure: Failure, refusal: str, account: str) -> None:
    found = receipt(failure)
    assert (found.refusal, found.account) == (refusal, account)
    assert str(failure) in found.why


def test_the_time_that_feishu_names_is_passed_on_else_a_second() -> None:
    assert receipt(Refused(429, 99991400, "", 9.0)).retry_after_s == 9.0
    assert receipt(Refused(400, 230020, "")).retry_after_s == 1.0


@pytest.mark.parametrize("code", [230011, 230031, 230054, 230110])
def test_a_message_that_can_be_changed_no_more_is_gone(code: int) -> None:
    assert receipt(Refused(400, code, "gone"), edit="om_1").refusal == "gone"
    assert receipt(Refused(400, code, "gone")).refusal == "refused"


def test_one_right_that_is_missing_does_not_stop_what_can_do_without() -> None:
    assert not is_for_a_person(Refused(400, 99991672, "Access denied"))
    assert is_for_a_person(Refused(400, 99991662, "app not in use"))
