from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from holdfast.testing.model_rig import Open, Route, route_to


@pytest.fixture
async def to() -> AsyncIterator[Open]:
    """`await to(script)`: a route to a stub with this script. Closed after the test."""
    async with AsyncExitStack() as stack:

        async def opened(*args: Any, **options: Any) -> Route:
            return await stack.enter_async_context(route_to(*args, **options))

        yield opened
