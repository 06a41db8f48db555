"""What we say, as the content of events. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

TEXT_BYTES_MAX: Final = 10_000
"""Of a part. An event may have 64 kB with everything around it; an edit holds its text twice, and marks make HTML longer than what was written."""
CONTENT_BYTES_MAX: Final = 44_000
"""Of the content of an event, so that it fits when it is encrypted, too. Beyond, it goes without its HTML."""
KEY: Final = "holdfast.key"
"""Where in the content our key of the message is: by it we find what we sent, whoever we were then to the server."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINKS: Final = re.compile(r"(?:https?|ftp|mailto|magnet):", re.IGNORECASE)
"""Those that Matrix allows."""


class _Html(RendererHTML):
    """Only the attributes that Matrix allows: clients would drop the rest."""

    @staticmethod
    def renderAttrs(token: Token) -> str:  # noqa: N802 -- its name in the library
        token.attrs = {name: value for name, value in token.attrs.items() if name in {"href", "start", "class"}}
        return RendererHTML.renderAttrs(token)


_MARKDOWN: Final = (
    MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Html).enable(["strikethrough", "table"]).disable("image")
)
_MARKDOWN.validateLink = lambda url: _LINKS.match(url) is not None  # type: ignore[method-assign] # it is how the library is told


def text(said: str, key: str) -> dict[str, Any]:
    """A text of ours, which is Markdown. It mentions nobody."""
    said = _CONTROL.sub("", said)
    content: dict[str, Any] = {"msgtype": "m.text", "body": said, "m.mentions": {}}
    marked = _MARKDOWN.render(said).strip()
    if marked != f"<p>{html.escape(said)}</p>":
        content |= {"format": "org.matrix.custom.html", "formatted_body": marked}
    return content | ({KEY: key} if key else {})


def edit(said: str, of: str, key: str) -> dict[str, Any]:
    """Another text for our message `of`."""
    new = text(said, key)
    relation = {"rel_type": "m.replace", "event_id": of}
    return {"msgtype": "m.text", "body": f"* {new['body']}", "m.mentions": {}, "m.new_content": new, "m.relates_to": relation}


def file(name: str, media_type: str, where: Mapping[str, Any], size: int, key: str) -> dict[str, Any]:
    """A file of ours: `where` is its address, or what is needed to read it where it is encrypted."""
    kind = media_type.partition("/")[0]
    content: dict[str, Any] = {
        "msgtype": f"m.{kind}" if kind in {"image", "audio", "video"} else "m.file",
        "body": name,
        "filename": name,
        "info": {"mimetype": media_type, "size": size},
        "m.mentions": {},
        **where,
    }
    return content | ({KEY: key} if key else {})


def related(content: dict[str, Any], thread: str, replies_to: str) -> dict[str, Any]:
    """The content, in its thread and as a reply."""
    relation: dict[str, Any] = {}
    if thread:
        relation = {"rel_type": "m.thread", "event_id": thread, "is_falling_back": not replies_to}
    if thread or replies_to:
        relation["m.in_reply_to"] = {"event_id": replies_to or thread}
    return content | ({"m.relates_to": relation} if relation else {})


def fitting(content: dict[str, Any]) -> dict[str, Any]:
    """The content; without its HTML if that makes it too long for an event."""
    if len(msgspec.json.encode(content)) <= CONTENT_BYTES_MAX:
        return content
    new = content.get("m.new_content")
    plain = content if new is None else content | {"m.new_content": _plain(new)}
    return _plain(plain)


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in {"format", "formatted_body"}}
