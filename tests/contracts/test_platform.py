from __future__ import annotations

import pytest

from holdfast.testing.contracts.platform import PlatformContract
from holdfast.testing.memory_files import MemoryFiles
from holdfast.web.platform import WebPlatform


class TestWebPlatform(PlatformContract):
    @pytest.fixture
    def platform(self) -> WebPlatform:
        return WebPlatform(MemoryFiles())
