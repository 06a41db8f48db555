from __future__ import annotations

import pytest

from holdfast.platforms.webhook.receipts import receipt


@pytest.mark.parametrize(
    ("status", "refusal", "account"),
    [
        (200, "", ""),
        (204, "", ""),
        (301, "retry", "away"),
        (400, "refused", ""),
        (401, "retry", "away"),
        (403, "blocked", ""),
        (404, "retry", "away"),
        (405, "retry", "away"),
        (408, "unknown", ""),
        (410, "retry", "stopped"),
        (413, "refused", ""),
        (422, "refused", ""),
        (425, "unknown", ""),
        (429, "retry", ""),
        (500, "unknown", ""),
        (503, "unknown", ""),
    ],
)
def test_every_answer_has_a_meaning(status: int, refusal: str, account: str) -> None:
    """LEDGER H-15, H-16, I 4."""
    found = receipt(status, {}, "key")
    assert (found.refusal, found.account) == (refusal, account)
    assert found.id == ("" if refusal else "key")
    assert (str(status) in found.why) == bool(refusal)


def test_the_time_that_it_names_is_passed_on_if_it_is_one() -> None:
    assert receipt(429, {"retry-after": "7"}, "").retry_after_s == 7.0
    assert receipt(429, {"retry-after": "Sat, 21 Nov 2026 07:28:00 GMT"}, "").retry_after_s is None
