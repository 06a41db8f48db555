"""The server that stands in for WeChat, driven by a client that somebody else wrote (`wechatbot-sdk`): so both understand the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.wechat_client import Wechat
from holdfast.testing.wechat_world import ANN

wechatbot: Any = pytest.importorskip("wechatbot")

PNG = b"\x89PNG\r\n\x1a\n" + b"not much of a picture" * 10


@pytest.fixture
async def wechat(tmp_path: Path) -> AsyncIterator[Wechat]:
    async with Wechat(tmp_path) as server:
        yield server


@pytest.fixture
def client(wechat: Wechat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Everything that it knows of WeChat's addresses leads to ours."""
    from wechatbot import auth, client  # type: ignore[import-untyped]  # noqa: PLC0415

    monkeypatch.setattr(auth, "FIXED_QR_BASE_URL", wechat.base_url)
    monkeypatch.setattr(auth, "QR_POLL_INTERVAL", 0.02)
    monkeypatch.setattr(client, "CDN_BASE_URL", f"{wechat.base_url}/c2c")
    pictures: list[str] = []
    bot = wechatbot.WeChatBot(base_url=wechat.base_url, cred_path=str(tmp_path / "login"), on_qr_url=pictures.append)
    bot.pictures = pictures
    return bot


async def signed_in(wechat: Wechat, client: Any) -> Any:
    """Ann scans the picture, and says yes."""
    signing = asyncio.create_task(client.login(force=True))
    await wechat.until(lambda: _seen(client.pictures))
    await wechat.order("scan")
    await wechat.order("confirm")
    return await asyncio.wait_for(signing, 20)


async def _seen(of: list[Any], count: int = 1) -> bool:
    return len(of) >= count


async def test_somebody_else_signs_in_hears_answers_types_and_handles_files(wechat: Wechat, client: Any) -> None:
    login = await signed_in(wechat, client)
    assert (login.user_id, login.base_url) == (ANN, wechat.base_url)
    heard: list[Any] = []
    client.on_message(heard.append)
    running = asyncio.create_task(client.start())
    try:
        await wechat.write("Hello")
        await wechat.attach("chart.png", PNG)
        await wechat.attach("notes.txt", b"what was in it")
        await wechat.until(lambda: _seen(heard, 3))
        assert [message.text for message in heard][:1] == ["Hello"]
        assert (await client.download(heard[1])).data == PNG
        assert (await client.download(heard[2])).data == b"what was in it"
        await client.send_typing(ANN)
        await client.reply(heard[0], "Hello, Ann")
        assert await wechat.order("signs") == [1, 2]
        await client.reply_media(heard[0], {"image": PNG, "caption": "Look"})
        await client.reply_media(heard[0], {"file": b"a,b", "file_name": "data.csv"})
        assert await wechat.shown() == ["Hello, Ann", "Look"]
        assert [(one["type"], one["name"], one["data"]) for one in await wechat.sent_files()] == [(2, "", PNG), (4, "data.csv", b"a,b")]
    finally:
        client.stop()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_it_is_told_of_what_is_over_as_we_are(wechat: Wechat, client: Any) -> None:
    await signed_in(wechat, client)
    await wechat.write("Hello")
    api, login = client._api, client.get_credentials()
    (message,) = (await api.get_updates(login.base_url, login.token, ""))["msgs"]
    said = [api.build_text_message(ANN, message["context_token"], f"answer {number}") for number in range(11)]
    for one in said[:10]:
        await api.send_message(login.base_url, login.token, one)
    with pytest.raises(wechatbot.ApiError) as declined:
        await api.send_message(login.base_url, login.token, said[10])
    assert declined.value.errcode == -2
    await wechat.order("end")
    with pytest.raises(wechatbot.ApiError) as ended:
        await api.get_updates(login.base_url, login.token, "")
    assert ended.value.is_session_expired
