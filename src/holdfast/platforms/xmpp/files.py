"""Files in XMPP are links: ours are uploaded to the server first (XEP-0363), those of others are fetched from wherever their link leads.

Only over HTTPS, with a good certificate, without following where it is led on, and never into the network that the gateway is in: unless it leads to our own
server.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from holdfast.core.entries import Attachment, Produced
from holdfast.errors import Request, Temporary
from holdfast.platforms.asking import Failure, Http
from holdfast.platforms.xmpp import wire
from holdfast.platforms.xmpp.stream import Refused, Stream
from holdfast.ports import Files

FILE_S_MAX: Final = 120.0
RETRY_S: Final = 60.0
_HEADERS: Final = frozenset({"authorization", "cookie", "expires"})
"""What a server may have us say when we upload."""


async def upload(stream: Stream, service: str, files: Files, produced: Produced, *, here: bool) -> str:
    """The link to it. Raises `Temporary`, `Request`, or as `Stream.ask`."""
    data = await files.read(produced.sha256)
    media_type = produced.media_type or "application/octet-stream"
    asked = wire.element(wire.UPLOAD, "request", filename=produced.name, size=str(len(data)), content_type=media_type)
    asked.attrib["content-type"] = asked.attrib.pop("content_type")
    try:
        slot = wire.child(await stream.ask("get", asked, service), wire.UPLOAD, "slot")
    except Refused as refused:
        if refused.condition == "not-acceptable":
            raise Request(f"{produced.name} is too large for the server.") from refused
        raise
    put, link = wire.child(slot, wire.UPLOAD, "put"), wire.attribute(wire.child(slot, wire.UPLOAD, "get"), "url")
    url = wire.attribute(put, "url")
    if not url.startswith("https://") and not (here and url.startswith("http://")):
        raise Request(f"The server takes {produced.name} only without encryption. Its administrator can mend that.")
    headers = {one.get("name", ""): (one.text or "").replace("\n", "") for one in (() if put is None else put)}
    headers = {name: value for name, value in headers.items() if name.casefold() in _HEADERS} | {"content-type": media_type}
    http = Http(url[: url.index("/", len("https://"))] if "/" in url[len("https://") :] else url)
    try:
        response, _ = await http.ask("PUT", _path(url), FILE_S_MAX, content=data, headers=headers)
    except Failure as failure:
        raise Temporary(f"{produced.name} could not be uploaded to {http.host}: {failure}.", RETRY_S) from None
    finally:
        await http.close()
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise Temporary(f"{produced.name} could not be uploaded to {http.host}: status {response.status_code}.", RETRY_S)
    if not response.is_success:
        raise Request(f"{http.host} does not take {produced.name}: status {response.status_code}.")
    return link


async def service_for_files(stream: Stream) -> str:
    """Where the server takes files; "" if it takes none. Raises as `Stream.ask`."""
    answer = await stream.ask("get", wire.element(wire.DISCO_ITEMS, "query"), stream.domain)
    items = [one.get("jid", "") for one in answer.iter(f"{{{wire.DISCO_ITEMS}}}item")]
    for jid in [stream.domain, *items]:
        try:
            about = await stream.ask("get", wire.element(wire.DISCO_INFO, "query"), jid)
        except Refused:
            continue
        if any(one.get("var") == wire.UPLOAD for one in about.iter(f"{{{wire.DISCO_INFO}}}feature")):
            return jid
    return ""


async def fetch(files: Files, attachment: Attachment, domain: str, *, here: bool) -> str:
    """The sha256 of the file that the link leads to. `domain` is our server's, `here`: it is on this machine. Raises `Temporary` or `Request`."""
    url = attachment.source
    http = Http(await _checked(url, attachment.name, domain, here=here))
    try:
        return await files.put(_pieces(http, url, attachment.name))
    except Failure as failure:
        raise Temporary(f"{attachment.name} can't be had from {http.host} now: {failure}.") from None
    finally:
        await http.close()


async def _pieces(http: Http, url: str, name: str) -> AsyncIterator[bytes]:
    async with http.asked("GET", _path(url), FILE_S_MAX) as response:
        status = response.status_code
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Temporary(f"{name} can't be had from {http.host} now: status {status}.")
        if status != HTTPStatus.OK:
            raise Request(f"{http.host} does not give {name}: status {status}. Send it again.")
        async for piece in response.aiter_bytes():
            yield piece


async def _checked(url: str, name: str, domain: str, *, here: bool) -> str:
    """Scheme and host, if it may be fetched from there."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Request(f"{name} can't be had: its link is none.") from None
    if parts.scheme == "aesgcm":
        raise Request(f"{name} is encrypted (OMEMO). Turn encryption off in this chat, and send it again.")
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if here and parts.scheme in {"http", "https"} and host in {"localhost", "127.0.0.1", "::1", domain}:
        return where
    if parts.scheme != "https" or not host:
        raise Request(f"{name} can't be had: only links that begin with https:// are followed.")
    if not f".{host}".endswith(f".{domain}") and not await _is_public(host, port or 443, name):
        raise Request(f"{name} can't be had: its link leads into a private network.")
    return where


async def _is_public(host: str, port: int, name: str) -> bool:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Temporary(f"{name} can't be had now: {host} is not found ({error.strerror}).") from None
    return all(ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_global for one in found)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
