"""A configuration that never changes, for a gateway that nobody starts again."""

from __future__ import annotations


class Steady:
    """See `runtime.gateway.Reloads`."""

    refused = ""

    async def differences(self) -> tuple[str, ...]:
        return ()

    def start_again(self) -> None:
        """Nobody does."""
