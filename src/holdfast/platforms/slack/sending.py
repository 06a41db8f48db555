"""How a part of ours goes out: what is asked of Slack for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holdfast.core.entries import Produced
from holdfast.core.incoming import Place
from holdfast.core.text import Limit, cuts, part
from holdfast.platforms.asking import Failure, NotSent, Unanswered
from holdfast.platforms.slack import wire
from holdfast.platforms.slack.api import Api, Refused
from holdfast.platforms.slack.history import EVENT_TYPE
from holdfast.platforms.slack.reading import answers_go_to, is_group, value_of
from holdfast.platforms.slack.receipts import LIMITED, STOPPED
from holdfast.platforms.slack.render import render
from holdfast.ports import Files, Message

BLOCK: Final = Limit(3000, "escaped")
"""Of one block of a message. Only questions have blocks."""
BUTTON_CHARS_MAX: Final = 75
BUTTONS_MAX: Final = 5
"""In one row."""

_NO_THREAD: Final = frozenset({"cannot_reply_to_message", "message_not_found", "thread_not_found"})
_BAD_BLOCKS: Final = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})


class Sending:
    """What is said in one place."""

    def __init__(self, api: Api, files: Files, place: Place, replies_to: str = "") -> None:
        self._api, self._files, self._chat = api, files, place.chat
        self._thread = place.thread or (answers_go_to(replies_to) if is_group(place.chat) else "")

    async def send(self, message: Message) -> str:
        """The id of the message, for edits. Raises `Failure`, or `Request` if a file is not there.

        Its files are with Slack before it is said, and its metadata names them: whoever finds it in the history can show them, too.
        """
        files = [await self._upload(file) for file in message.files]
        if message.edit:
            sent = await self._said("chat.update", message, ts=message.edit)
        else:
            payload = {"key": message.key, **({"files": files} if files else {})}
            metadata = {"event_type": EVENT_TYPE, "event_payload": payload} if message.key else None
            quiet = {"unfurl_links": False, "unfurl_media": False}
            sent = await self._said("chat.postMessage", message, thread_ts=self._thread, metadata=metadata, **quiet)
        if files:
            await self._show_below(files)
        return sent

    async def _said(self, method: str, message: Message, **where: Any) -> str:
        """Nothing is parsed in it beyond our own marks: no names, no chats."""
        try:
            return await self._posted(method, text=render(message.text), blocks=_blocks(message), parse="none", **where)
        except Refused as refused:
            if not message.options or refused.code not in _BAD_BLOCKS:
                raise
            return await self._posted(method, text=render(message.text), blocks=[], parse="none", **where)  # it says how else one answers

    async def _posted(self, method: str, **params: Any) -> str:
        try:
            return (await self._api.call(method, wire.Sent, channel=self._chat, **params)).ts
        except Refused as refused:
            if not params.get("thread_ts") or refused.code not in _NO_THREAD:
                raise
            return (await self._api.call(method, wire.Sent, channel=self._chat, **params | {"thread_ts": ""})).ts  # beside it

    # --- files --------------------------------------------------------------------------------------------------------------------------

    async def _upload(self, file: Produced) -> str:
        """Its id. Nobody sees it yet, and one that nobody ever sees is no harm: whatever goes wrong, nothing was said."""
        data = await self._files.read(file.sha256)
        try:
            there = await self._api.call("files.getUploadURLExternal", wire.Upload, filename=file.name, length=len(data))
            await self._api.upload(there.upload_url, data)
        except Unanswered as failure:
            raise NotSent(str(failure)) from None
        return there.file_id

    async def _show_below(self, files: Sequence[str]) -> None:
        """What was said is there: what fails now for a while is no reason to say it again, but to look for it."""
        try:
            await self._show(files)
        except Failure as failure:
            if isinstance(failure, Refused) and failure.code not in LIMITED | STOPPED:
                raise
            raise Unanswered(f"what was said is there, its files may not be: {failure}") from None

    async def _show(self, files: Sequence[str]) -> None:
        listed = [{"id": file} for file in files]
        await self._api.call("files.completeUploadExternal", wire.Done, files=listed, channel_id=self._chat, thread_ts=self._thread)

    async def complete(self, found: wire.Message) -> None:
        """Show the files of a message that was found in the history, if they are not shown yet. Raises `Failure`."""
        self._thread = found.thread
        files = found.metadata.event_payload.get("files")
        if not isinstance(files, list) or not files:
            return
        try:
            shares = (await self._api.call("files.info", wire.Stored, file=files[0])).file.shares
        except Refused as refused:
            if refused.code in LIMITED | STOPPED:
                raise
            shares = {}  # one that is shown nowhere yet
        if not any(self._chat in chats for chats in shares.values()):
            await self._show(files)


def _blocks(message: Message) -> list[dict[str, Any]]:
    """A question's text, and a button for each option. An edit without any takes those away that were there."""
    if not message.options:
        return []
    at = cuts(message.text, BLOCK)
    texts = [render(part(message.text, at, index), BLOCK.length) for index in range(len(at) + 1)]
    buttons = [
        {
            "type": "button",
            "action_id": f"option{index}",
            "text": {"type": "plain_text", "text": option if len(option) <= BUTTON_CHARS_MAX else option[: BUTTON_CHARS_MAX - 1] + "…"},
            "value": value_of(message.question, option),
        }
        for index, option in enumerate(message.options)
    ]
    rows = [buttons[begin : begin + BUTTONS_MAX] for begin in range(0, len(buttons), BUTTONS_MAX)]
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts]
    return [*sections, *({"type": "actions", "elements": row} for row in rows)]
