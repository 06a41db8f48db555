from __future__ import annotations

import pytest

from holdfast.platforms.asking import Failure, NotSent, Unanswered
from holdfast.platforms.slack.api import Refused
from holdfast.platforms.slack.receipts import STOPPED, receipt
from holdfast.ports import Receipt

MEANS = {
    "channel_not_found": ("blocked", ""),
    "is_archived": ("blocked", ""),
    "not_in_channel": ("blocked", ""),
    "restricted_action_read_only_channel": ("blocked", ""),
    "msg_too_long": ("refused", ""),
    "no_text": ("refused", ""),
    "something_new": ("refused", ""),
    "ratelimited": ("retry", ""),
    **dict.fromkeys(sorted(STOPPED), ("retry", "stopped")),
}


@pytest.mark.parametrize("code", MEANS)
def test_every_refusal_says_what_becomes_of_the_part(code: str) -> None:
    """LEDGER H-16: a code for each class; no wording is read."""
    said = receipt(Refused(code))
    assert (said.refusal, said.account) == MEANS[code]
    assert code in said.why


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (NotSent("connection refused"), ("retry", "away")),
        (Unanswered("it said nothing for 30 s"), ("unknown", "")),
    ],
)
def test_only_what_never_got_there_is_certainly_not_sent(failure: Failure, expected: tuple[str, str]) -> None:
    said = receipt(failure)
    assert (said.refusal, said.account) == expected


def test_a_limit_says_for_how_long() -> None:
    assert receipt(Refused("ratelimited", retry_after_s=7)) == Receipt("retry", why="Slack: ratelimited", retry_after_s=7)


def test_a_message_that_can_not_be_edited_any_more_is_gone_and_a_new_one_has_none() -> None:
    for code in ("message_not_found", "cant_update_message", "edit_window_closed"):
        assert receipt(Refused(code), edit="1.1").refusal == "gone"
        assert receipt(Refused(code)).refusal == "refused"
