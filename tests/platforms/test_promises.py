from __future__ import annotations

from pathlib import Path

from holdfast.accounts import KINDS
from holdfast.platforms.promises import NAMES, table

DOCS = Path(__file__).parents[2] / "docs"


def test_what_is_promised_in_the_docs_is_what_the_adapters_say() -> None:
    assert table() in (DOCS / "promises.md").read_text(), "python -m holdfast.platforms.promises"


def test_every_kind_is_in_the_table_and_has_a_page() -> None:
    assert set(NAMES) == set(KINDS)
    for kind in KINDS:
        assert (DOCS / f"platforms/{kind}.md").exists(), kind
