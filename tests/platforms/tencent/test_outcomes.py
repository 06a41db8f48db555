"""LEDGER H-15, H-16, I 4: what is certain, what is not, what a person has to mend and what will never be, are told apart by codes."""

from __future__ import annotations

import pytest

from holdfast.errors import Config, Temporary
from holdfast.platforms.asking import Failure, NotSent, Unanswered
from holdfast.platforms.official.account import CODES as OFFICIAL
from holdfast.platforms.tencent.api import Refused
from holdfast.platforms.tencent.outcomes import Codes, receipt, refuses, trouble
from holdfast.platforms.wecom.account import CODES as WECOM


@pytest.mark.parametrize("codes", [WECOM, OFFICIAL])
@pytest.mark.parametrize(
    ("failure", "refusal", "account"),
    [
        (NotSent("no such host"), "retry", "away"),
        (Unanswered("it said nothing for 30 s"), "unknown", ""),
        (Refused(-1, "system busy"), "unknown", ""),
        (Refused(40014, "invalid access_token"), "retry", "away"),
        (Refused(42001, "access_token expired"), "retry", "away"),
        (Refused(40001, "invalid credential"), "retry", "stopped"),
        (Refused(40013, "invalid appid"), "retry", "stopped"),
        (Refused(45009, "api freq out of limit"), "retry", ""),
        (Refused(45002, "content size out of limit"), "refused", ""),
        (Refused(40007, "invalid media_id"), "refused", ""),
        (Refused(99999, "something new"), "refused", ""),
    ],
)
def test_what_both_say_has_a_meaning(codes: Codes, failure: Failure | Refused, refusal: str, account: str) -> None:
    found = receipt(failure, codes)
    assert (found.refusal, found.account) == (refusal, account)
    assert str(failure) in found.why


@pytest.mark.parametrize(
    ("codes", "code", "refusal", "account"),
    [
        (WECOM, 60020, "retry", "stopped"),
        (WECOM, 48002, "retry", "stopped"),
        (WECOM, 301002, "retry", "stopped"),
        (WECOM, 40056, "retry", "stopped"),
        (WECOM, 45033, "retry", ""),
        (WECOM, 81013, "blocked", ""),
        (WECOM, 60111, "blocked", ""),
        (OFFICIAL, 40125, "retry", "stopped"),
        (OFFICIAL, 40164, "retry", "stopped"),
        (OFFICIAL, 48001, "retry", "stopped"),
        (OFFICIAL, 45011, "retry", ""),
        (OFFICIAL, 45015, "blocked", ""),
        (OFFICIAL, 45047, "blocked", ""),
        (OFFICIAL, 43004, "blocked", ""),
        (OFFICIAL, 43019, "blocked", ""),
    ],
)
def test_what_one_says_has_a_meaning(codes: Codes, code: int, refusal: str, account: str) -> None:
    found = receipt(Refused(code, "no"), codes)
    assert (found.refusal, found.account) == (refusal, account)
    assert (found.retry_after_s is not None) == (code in codes.limits)
    assert str(code) in found.why


def test_what_a_person_has_to_mend_is_said_with_how() -> None:
    found = trouble(Refused(60020, "not allow to access from your ip"), WECOM)
    assert isinstance(found, Config)
    assert str(found).startswith(
        "WeCom says: not allow to access from your ip (60020). Put the address of this machine on the list of trusted IPs"
    )
    assert isinstance(trouble(NotSent("no such host"), WECOM), Temporary)
    limited = trouble(Refused(45009, "too many"), OFFICIAL)
    assert isinstance(limited, Temporary)
    assert limited.retry_after_s == 3600.0


def test_only_what_time_and_people_can_not_change_is_refused_for_ever() -> None:
    assert refuses(Refused(40007, "invalid media_id"), WECOM)
    for failure in (NotSent(""), Unanswered(""), Refused(-1, ""), Refused(40001, ""), Refused(42001, ""), Refused(45009, "")):
        assert not refuses(failure, WECOM)
