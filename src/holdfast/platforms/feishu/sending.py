"""How a part of ours goes out: what is asked of Feishu for it. All that we say is a card: it takes Markdown, buttons, and another text as often as we like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place
from holdfast.platforms.feishu.api import Api, Refused
from holdfast.platforms.feishu.receipts import is_gone, receipt
from holdfast.platforms.feishu.render import card, plain_card, uuid
from holdfast.platforms.feishu.wire import Sent, Uploaded
from holdfast.ports import Files, Message

PICTURES: Final = ("image/gif", "image/jpeg", "image/png", "image/webp")
PICTURE_BYTES_MAX: Final = 10 * 1024 * 1024
"""Larger ones go as files."""


T = TypeVar("T")


class Sending:
    """One part, to one chat."""

    def __init__(self, api: Api, files: Files, place: Place, message: Message) -> None:
        self._api, self._files, self._place, self._message = api, files, place, message

    async def send(self) -> str:
        """The id of the (first) message. Raises `Failure`, or `Request` if a file is not there."""
        message = self._message
        if message.edit:
            await self._styled_or_plain(lambda content: self._api.patch(f"/im/v1/messages/{message.edit}", {"content": content}))
            return message.edit
        ids: list[str] = []
        if message.text or not message.files:
            ids.append(await self._styled_or_plain(lambda content: self._say("interactive", content, message.key)))
        for number, file in enumerate(message.files):
            key = f"{message.key}/{number}" if message.key and ids else message.key
            ids.append(await self._say(*await self._uploaded(file), key))
        return ids[0]

    async def _styled_or_plain(self, say: Callable[[str], Awaitable[T]]) -> T:
        """If Feishu does not like how it is styled, plain: that is no reason to say nothing."""
        message, place = self._message, self._place
        content, plain = card(message, place.thread, place.person), plain_card(message, place.thread, place.person)
        try:
            return await say(content)
        except Refused as refused:
            if content == plain or receipt(refused, message.edit).refusal != "refused":
                raise
        return await say(plain)

    async def _say(self, kind: str, content: str, key: str) -> str:
        """As a reply, in its thread; if what is replied to is gone, beside it."""
        said = {"msg_type": kind, "content": content, "uuid": uuid(key)}
        if to := self._message.replies_to or self._place.thread:
            try:
                asked = {**said, "reply_in_thread": bool(self._place.thread)}
                return (await self._api.post(f"/im/v1/messages/{to}/reply", Sent, asked)).data.message_id
            except Refused as refused:
                if not is_gone(refused):
                    raise
        asked = {**said, "receive_id": self._place.chat}
        return (await self._api.post("/im/v1/messages", Sent, asked, {"receive_id_type": "chat_id"})).data.message_id

    async def _uploaded(self, file: Produced) -> tuple[str, str]:
        """The kind of message that shows the file, which Feishu has then, and its content."""
        data = await self._files.read(file.sha256)
        if file.media_type in PICTURES and len(data) <= PICTURE_BYTES_MAX:
            try:
                got = await self._api.upload("/im/v1/images", Uploaded, {"image_type": "message"}, "image", file.name, data)
                return "image", msgspec.json.encode({"image_key": got.data.image_key}).decode()
            except Refused as refused:
                if receipt(refused).refusal != "refused":
                    raise
        fields = {"file_type": "stream", "file_name": file.name}
        got = await self._api.upload("/im/v1/files", Uploaded, fields, "file", file.name, data)
        return "file", msgspec.json.encode({"file_key": got.data.file_key}).decode()
