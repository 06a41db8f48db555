"""The gateway on Telegram: both are real processes, and both get killed. `HOLDFAST_LONG=1` kills at every passing of a point."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from holdfast.core.words import SENT_AGAIN
from holdfast.models.practice_words import INTRODUCTION
from holdfast.testing.process import GatewayProcess
from holdfast.testing.tcp_proxy import TcpProxy
from holdfast.testing.telegram_client import Telegram

ANN: Final = 7
POINTS: Final = (
    "ingest.before_commit",
    "ingest.after_commit",
    "acknowledge",
    "deliver.before_send",
    "deliver.after_send",
    "append.after_commit",
)
PASSINGS: Final = range(1, 6) if os.environ.get("HOLDFAST_LONG") else (1,)


def account(telegram: Telegram, name: str = "mybot", token: str = "TOKEN", more: str = "") -> str:
    return f'\n[platforms.telegram.{name}]\ntoken = "env:{token}"\nbase_url = "{telegram.base_url}"\nallow = ["*"]\n{more}\n'


@pytest.fixture
async def telegram(tmp_path: Path) -> AsyncIterator[Telegram]:
    async with Telegram(tmp_path) as server:
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, telegram: Telegram) -> AsyncIterator[GatewayProcess]:
    """Not started yet."""
    process = GatewayProcess(tmp_path / "gateway", '[routes.main]\ndialect = "practice"\n' + account(telegram))
    yield process
    await process.end()


async def start(gateway: GatewayProcess, telegram: Telegram, failpoint: str = "") -> None:
    environ = {"TOKEN": telegram.token, "BAD": "4243:never-was-one"}
    await gateway.start(environ=environ | ({"HOLDFAST_FAILPOINT": failpoint} if failpoint else {}))


async def says(telegram: Telegram, *texts: str, chat: int = ANN) -> None:
    """Return when the bot says these there, in this order, and nothing else of the kind."""

    async def look() -> bool:
        said = [text for text in await telegram.said(chat) if any(part in text for part in texts)]
        return len(said) == len(texts) and all(part in text for part, text in zip(texts, said, strict=True))

    await telegram.until(look)


async def test_what_was_written_meanwhile_is_answered_and_what_grew_is_finished_in_its_place(
    telegram: Telegram, gateway: GatewayProcess
) -> None:
    """LEDGER H-01, H-02, H-10, H-12, H-14, I 1, I 2, I 5: kill -9 of the gateway in the middle of an answer, then of the server."""
    await start(gateway, telegram)
    await telegram.write(ANN, "Hello")
    await telegram.until(lambda: has_begun(telegram))
    gateway.kill()
    await gateway.ended()
    for number in range(6):
        await telegram.write(ANN, f"/title name{number}")
    telegram.kill()
    await start(gateway, telegram)
    await telegram.start()
    await says(telegram, *(f"now called “name{number}”" for number in range(6)))
    await telegram.until(lambda: told(telegram))
    said = [shown for shown in await telegram.shown(ANN) if shown.mine]
    assert len(said) == 7
    assert not any(SENT_AGAIN in shown.text for shown in said)


async def has_begun(telegram: Telegram) -> bool:
    return any(text.startswith("Hello!") and len(text) > 20 for text in await telegram.said(ANN))


async def told(telegram: Telegram) -> bool:
    return any(text.startswith("Hello!") and text.endswith(INTRODUCTION[-30:]) for text in await telegram.said(ANN))


@pytest.mark.parametrize("passing", PASSINGS)
@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_at_any_point_loses_nothing_and_repeats_at_most_one_part_marked(
    telegram: Telegram, gateway: GatewayProcess, point: str, passing: int
) -> None:
    """LEDGER H-05, H-11, H-15, I 4, I 6, I 8: windows W1, W2, W6 and W7."""
    await start(gateway, telegram, f"{point}:{passing}")
    await telegram.write(ANN, "/title alpha")
    await telegram.write(ANN, "/title beta")
    try:
        assert await gateway.ended() == -signal.SIGKILL, gateway.said()
    except TimeoutError:
        assert passing > 1, "it is passed at least once"
        gateway.kill()
        await gateway.ended()
    await start(gateway, telegram)
    await telegram.write(ANN, "/title gamma")

    async def all_said() -> bool:
        return any("gamma" in text for text in await telegram.said(ANN))

    await telegram.until(all_said)
    said = await telegram.said(ANN)
    marked = [text for text in said if text.startswith(SENT_AGAIN)]
    plain = [text for text in said if not text.startswith(SENT_AGAIN)]
    assert len(marked) <= 1
    repeated = marked and marked[0].removeprefix(SENT_AGAIN)
    order = [next(name for name in ("alpha", "beta", "gamma") if name in text) for text in said]
    assert sorted(order) == order
    assert set(order) == {"alpha", "beta", "gamma"}
    assert len(plain) == len(set(plain))
    assert not repeated or plain.count(str(repeated)) <= 1


async def test_a_bad_token_and_a_server_that_is_away_harm_no_other_account(
    telegram: Telegram, gateway: GatewayProcess, tmp_path: Path
) -> None:
    """LEDGER H-06, H-54, H-56, I 29: the good one answers at once, the bad one is asked about once, the other comes back by itself."""
    (tmp_path / "other").mkdir()
    other = Telegram(tmp_path / "other", "4244:other-token", "other_bot")
    other.launch()
    other.kill()
    accounts = account(telegram) + account(telegram, "bad", "BAD") + account(other, "away", "OTHER")
    gateway.configure('[routes.main]\ndialect = "practice"\n' + accounts)
    await gateway.start(environ={"TOKEN": telegram.token, "BAD": "4243:never-was-one", "OTHER": other.token})
    await telegram.write(ANN, "/title alpha")
    await says(telegram, "alpha")
    await other.start()
    await other.write(ANN, "/title beta")
    await says(other, "beta")
    assert len([call for call in await telegram.calls() if call["token"].startswith("4243")]) == 1
    other.kill()


async def test_a_group_hears_an_answer_only_when_it_asks(telegram: Telegram, gateway: GatewayProcess) -> None:
    gateway.configure('[routes.main]\ndialect = "practice"\n' + account(telegram, more='groups = ["-1001"]'))
    await telegram.order("group", chat=-1001, forum=True, topics=[77])
    await start(gateway, telegram)
    await telegram.write(-1001, "Nothing for you", author=8, name="Bob")
    asked = await telegram.write(-1001, "@holdfast_bot hello", author=ANN, thread=77)
    await says(telegram, "practice model", chat=-1001)
    (answer,) = [shown for shown in await telegram.shown(-1001) if shown.mine]
    assert (answer.thread, answer.reply_to) == (77, asked)


async def test_strangers_hear_a_code_and_nothing_of_theirs_is_kept(telegram: Telegram, gateway: GatewayProcess) -> None:
    """LEDGER H-60."""
    gateway.configure('[routes.main]\ndialect = "practice"\n' + account(telegram).replace('allow = ["*"]', ""))
    await start(gateway, telegram)
    await telegram.write(ANN, "a secret of mine")
    await says(telegram, "I don't know you yet")
    gateway.kill()
    await gateway.ended()
    assert not any("secret" in str(entry) for entries in (await gateway.journal()).values() for entry in entries)


async def test_telegram_calls_and_is_answered_only_once_a_message_is_kept(telegram: Telegram, gateway: GatewayProcess) -> None:
    """LEDGER H-05: the way in breaks, and then the gateway; what was written meanwhile is brought again, in order."""
    async with TcpProxy(9) as way:
        hooked = account(telegram, more=f'webhook_url = "http://127.0.0.1:{way.port}"\n[webhooks]\nport = 0')
        gateway.configure('[routes.main]\ndialect = "practice"\n' + hooked)
        await telegram.write(ANN, "/title alpha")
        for life in range(2):
            await start(gateway, telegram, "" if life else "ingest.before_commit")
            await gateway.eventually(partial(listens, gateway, way, life + 1))
            if not life:
                assert await gateway.ended() == -signal.SIGKILL
                await telegram.write(ANN, "/title beta")
        await says(telegram, "alpha", "beta")
        assert await telegram.order("unconfirmed") == 0


async def listens(gateway: GatewayProcess, way: TcpProxy, times: int) -> bool:
    """Lead the way to where it listens in this life."""
    ports = re.findall(r"find us at http://127\.0\.0\.1:(\d+)/hooks", gateway.said())
    if len(ports) == times:
        way.target_port = int(ports[-1])
    return len(ports) == times
