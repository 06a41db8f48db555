"""Errors that are dressed as the assistant's words: status 200, a whole answer, and what it says is that something is wrong."""

from __future__ import annotations

import re
from typing import Final

MANIFEST: Final = re.compile(r"^\s*\[\s*\U0001f99a\s*Manifest (M\d{3})\s*\]")
"""`[🦚 Manifest M003] No provider is connected.`"""


def is_error(text: str) -> bool:
    """Is this answer an error of what stands between us and the model? (Not one that talks about such errors.)"""
    return MANIFEST.match(text) is not None
