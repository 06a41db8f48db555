"""The server that stands in for Telegram: others' clients take it for one, and it is strict where Telegram is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import telegram.error
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity, ReplyParameters, Update
from telegram.request import HTTPXRequest

from holdfast.testing.telegram_client import Telegram

ANN: Final = 7

Call = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telegram]:
    server = Telegram(Path(tmp_path_factory.mktemp("telegram")))
    server.launch()
    yield server
    server.kill()


@pytest.fixture
async def server(process: Telegram) -> Telegram:
    await process.reset()
    await process.order("meet", person=ANN)
    return process


@pytest.fixture
async def bot(server: Telegram, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    """A bot of python-telegram-bot's: an independent reading of the Bot API."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")  # else it warns
    ways = {name: HTTPXRequest(httpx_kwargs={"trust_env": False}) for name in ("request", "get_updates_request")}
    async with Bot(server.token, f"{server.base_url}/bot", f"{server.base_url}/file/bot", **ways) as one:  # type: ignore[arg-type]  # by name
        yield one


async def test_python_telegram_bot_takes_it_for_telegram(server: Telegram, bot: Bot) -> None:
    assert (bot.id, bot.username) == (server.bot_id, server.username)
    asked = await server.write(ANN, "/start now @someone", username="ann")
    (update,) = await bot.get_updates(timeout=5, allowed_updates=[Update.MESSAGE, Update.CALLBACK_QUERY])
    assert update.message is not None and update.message.from_user is not None
    assert (update.message.text, update.message.from_user.username) == ("/start now @someone", "ann")
    assert update.message.parse_entities() != {}
    markup = InlineKeyboardMarkup([[InlineKeyboardButton("yes", callback_data="1:yes")]])
    sent = await bot.send_message(
        ANN, "bold", entities=[MessageEntity("bold", 0, 4)], reply_markup=markup, reply_parameters=ReplyParameters(asked)
    )
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.message_id == asked
    await server.order("press", chat=ANN, message=sent.message_id, option="yes")
    (press,) = await bot.get_updates(offset=update.update_id + 1, timeout=5)
    assert press.callback_query is not None and press.callback_query.data == "1:yes"
    assert await press.callback_query.answer()
    edited = await bot.edit_message_text("other", ANN, sent.message_id)
    assert not isinstance(edited, bool) and (edited.text, edited.reply_markup) == ("other", None)
    assert await bot.send_chat_action(ANN, "typing")
    assert await bot.set_message_reaction(ANN, asked, "👀")
    assert await bot.set_my_commands([("help", "shows this")])
    document = await bot.send_document(ANN, b"data", filename="a.bin", caption="Here")
    assert document.document is not None
    file = await bot.get_file(document.document.file_id)
    assert bytes(await file.download_as_bytearray()) == b"data"
    assert await bot.delete_message(ANN, document.message_id)
    assert [shown.text for shown in await server.shown(ANN)] == ["/start now @someone", "other"]


async def test_python_telegram_bot_knows_its_errors(server: Telegram, bot: Bot) -> None:
    with pytest.raises(telegram.error.BadRequest, match="not found"):
        await bot.send_message(99, "Hello")
    await server.order("refuse", chat=ANN)
    with pytest.raises(telegram.error.Forbidden, match="blocked"):
        await bot.send_message(ANN, "Hello")
    await server.fault("limit", "sendMessage", value=9)
    with pytest.raises(telegram.error.RetryAfter):
        await bot.send_message(ANN, "Hello")
    await server.order("group", chat=-5, kind="group")
    await server.order("migrate", chat=-5, to=-1005)
    with pytest.raises(telegram.error.ChatMigrated):
        await bot.send_message(-5, "Hello")
    polls = [asyncio.create_task(bot.get_updates(timeout=20, offset=10**6)) for _ in range(2)]
    done, waiting = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
    for poll in waiting:
        poll.cancel()
    with pytest.raises(telegram.error.Conflict, match="other getUpdates"):
        done.pop().result()
    await asyncio.gather(*polls, return_exceptions=True)
    await server.order("revoke", token=server.token)
    with pytest.raises(telegram.error.InvalidToken):
        await bot.get_updates()


