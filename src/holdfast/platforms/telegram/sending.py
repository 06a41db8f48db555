"""How a part of ours goes out: what is asked of the Bot API for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place
from holdfast.platforms.telegram.api import CALL_S_MAX, Api, Refused, Upload
from holdfast.platforms.telegram.render import CAPTION_UNITS_MAX, Rendered, render, units
from holdfast.platforms.telegram.updates import callback_data, in_reply_to
from holdfast.platforms.telegram.wire import Sent
from holdfast.ports import Files, Message

UPLOAD_S_MAX: Final = 120.0
ALBUM_MAX: Final = 10
"""So many files go in one call."""

_PHOTOS: Final = ("image/jpeg", "image/png")
"""Other pictures lose something as photos: what moves, or what shines through."""


class Sending:
    """One part, to one chat."""

    def __init__(self, api: Api, files: Files, place: Place, message: Message) -> None:
        self._api, self._files, self._message = api, files, message
        replied, topic = in_reply_to(message.replies_to) if message.replies_to else (0, 0)
        reply = {"message_id": replied, "allow_sending_without_reply": True} if replied else None
        self._chat = int(place.chat)
        self._where = {"message_thread_id": int(place.thread) if place.thread else topic or None, "reply_parameters": reply}

    async def send(self) -> str:
        """The id of the message, for edits. Raises `Failure`, or `Request` if a file is not there."""
        message, shown = self._message, render(self._message.text)
        if message.edit:
            await self._say("editMessageText", {"message_id": int(message.edit)}, shown)
            return message.edit
        if not message.files:
            return await self._say("sendMessage", self._where, shown)
        uploads = [await self._upload(file) for file in message.files]
        if units(shown.text) > CAPTION_UNITS_MAX:
            await self._say("sendMessage", self._where, shown)
            shown = Rendered("")
        sent = ""
        for begin in range(0, len(uploads), ALBUM_MAX):
            sent = await self._post(uploads[begin : begin + ALBUM_MAX], Rendered("") if begin else shown)
        return sent

    async def _upload(self, file: Produced) -> Upload:
        return Upload(file.name, file.media_type or "application/octet-stream", await self._files.read(file.sha256))

    async def _say(self, method: str, where: Mapping[str, Any], shown: Rendered) -> str:
        """A text. If Telegram does not like how it is styled, plain: that is no reason to say nothing."""
        more = {**where, "link_preview_options": {"is_disabled": True}, "reply_markup": self._buttons()}
        try:
            return await self._call(method, {**more, "text": shown.text, "entities": shown.entities or None})
        except Refused as refused:
            if not shown.entities or refused.status != HTTPStatus.BAD_REQUEST or not refused.says("entit", "url"):
                raise
            return await self._call(method, {**more, "text": self._message.text})

    def _buttons(self) -> dict[str, Any] | None:
        """One line for each option. An edit without any takes those away that were there."""
        message = self._message
        data = [callback_data(message.question, index, option) for index, option in enumerate(message.options)]
        lines = [[{"text": option, "callback_data": carried}] for option, carried in zip(message.options, data, strict=True)]
        return {"inline_keyboard": lines} if lines else None

    async def _post(self, uploads: Sequence[Upload], shown: Rendered) -> str:
        """Files: photos where all of them may be, unless Telegram can't make one of them."""
        if all(upload.media_type in _PHOTOS for upload in uploads):
            try:
                return await self._post_as("photo", uploads, shown)
            except Refused as refused:
                if refused.status != HTTPStatus.BAD_REQUEST or not refused.says("photo", "image", "too big"):
                    raise
        return await self._post_as("document", uploads, shown)

    async def _post_as(self, kind: str, uploads: Sequence[Upload], shown: Rendered) -> str:
        caption = {"caption": shown.text, "caption_entities": shown.entities or None} if shown.text else {}
        if len(uploads) == 1:
            return await self._call(f"send{kind.capitalize()}", {**self._where, **caption}, {kind: uploads[0]})
        named = {f"file{index}": upload for index, upload in enumerate(uploads)}
        media: list[dict[str, Any]] = [{"type": kind, "media": f"attach://{name}"} for name in named]
        media[-1] |= caption  # it stands under the last one
        return await self._call("sendMediaGroup", {**self._where, "media": media}, named)

    async def _call(self, method: str, params: Mapping[str, Any], uploads: Mapping[str, Upload] | None = None) -> str:
        """The id of the (first) message. If its topic is gone, it goes beside that."""
        s_max = UPLOAD_S_MAX if uploads else CALL_S_MAX
        params = {"chat_id": self._chat, **params}
        try:
            result = await self._api.call(method, msgspec.Raw, params, uploads, s_max)
        except Refused as refused:
            if not params.get("message_thread_id") or not refused.says("thread not found", "topic_deleted"):
                raise
            result = await self._api.call(method, msgspec.Raw, {**params, "message_thread_id": None}, uploads, s_max)
        sent = msgspec.json.decode(result, type=tuple[Sent, ...] | Sent)
        return str((sent[0] if isinstance(sent, tuple) else sent).message_id)
