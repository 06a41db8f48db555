"""What opens and what does not, beside an implementation of WeChat's encryption that we did not write (wechatpy), and the example of its documentation."""

from __future__ import annotations

import base64

import pytest
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped]  # it has no types
from wechatpy.enterprise.crypto import WeChatCrypto as WecomCrypto  # type: ignore[import-untyped]  # as above

from holdfast.errors import Config
from holdfast.platforms.tencent.calls import Forged, Seal, check, fields, signature
from holdfast.testing.tencent_server import AES_KEY, RECEIVER, TOKEN, _seal, _sha1

XML = "<xml><Content><![CDATA[Grüße, 世界 🌍]]></Content><MsgId>1</MsgId></xml>"


@pytest.fixture
def seal() -> Seal:
    return Seal(TOKEN, AES_KEY, RECEIVER)


@pytest.mark.parametrize("crypto", [WeChatCrypto, WecomCrypto])
@pytest.mark.parametrize("text", ["<xml></xml>", XML, "x" * 5000, "y" * 12])
def test_what_others_seal_opens(seal: Seal, crypto: type, text: str) -> None:
    envelope = fields(crypto(TOKEN, AES_KEY, RECEIVER).encrypt_message(text, "nonce", "1409659813").encode())
    assert seal.opened(envelope["MsgSignature"], "1409659813", "nonce", envelope["Encrypt"]).decode() == text


def test_what_the_server_of_our_tests_seals_is_opened_by_others() -> None:
    sealed = _seal(XML.encode())
    given = _sha1(TOKEN, "1409659813", "nonce", sealed)
    opened = WecomCrypto(TOKEN, AES_KEY, RECEIVER).decrypt_message({"Encrypt": sealed}, given, "1409659813", "nonce")
    assert opened == XML


def test_the_example_of_the_documentation_opens() -> None:
    """developer.work.weixin.qq.com/document/path/90968"""
    echo = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
    seal = Seal("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
    assert seal.opened("5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3", "1409659589", "263014780", echo) == b"1616140317555161061"


@pytest.mark.parametrize("changed", ["signature", "at", "nonce", "sealed", "key", "receiver", "token"])
def test_what_was_changed_or_is_for_others_does_not_open(seal: Seal, changed: str) -> None:
    key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" if changed == "key" else AES_KEY
    other = WecomCrypto("x" if changed == "token" else TOKEN, key, "ww2" if changed == "receiver" else RECEIVER)
    envelope = fields(other.encrypt_message(XML, "nonce", "1409659813").encode())
    given = {"signature": envelope["MsgSignature"], "at": "1409659813", "nonce": "nonce", "sealed": envelope["Encrypt"]}
    if changed in given:
        given[changed] = given[changed][:-4] + "AAA="
    with pytest.raises(Forged):
        seal.opened(given["signature"], given["at"], given["nonce"], given["sealed"])


@pytest.mark.parametrize(
    "sealed", ["", "é", "====", "QUJD", base64.b64encode(bytes(16)).decode(), base64.b64encode(bytes(range(64))).decode()]
)
def test_what_is_signed_and_yet_no_seal_does_not_open(seal: Seal, sealed: str) -> None:
    with pytest.raises(Forged):
        seal.opened(signature(TOKEN, "1", "n", sealed), "1", "n", sealed)


def test_a_signature_is_the_hash_of_its_sorted_parts() -> None:
    assert signature("c", "a", "b") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    check("a9993e364706816aba3e25717850c26c9cd0d89d", "b", "c", "a")
    for given in ("", "é", "a9993e364706816aba3e25717850c26c9cd0d89e"):
        with pytest.raises(Forged):
            check(given, "a", "b", "c")


@pytest.mark.parametrize("key", ["", "short", AES_KEY + "=", AES_KEY[:-1] + "!"])
def test_a_key_that_is_none_is_said_at_once(key: str) -> None:
    with pytest.raises(Config, match="43 letters and digits"):
        Seal(TOKEN, key, RECEIVER)


def test_fields_are_the_texts_of_elements() -> None:
    assert fields(b"<xml><A><![CDATA[<b> & ]]></A><B>1</B><C/><D><E>x</E></D></xml>") == {"A": "<b> & ", "B": "1", "C": "", "D": ""}
    assert fields(b"<xml><A><![CDATA[<!DOCTYPE x>]]></A></xml>") == {"A": "<!DOCTYPE x>"}


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"no",
        b"<xml>",
        b"\xff",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><xml><A>&b;</A></xml>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><A>&a;</A></xml>',
        b"<xml><A>&undeclared;</A></xml>",
    ],
)
def test_what_is_no_message_or_declares_something_is_refused(xml: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        fields(xml)
