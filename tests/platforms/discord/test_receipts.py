"""LEDGER H-15, H-16, I 4: what is certain, what is not, and what will never be, are told apart by Discord's numbers, never by its words."""

from __future__ import annotations

import pytest

from holdfast.platforms.asking import Failure, NotSent, Unanswered
from holdfast.platforms.discord.api import Refused
from holdfast.platforms.discord.receipts import receipt


@pytest.mark.parametrize(
    ("failure", "refusal", "account"),
    [
        (NotSent("refused"), "retry", "away"),
        (Unanswered("reset"), "unknown", ""),
        (Refused(401, 0, "401: Unauthorized"), "retry", "stopped"),
        (Refused(429, 0, "You are being rate limited.", 3.0), "retry", ""),
        (Refused(429, 0, "You are being rate limited.", 3.0, everywhere=True), "retry", "away"),
        (Refused(500, 0, "Internal Server Error"), "unknown", ""),
        (Refused(403, 50007, "Cannot send messages to this user"), "blocked", ""),
        (Refused(404, 10003, "Unknown Channel"), "blocked", ""),
        (Refused(403, 0, "a proxy's page"), "retry", "away"),
        (Refused(404, 0, "a proxy's page"), "retry", "away"),
        (Refused(400, 50035, "Invalid Form Body"), "refused", ""),
        (Refused(400, 50035, "You are being rate limited"), "refused", ""),
        (Refused(413, 40005, "Request entity too large"), "refused", ""),
    ],
)
def test_a_send(failure: Failure, refusal: str, account: str) -> None:
    said = receipt(failure)
    assert (said.refusal, said.account) == (refusal, account)
    assert said.retry_after_s == (3.0 if isinstance(failure, Refused) and failure.status == 429 else None)


@pytest.mark.parametrize("code", [10008, 50005])
def test_an_edit_of_what_is_not_there(code: int) -> None:
    assert receipt(Refused(404, code, "no"), edit="1").refusal == "gone"
    assert receipt(Refused(404, code, "no")).refusal == "refused"
