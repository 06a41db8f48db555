from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What is left to the collector is found in the test that left it."""
    yield
    gc.collect()
