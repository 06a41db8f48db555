"""A configuration that never changes, for a gateway that nobody starts again."""

from __future__ import annotations

from pathlib import Path


class Steady:
    """See `runtime.gateway.Reloads`."""

    file = Path("config.toml")
    refused = ""
    read_at = 0.0

    async def compared(self) -> tuple[str, ...]:
        return ()

    async def differences(self) -> tuple[str, ...]:
        return ()

    def start_again(self) -> None:
        """Nobody does."""
