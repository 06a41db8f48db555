"""Is there a newer version? Looked up once a day where the configuration says, and told to the owner once for each; nothing is changed by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from holdfast.core import words
from holdfast.errors import Temporary
from holdfast.ports import Clock
from holdfast.runtime.owner import Owner

EVERY_S: Final = 86_400.0
RETRY_S: Final = 21_600.0
BYTES_MAX: Final = 64_000
WITHIN_S: Final = 20.0
RELEASED: Final = re.compile(r"\d{1,9}(\.\d{1,9}){0,5}")
"""What a version looks like that is meant for everybody."""


class Newest(msgspec.Struct, frozen=True):
    """What stands there."""

    version: str


class Updates:
    """`version` is this program's own."""

    def __init__(self, url: str, version: Callable[[], str], told: Owner, clock: Clock) -> None:
        self._url, self._version, self._told, self._clock = url, version, told, clock

    async def run(self, ready: Callable[[], None]) -> None:
        """Until cancelled. Raises `Temporary` if nobody can tell."""
        while True:
            newest, ours = await self._newest(), self._version()
            if is_newer(newest, ours):
                await self._told.tell(f"update {newest}", words.update(newest, ours))
            ready()
            await self._clock.sleep(EVERY_S)

    async def _newest(self) -> str:
        from holdfast.environment import Unusable, fetched  # noqa: PLC0415 - it brings the HTTP library into every start

        try:
            return msgspec.json.decode(await fetched(self._url, BYTES_MAX, WITHIN_S), type=Newest).version
        except Unusable as failure:
            raise Temporary(f"[updates] url: {failure}.", RETRY_S) from failure
        except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
            raise Temporary(f'[updates] url: {self._url} does not say {{"version": "1.2.3"}}.', RETRY_S) from failure


def is_newer(version: str, ours: str) -> bool:
    """Is this one for everybody, and after ours? (1.2 is after 1.2rc1, and the same as 1.2.0.)"""
    if not RELEASED.fullmatch(version):
        return False
    there, here = _numbers(version), _numbers(ours)
    return there > here or (there == here and not RELEASED.fullmatch(ours))


def _numbers(version: str) -> tuple[int, ...]:
    found = RELEASED.match(version)
    numbers = [int(number) for number in found[0].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