async def ask(server: Telegram, method: str, **params: Any) -> Any:
    answer = await server.bot_call(method, **params)
    return answer["result"] if answer["ok"] else answer


async def test_updates_are_told_again_until_an_offset_confirms_them_and_survive_a_kill(server: Telegram) -> None:
    for text in ("one", "two"):
        await server.write(ANN, text)
    first = await ask(server, "getUpdates")
    server.kill()
    await server.start()
    assert await ask(server, "getUpdates") == first
    assert await ask(server, "getUpdates", offset=first[0]["update_id"] + 1) == first[1:]
    assert await ask(server, "getUpdates") == first[1:]
    assert await ask(server, "getUpdates", offset=first[1]["update_id"] + 1, timeout=0) == []


async def test_a_poll_waits_for_what_comes(server: Telegram) -> None:
    poll = asyncio.create_task(ask(server, "getUpdates", timeout=20))
    await server.write(ANN, "Hello")
    assert [update["message"]["text"] for update in await poll] == ["Hello"]


@pytest.mark.parametrize(
    ("params", "description"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),
        ({"text": "hi", "entities": [{"type": "bold", "offset": 0, "length": 3}]}, "outside"),
        ({"text": "😀", "entities": [{"type": "bold", "offset": 1, "length": 1}]}, "in the middle of a character"),
        ({"text": "hi", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "x" * 65}]]}}, "BUTTON_DATA_INVALID"),
        ({"text": "hi", "message_thread_id": 5}, "message thread not found"),
        ({"text": "hi", "reply_parameters": {"message_id": 99}}, "message to be replied not found"),
    ],
)
async def test_what_telegram_refuses_is_refused(server: Telegram, params: dict[str, Any], description: str) -> None:
    answer = await ask(server, "sendMessage", chat_id=ANN, **params)
    assert (answer["error_code"], description in answer["description"]) == (400, True)
    assert await server.shown(ANN) == []


async def test_only_what_changes_is_an_edit(server: Telegram) -> None:
    sent = await ask(server, "sendMessage", chat_id=ANN, text="one")
    where = {"chat_id": ANN, "message_id": sent["message_id"]}
    assert "message is not modified" in (await ask(server, "editMessageText", **where, text="one"))["description"]
    await ask(server, "editMessageText", **where, text="two")
    assert (await server.shown(ANN))[0].texts == ["one", "two"]


async def test_faults_befall_as_often_as_ordered(server: Telegram) -> None:
    await server.fault("drop", "sendMessage", times=1)
    await server.fault("drop_before", "sendMessage", times=1)
    for _ in range(2):
        with pytest.raises(httpx2.HTTPError):
            await ask(server, "sendMessage", chat_id=ANN, text="lost?")
    assert (await ask(server, "sendMessage", chat_id=ANN, text="here"))["text"] == "here"
    assert await server.said(ANN) == ["lost?", "here"]


async def test_a_webhook_is_called_with_its_secret_until_it_says_that_it_has_it(server: Telegram) -> None:
    calls: list[tuple[str, bytes]] = []
    statuses = iter((500, 200, 200))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        calls.append((head.partition("x-telegram-bot-api-secret-token: ")[2].partition("\r\n")[0], await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {next(statuses)} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    hook = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{hook.sockets[0].getsockname()[1]}/hook"
    await ask(server, "setWebhook", url=url, secret_token="s3")
    for text in ("one", "two"):
        await server.write(ANN, text)

    async def all_told() -> bool:
        return not await server.order("unconfirmed")

    await server.until(all_told)
    assert [secret for secret, _ in calls] == ["s3"] * 3
    assert [b'"one"' in body for _, body in calls] == [True, True, False]
    info = await ask(server, "getWebhookInfo")
    assert (info["url"], "500" in info["last_error_message"], info["pending_update_count"]) == (url, True, 0)
    assert (await ask(server, "getUpdates"))["error_code"] == 409
    await ask(server, "deleteWebhook")
    assert await ask(server, "getUpdates") == []
    hook.close()
