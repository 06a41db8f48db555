"""The queries of `queries.sql`, by name."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping
from typing import Final


def text_of(name: str) -> str:
    """A file of this package. (Not `importlib.resources`: importing it takes 17 ms of the start.)"""
    data = pkgutil.get_data(__package__, name)
    assert data is not None, f"the package was installed without {name}"
    return data.decode()


def parse(text: str) -> Mapping[str, str]:
    """Each query under its name, without its comments."""
    head, *rest = re.split(r"^-- (\w+) --$", text, flags=re.MULTILINE)
    assert not re.sub(r"--.*", "", head).strip(), "a query without a name"
    return {name: re.sub(r"^--.*\n", "", body.strip(), flags=re.MULTILINE) for name, body in zip(rest[::2], rest[1::2], strict=True)}


SQL: Final = parse(text_of("queries.sql"))
