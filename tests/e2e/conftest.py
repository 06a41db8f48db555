from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.gateway_rig import Parts, parts_in, unavailable


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """Gateways as real processes, and what they need around them."""
    async with parts_in(tmp_path) as parts:
        yield parts


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Parts]:
    """The same, where llama.cpp and mcp-server-time are installed."""
    if (why := unavailable()) and os.environ.get("HOLDFAST_TEST_ALL") != "1":
        pytest.skip(why)
    async with parts_in(tmp_path) as parts:
        yield parts
