"""How a part of ours goes out: what is asked of Discord for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place
from holdfast.platforms.discord.api import CALL_S_MAX, Api, Refused, Upload
from holdfast.platforms.discord.reading import custom_id, split_id
from holdfast.platforms.discord.render import render
from holdfast.platforms.discord.wire import Sent
from holdfast.ports import Files, Message

UPLOAD_S_MAX: Final = 120.0
FILES_MAX: Final = 10
"""So many go with one message."""
BUTTONS_IN_ROW: Final = 5
BUTTONS_MAX: Final = 25
LABEL_CHARS_MAX: Final = 80

NO_PREVIEWS: Final = 1 << 2
"""A flag of messages: links stay links."""

_NO_MENTIONS: Final[Mapping[str, Any]] = {"parse": []}
_UNKNOWN_CHANNEL: Final = 10003
_NO_REPLY: Final = frozenset({50035, 160002})
"""Among what these codes say is: to that message there can't be a reply. (It is gone, or it stands where we can't read.)"""


def nonce(key: str) -> str:
    """Our key, as Discord takes it: at most 25 characters."""
    return hashlib.blake2b(key.encode(), digest_size=12).hexdigest()


def channel_of(place: Place) -> str:
    return place.thread or place.chat


class Sending:
    """One part, to one chat."""

    def __init__(self, api: Api, files: Files, place: Place, message: Message) -> None:
        self._api, self._files, self._message = api, files, message
        self._home = channel_of(place)
        replied, thread = split_id(message.replies_to)
        self._channel = place.thread or thread or place.chat
        self._reply = {"message_id": replied, "fail_if_not_exists": False} if replied else None

    async def send(self) -> str:
        """The id of the (first) message, for edits. Raises `Failure`, or `Request` if a file is not there."""
        message = self._message
        said = {"content": render(message.text), "allowed_mentions": _NO_MENTIONS, "flags": NO_PREVIEWS, "components": self._buttons()}
        uploads = [await self._upload(file) for file in message.files]
        if message.edit:
            sent, channel = split_id(message.edit)
            await self._call("PATCH", f"/channels/{channel or self._home}/messages/{sent}", said, uploads[:FILES_MAX])
            return message.edit
        first = await self._post(said | {"message_reference": self._reply}, message.key, uploads[:FILES_MAX])
        for begin in range(FILES_MAX, len(uploads), FILES_MAX):
            more = {"content": "", "allowed_mentions": _NO_MENTIONS}
            await self._post(more, message.key and f"{message.key}/{begin}", uploads[begin : begin + FILES_MAX])
        return first if self._channel == self._home else f"{first}@{self._channel}"

    async def _upload(self, file: Produced) -> Upload:
        return Upload(file.name, file.media_type or "application/octet-stream", await self._files.read(file.sha256))

    def _buttons(self) -> list[dict[str, Any]]:
        """Rows of them. An edit without any takes those away that were there."""
        message = self._message
        carried = {option: custom_id(message.question, option) for option in message.options}
        buttons = [
            {
                "type": 2,
                "style": 2,
                "label": option if len(option) <= LABEL_CHARS_MAX else f"{option[: LABEL_CHARS_MAX - 1]}…",
                "custom_id": id_,
            }
            for option, id_ in carried.items()
            if id_
        ][:BUTTONS_MAX]
        rows = [buttons[at : at + BUTTONS_IN_ROW] for at in range(0, len(buttons), BUTTONS_IN_ROW)]
        return [{"type": 1, "components": row} for row in rows]

    async def _post(self, said: Mapping[str, Any], key: str, uploads: Sequence[Upload]) -> str:
        """What can't be a reply is none; what has no thread any more goes beside it."""
        said = dict(said) | ({"nonce": nonce(key), "enforce_nonce": True} if key else {})
        try:
            return await self._call("POST", f"/channels/{self._channel}/messages", said, uploads)
        except Refused as refused:
            if refused.code == _UNKNOWN_CHANNEL and self._channel != self._home:
                self._channel = self._home
            elif refused.code not in _NO_REPLY or not said.get("message_reference"):
                raise
        return await self._call("POST", f"/channels/{self._channel}/messages", said | {"message_reference": None}, uploads)

    async def _call(self, method: str, path: str, said: Mapping[str, Any], uploads: Sequence[Upload]) -> str:
        if uploads:
            said = {**said, "attachments": [{"id": index, "filename": one.name} for index, one in enumerate(uploads)]}
        body = {name: value for name, value in said.items() if value is not None}
        return (await self._api.call(method, path, Sent, body, uploads, UPLOAD_S_MAX if uploads else CALL_S_MAX)).id
