from __future__ import annotations

import re
from pathlib import Path

import pytest

import holdfast.store
from holdfast.store.queries import SQL, parse, text_of

FOLDER = Path(holdfast.store.__file__).parent


def test_every_query_has_a_line_of_purpose() -> None:
    sections = re.findall(r"^-- \w+ --\n(.*)$", text_of("queries.sql"), flags=re.MULTILINE)
    assert len(sections) == len(SQL)
    assert all(re.fullmatch(r"-- [A-Z].*\.", line) for line in sections)


def test_every_query_is_used() -> None:
    code = "".join(file.read_text() for file in FOLDER.glob("*.py"))
    used = {name for name in SQL if f'"{name}"' in code}
    assert SQL.keys() - used == {"next_turn_gate", "next_speech_gate", "at_turn_gate", "at_speech_gate"}  # named by lane


def test_a_query_without_a_name_is_an_error() -> None:
    with pytest.raises(AssertionError, match="without a name"):
        parse("SELECT 1;\n-- one --\n-- One.\nSELECT 1;")
