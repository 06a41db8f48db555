"""Files: taken from the page in one piece, and given back so that no browser runs them, whatever they are called and whatever is in them.

A file is served as what its first bytes say: a picture as one of four types that can't carry a script, everything else (also SVG, HTML and PDF) as bytes
to be saved. What the sender calls it, is only the name in the save dialogue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from holdfast import errors
from holdfast.core.entries import Attachment
from holdfast.core.files import FILE_BYTES_MAX, HEAD_BYTES, OTHER, is_picture, media_type_of
from holdfast.ports import Files
from holdfast.web.bodies import chunks, json
from holdfast.web.wire import FILES_MAX, Attached, TooLong, Uploaded, file_name

INERT: Final = {
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class FileDoor:
    """POST /v1/files and GET /v1/files/{sha256}."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def put(self, request: Request) -> Response:
        head, size = bytearray(), 0

        async def looked_at() -> AsyncIterator[bytes]:
            nonlocal size
            too_long = TooLong(f"The file is larger than {FILE_BYTES_MAX // 1024 // 1024} MB. Send a smaller one, or a part of it.")
            async for chunk in chunks(request, FILE_BYTES_MAX, too_long):
                size += len(chunk)
                head.extend(chunk[: HEAD_BYTES - len(head)])
                yield chunk

        sha256 = await self._files.put(looked_at())
        return json(Uploaded(sha256, media_type_of(bytes(head)), size))

    async def get(self, request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        etag = f'"{sha256}"'
        headers = {"cache-control": "private, no-cache", "etag": etag, **INERT}
        if request.headers.get("if-none-match") == etag:
            await self._files.head(sha256)
            return Response(status_code=304, headers=headers)
        data = await self._files.read(sha256)
        found = media_type_of(data[:HEAD_BYTES])
        headers["content-disposition"] = _saved_as(file_name(request.query_params.get("name", "")))
        return Response(data, headers=headers, media_type=found if is_picture(found) else OTHER)


async def attachments(files: Files, key: str, attached: tuple[Attached, ...]) -> tuple[Attachment, ...]:
    """The files of the message `key`, as entries have them. Raises `Request` if there are too many, or one is not here."""
    if len(attached) > FILES_MAX:
        raise errors.Request(f"A message takes at most {FILES_MAX} files. Send the others in another one.")
    return tuple([await _attachment(files, f"{key}/{index}", one) for index, one in enumerate(attached)])


async def _attachment(files: Files, id_: str, one: Attached) -> Attachment:
    name = file_name(one.name)
    try:
        head = await files.head(one.sha256)
    except errors.Request as error:
        raise errors.Request(f"The file {name} is not here (any more). Add it to the message again.") from error
    return Attachment(id=id_, name=name, media_type=media_type_of(head), source=one.sha256)


def _saved_as(name: str) -> str:
    """The header of RFC 6266: the name for old programs, in ASCII, and the true one."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in " ._-") else "_" for char in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
