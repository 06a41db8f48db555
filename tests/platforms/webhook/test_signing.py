"""Nobody without the secret can say anything, and whoever records a request can say nothing new with it."""

from __future__ import annotations

import subprocess

import pytest

from holdfast.platforms.webhook.signing import WINDOW_S, Unsigned, headers, name_of, signature

SECRET = "sesame"
NOW = 1_750_000_000.0
BODY = b'{"chat": "alerts", "text": "Hello"}'


def test_a_signature_is_what_openssl_makes_of_it() -> None:
    command = ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-binary"]
    digest = subprocess.run(command, input=b"key.1750000000." + BODY, capture_output=True, check=True).stdout
    encoded = subprocess.run(["openssl", "base64"], input=digest, capture_output=True, check=True).stdout.decode().strip()
    assert signature(SECRET, "key", "1750000000", BODY) == f"v1,{encoded}"


def test_a_signed_request_is_known_by_its_key() -> None:
    assert name_of(SECRET, headers(SECRET, "my-key", NOW, BODY), BODY, NOW) == "my-key"


def test_the_key_may_be_called_idempotency_key() -> None:
    given = headers(SECRET, "my-key", NOW, BODY)
    given["idempotency-key"] = given.pop("webhook-id")
    assert name_of(SECRET, given, BODY, NOW) == "my-key"


def test_without_a_key_the_same_request_is_the_same_and_every_other_is_another() -> None:
    def name(now: float, body: bytes) -> str:
        return name_of(SECRET, headers(SECRET, "", now, body), body, now)

    assert name(NOW, BODY) == name(NOW, BODY)
    assert len({name(NOW, BODY), name(NOW + 1, BODY), name(NOW, BODY + b" ")}) == 3


def test_one_of_several_signatures_is_enough() -> None:
    """While secrets are changed."""
    given = headers(SECRET, "my-key", NOW, BODY)
    given["webhook-signature"] = "v1,b2xk v2,other " + given["webhook-signature"]
    assert name_of(SECRET, given, BODY, NOW) == "my-key"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"webhook-id": "another"}, "webhook-signature is not"),
        ({"webhook-timestamp": str(int(NOW) + 1)}, "webhook-signature is not"),
        ({"webhook-signature": ""}, "webhook-signature is not"),
        ({"webhook-signature": "v1,é"}, "webhook-signature is not"),
        ({"webhook-timestamp": ""}, "webhook-timestamp is missing"),
        ({"webhook-timestamp": "soon"}, "webhook-timestamp is missing"),
        ({"webhook-timestamp": "²³"}, "webhook-timestamp is missing"),
        ({"webhook-id": "with a space"}, "takes at most 128"),
        ({"webhook-id": "x" * 129}, "takes at most 128"),
    ],
)
def test_what_was_changed_on_the_way_is_refused(change: dict[str, str], says: str) -> None:
    with pytest.raises(Unsigned, match=says):
        name_of(SECRET, headers(SECRET, "my-key", NOW, BODY) | change, BODY, NOW)


def test_another_body_or_another_secret_is_refused() -> None:
    for secret, body in ((SECRET, BODY + b" "), ("other", BODY)):
        with pytest.raises(Unsigned, match="signature"):
            name_of(secret, headers(SECRET, "my-key", NOW, BODY), body, NOW)


@pytest.mark.parametrize("away", [-WINDOW_S - 1, WINDOW_S + 1])
def test_what_was_signed_long_ago_or_in_the_future_is_refused_and_told_our_time(away: float) -> None:
    with pytest.raises(Unsigned, match=rf"301 s away from the time here, {NOW:.0f}"):
        name_of(SECRET, headers(SECRET, "my-key", NOW + away, BODY), BODY, NOW)
