"""The gateway on Telegram: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core import words
from holdfast.testing.contracts.through_gateway import POINTS, Service, ThroughGateway
from holdfast.testing.process import GatewayProcess
from holdfast.testing.tcp_proxy import TcpProxy
from holdfast.testing.telegram_client import Telegram
from holdfast.testing.telegram_service import ANN, TelegramService, table


class TestTelegram(ThroughGateway):
    points = POINTS

    @pytest.fixture
    def service(self, telegram: Telegram) -> Service:
        return TelegramService(telegram)


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[Telegram]:
    async with Telegram(tmp_path) as server:
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, telegram: Telegram) -> AsyncIterator[GatewayProcess]:
    """Not started yet."""
    process = GatewayProcess(tmp_path / "gateway", '[routes.main]\ndialect = "practice"\n' + open_to_all(telegram))
    yield process
    await process.end()


def open_to_all(telegram: Telegram, name: str = "mybot", token: str = "TOKEN") -> str:
    return table(telegram, name, token) + 'allow = ["*"]\n'


async def start(gateway: GatewayProcess, telegram: Telegram, failpoint: str = "") -> None:
    environ = {"TOKEN": telegram.token, "BAD": "4243:never-was-one"}
    await gateway.start(environ=environ | ({"HOLDFAST_FAILPOINT": failpoint} if failpoint else {}))


async def says(telegram: Telegram, *texts: str, chat: int = ANN) -> None:
    """Return when the bot says these there, in this order, and nothing else of the kind."""

    async def look() -> bool:
        said = [text for text in await telegram.said(chat) if any(part in text for part in texts)]
        return len(said) == len(texts) and all(part in text for part, text in zip(texts, said, strict=True))

    await telegram.until(look)


async def test_a_bad_token_and_a_server_that_is_away_harm_no_other_account(
    telegram: Telegram, gateway: GatewayProcess, tmp_path: Path
) -> None:
    """LEDGER H-06, H-54, H-56, I 29: the good one answers at once, the bad one is asked about once, the other comes back by itself."""
    (tmp_path / "other").mkdir()
    other = Telegram(tmp_path / "other", "4244:other-token", "other_bot")
    other.launch()
    other.kill()
    accounts = open_to_all(telegram) + open_to_all(telegram, "bad", "BAD") + open_to_all(other, "away", "OTHER")
    gateway.configure('[routes.main]\ndialect = "practice"\n' + accounts)
    await gateway.start(environ={"TOKEN": telegram.token, "BAD": "4243:never-was-one", "OTHER": other.token})
    await telegram.write(ANN, "/title alpha")
    await says(telegram, "alpha")
    await other.start()
    await other.write(ANN, "/title beta")
    await says(other, "beta")
    assert len([call for call in await telegram.calls() if call["token"].startswith("4243")]) == 1
    other.kill()


async def test_a_turn_whose_account_is_taken_out_of_the_configuration_waits_visibly_and_goes_on_when_it_is_back(
    telegram: Telegram, gateway: GatewayProcess
) -> None:
    """LEDGER H-59."""
    away, account = '[routes.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n', open_to_all(telegram)
    gateway.configure(away + account)
    await start(gateway, telegram)
    await telegram.write(ANN, "Hello")
    await gateway.until(lambda rows: any(row.turn_gate for row in rows))
    gateway.configure(away)
    assert (await gateway.run("reload")).exit == 0
    (row,) = json.loads((await gateway.run("queue", "--json")).out)
    assert (row["state"], row["words"]) == ("waiting", words.no_account("telegram:mybot"))
    assert f"{row['name']}: {row['words']}" in (await gateway.run("why")).out
    assert "1 waiting" in (await gateway.run("status")).out
    gateway.configure('[routes.main]\ndialect = "practice"\n' + account)
    assert (await gateway.run("reload")).exit == 0
    await says(telegram, "practice model")


async def test_a_group_hears_an_answer_only_when_it_asks(telegram: Telegram, gateway: GatewayProcess) -> None:
    gateway.configure('[routes.main]\ndialect = "practice"\n' + open_to_all(telegram) + 'groups = ["-1001"]\n')
    await telegram.order("group", chat=-1001, forum=True, topics=[77])
    await start(gateway, telegram)
    await telegram.write(-1001, "Nothing for you", author=8, name="Bob")
    asked = await telegram.write(-1001, "@holdfast_bot hello", author=ANN, thread=77)
    await says(telegram, "practice model", chat=-1001)
    (answer,) = [shown for shown in await telegram.shown(-1001) if shown.mine]
    assert (answer.thread, answer.reply_to) == (77, asked)


async def test_strangers_hear_a_code_and_nothing_of_theirs_is_kept(telegram: Telegram, gateway: GatewayProcess) -> None:
    """LEDGER H-60."""
    gateway.configure('[routes.main]\ndialect = "practice"\n' + table(telegram))
    await start(gateway, telegram)
    await telegram.write(ANN, "a secret of mine")
    await says(telegram, "I don't know you yet")
    gateway.kill()
    await gateway.ended()
    assert not any("secret" in str(entry) for entries in (await gateway.journal()).values() for entry in entries)


async def test_telegram_calls_and_is_answered_only_once_a_message_is_kept(telegram: Telegram, gateway: GatewayProcess) -> None:
    """LEDGER H-05: the way in breaks, and then the gateway; what was written meanwhile is brought again, in order."""
    async with TcpProxy(9) as way:
        hooked = open_to_all(telegram) + f'webhook_url = "http://127.0.0.1:{way.port}"\n[webhooks]\nport = 0\n'
        gateway.configure('[routes.main]\ndialect = "practice"\n' + hooked)
        await telegram.write(ANN, "/title alpha")
        for life in range(2):
            await start(gateway, telegram, "" if life else "ingest.before_commit")
            way.target_port = await gateway.hooks_port()
            if not life:
                assert await gateway.ended() == -signal.SIGKILL
                await telegram.write(ANN, "/title beta")
        await says(telegram, "alpha", "beta")
        assert await telegram.order("unconfirmed") == 0
