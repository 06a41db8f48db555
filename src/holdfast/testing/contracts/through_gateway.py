"""What the gateway promises on every chat system: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point.

A suite gives `service`, which runs; the rest is the same for all, and goes by what the platform promises (`ports.Traits`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, Protocol

import pytest

from holdfast.core.words import SENT_AGAIN
from holdfast.models.practice_words import INTRODUCTION
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.process import GatewayProcess

LONG: Final = os.environ.get("HOLDFAST_LONG") == "1"
POINTS: Final = (
    "ingest.before_commit",
    "ingest.after_commit",
    "acknowledge",
    "deliver.before_send",
    "deliver.after_send",
    "append.after_commit",
)
FEW_POINTS: Final = ("acknowledge", "deliver.after_send")
"""Where a platform may make a difference."""
PASSINGS: Final = range(1, 6) if LONG else (1,)
BURST: Final = 200 if LONG else 30
AWAY_S_MIN: Final = 60.0
"""A platform that keeps what is written for less than this keeps nothing for whoever is down."""
WITHIN_S: Final = 60.0


class Service(Protocol):
    """A chat system that runs, with an account of ours, and one person's direct chat with it."""

    chat: Chat
    traits: Traits
    table: str
    """The account's table, without its access: '[platforms.telegram.mybot]\ntoken = "env:TOKEN"\n'."""
    environ: Mapping[str, str]
    """Where the table's secrets are."""

    async def come_back(self) -> None:
        """After `chat.leave`."""

    async def listens(self, gateway: GatewayProcess) -> None:
        """Return when what is written now reaches the gateway, at once or later: where the platform calls us, it is told where."""


class ThroughGateway:
    points: ClassVar[Sequence[str]] = POINTS if LONG else FEW_POINTS
    """Where it is killed."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "point" in metafunc.fixturenames:
            metafunc.parametrize("point", self.points)

    @pytest.fixture
    def service(self) -> Service:
        raise NotImplementedError

    @pytest.fixture
    async def gateway(self, tmp_path: Path, service: Service) -> AsyncIterator[GatewayProcess]:
        """Not started yet."""
        process = GatewayProcess(tmp_path / "gateway", f'{service.table}allow = ["*"]\n[routes.main]\ndialect = "practice"\n')
        yield process
        await process.end()

    async def test_what_was_written_while_both_were_killed_is_answered_once_and_in_order(
        self, service: Service, gateway: GatewayProcess
    ) -> None:
        """LEDGER H-01, H-02, H-10, H-14, I 1, I 2."""
        if service.traits.missed_s < AWAY_S_MIN:
            return  # it promises nothing
        await _start(gateway, service)
        await service.chat.write("/title first")
        await _said(gateway, service, "first")
        gateway.kill()
        await gateway.ended()
        names = [f"name{number}" for number in range(6)]
        for name in names:
            await service.chat.write(f"/title {name}")
        await service.chat.leave()
        await gateway.start(environ=service.environ)
        await service.come_back()
        await service.listens(gateway)
        await _said(gateway, service, "first", *names)

    @pytest.mark.parametrize("passing", PASSINGS)
    async def test_a_kill_at_any_point_loses_nothing_and_repeats_at_most_one_part_marked(
        self, service: Service, gateway: GatewayProcess, point: str, passing: int
    ) -> None:
        """LEDGER H-05, H-11, H-15, I 4, I 6, I 8: windows W1, W2, W6 and W7. Where the platform knows our keys, or lets us look, nothing is repeated."""
        await _start(gateway, service, f"{point}:{passing}")
        await service.chat.write("/title alpha")
        await service.chat.write("/title beta")
        try:
            assert await gateway.ended() == -signal.SIGKILL, gateway.said()
        except TimeoutError:
            assert passing > 1, "it is passed at least once"
            gateway.kill()
            await gateway.ended()
        await _start(gateway, service)
        await service.chat.write("/title gamma")
        await _until_said(gateway, service, "gamma")
        said = [text for text in await service.chat.shown() if "now called" in text]
        marked = [text for text in said if text.startswith(SENT_AGAIN)]
        plain = [text for text in said if not text.startswith(SENT_AGAIN)]
        assert len(marked) <= (0 if service.traits.key_holds_s or service.traits.history else 1)
        order = [next(name for name in ("alpha", "beta", "gamma") if name in text) for text in said]
        assert sorted(order) == order
        assert set(order) == {"alpha", "beta", "gamma"}
        assert len(plain) == len(set(plain))

    async def test_an_answer_that_was_cut_short_by_a_kill_is_said_once(self, service: Service, gateway: GatewayProcess) -> None:
        """LEDGER H-11, H-12, I 5: where answers grow, in its place."""
        await _start(gateway, service)
        await service.chat.write("Hello")
        if service.traits.edits:
            await gateway.eventually(lambda: _begun(service), WITHIN_S)
        else:
            await gateway.eventually(lambda: _works(gateway), WITHIN_S)
        gateway.kill()
        await gateway.ended()
        await _start(gateway, service)
        await gateway.eventually(lambda: _told(service), WITHIN_S)
        assert len([text for text in await service.chat.shown() if text.startswith("Hello!")]) == 1

    async def test_many_messages_at_once_are_answered_in_order(self, service: Service, gateway: GatewayProcess) -> None:
        await _start(gateway, service)
        names = [f"name{number}." for number in range(BURST)]
        for name in names:
            await service.chat.write(f"/title {name}")
        await _said(gateway, service, *names)

    async def test_revoked_credentials_stop_this_account_and_nothing_else(self, service: Service, gateway: GatewayProcess) -> None:
        """LEDGER H-06, H-56: it is said, and not tried for ever; the page goes on."""
        await _start(gateway, service)
        await service.chat.write("/title alpha")
        await _said(gateway, service, "alpha")
        await service.chat.revoke()
        with_nothing = await gateway.run("chat", "-q", "/title other")
        assert "other" in with_nothing.out
        await service.chat.write("/title beta")

        async def stopped() -> bool:
            return any(one["state"] == "stopped" and one["why"] for one in (await gateway.door.status())["platforms"])

        await gateway.eventually(stopped, WITHIN_S)


async def _start(gateway: GatewayProcess, service: Service, failpoint: str = "") -> None:
    await gateway.start(environ={**service.environ} | ({"HOLDFAST_FAILPOINT": failpoint} if failpoint else {}))
    await service.listens(gateway)


async def _said(gateway: GatewayProcess, service: Service, *names: str) -> None:
    """Return when these titles were confirmed, in this order, and nothing else was."""
    await _until_said(gateway, service, names[-1])
    said = [text for text in await service.chat.shown() if "now called" in text]
    assert len(said) == len(names), said
    assert all(f"“{name}”" in text for name, text in zip(names, said, strict=True)), said


async def _until_said(gateway: GatewayProcess, service: Service, name: str) -> None:
    async def look() -> bool:
        return any(f"“{name}”" in text for text in await service.chat.shown())

    await gateway.eventually(look, WITHIN_S)


async def _begun(service: Service) -> bool:
    return any(text.startswith("Hello!") and len(text) > 20 for text in await service.chat.shown())


async def _told(service: Service) -> bool:
    return any(text.startswith("Hello!") and text.endswith(INTRODUCTION[-30:]) for text in await service.chat.shown())


async def _works(gateway: GatewayProcess) -> bool:
    return any(row.running for row in await gateway.door.rows())
