"""What a tool answered, in words for the model."""

from __future__ import annotations

import json
from typing import Final, assert_never

import mcp_types as types

TEXT_BYTES_MAX: Final = 64 * 1024


def text_of(result: types.CallToolResult) -> str:
    """A result in words: its texts; or its structured content; other kinds are named."""
    parts = [_in_words(block) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(filter(None, parts)) or "[no output]"


def _in_words(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type} {block.mime_type}, {_kilobytes(len(block.data) * 3 // 4)}]"
        case types.ResourceLink():
            return f"[resource {block.name}: {block.uri}]"
        case types.EmbeddedResource():
            return _resource_in_words(block.resource)
        case _:
            assert_never(block)


def _resource_in_words(resource: types.TextResourceContents | types.BlobResourceContents) -> str:
    match resource:
        case types.TextResourceContents():
            return resource.text
        case types.BlobResourceContents():
            return f"[resource {resource.uri}, {resource.mime_type or 'unknown type'}, {_kilobytes(len(resource.blob) * 3 // 4)}]"
        case _:
            assert_never(resource)


def progressed(done: float, total: float | None, message: str | None) -> str:
    """How far a call has come: `3 of 10: indexing`."""
    far = f"{done:g} of {total:g}" if total else f"{done:g}"
    return f"{far}: {message}" if message else far


def cut(text: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """The text, or its beginning and a mark that says how much is missing."""
    data = text.encode()
    if len(data) <= bytes_max:
        return text
    return f"{data[:bytes_max].decode(errors='ignore')}\n[cut: {_kilobytes(bytes_max)} of {_kilobytes(len(data))} are shown]"


def _kilobytes(size: int) -> str:
    return f"{max(1, round(size / 1024))} kB"
