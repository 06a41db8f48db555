"""Secrets: where they come from is tested with the configuration; here, that what leaves the program shows none."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import Config
from holdfast.secrets import MASK, Secret, expanded, mask


def test_every_known_value_is_masked_wherever_it_stands() -> None:
    assert mask("Bearer sk-1234, sk-1234!", ["sk-1234"]) == f"Bearer {MASK}, {MASK}!"


def test_a_value_that_contains_another_is_masked_whole() -> None:
    assert mask("abcd-efgh abcd", ["abcd", "abcd-efgh"]) == f"{MASK} {MASK}"


def test_a_value_too_short_to_be_a_secret_leaves_the_text_readable() -> None:
    assert mask("an apple", ["a", ""]) == "an apple"


def test_a_secret_has_no_value_before_it_is_resolved() -> None:
    with pytest.raises(AssertionError, match="env:A has not been resolved"):
        _ = Secret("env:A").value


def test_secrets_are_equal_if_reference_and_value_are() -> None:
    assert Secret("env:A", "1") == Secret("env:A", "1")
    assert Secret("env:A", "1") != Secret("env:A", "2")
    assert len({Secret("env:A", "1"), Secret("env:A", "1"), Secret("env:B", "1")}) == 2


def test_a_path_begins_in_the_home_folder_or_in_that_of_the_file() -> None:
    environ = {"HOME": "/home/me"}
    assert expanded("~/a", Path("/etc"), environ) == Path("/home/me/a")
    assert expanded("~", Path("/etc"), environ) == Path("/home/me")
    assert expanded("a/b", Path("/etc"), environ) == Path("/etc/a/b")
    assert expanded("/a", Path("/etc"), environ) == Path("/a")
    with pytest.raises(Config, match="HOME is not set"):
        expanded("~/a", Path("/etc"), {})
