"""The page: a static shell and its files, the same for everybody. What is shown in it comes through the API, after the login.

    GET /                  the shell
    GET /assets/{path}     scripts, style, picture
    GET /worker.js         what keeps these in the browser: it may do so for the folder that it lies in

There is no build step: what lies in `assets/` is what is served, each file with an ETag, asked for anew at each load and sent only if it has changed.
Whoever serves the port adds `HEADERS` to every response, refusals and API included.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ASSETS: Final = Path(__file__).parent / "assets"

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""A file of another kind is not served."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page, as it is sent."""

    body: bytes
    content_type: str
    etag: str


def page_routes() -> list[Route]:
    """The routes of the shell and its files, all of them read now. They need no login, and hold no secret."""
    assets = {path.relative_to(ASSETS).as_posix(): _asset(path) for path in ASSETS.rglob("*") if path.suffix in CONTENT_TYPES}

    async def shell(request: Request) -> Response:
        return _send(request, assets["index.html"])

    async def worker(request: Request) -> Response:
        return _send(request, assets["worker.js"])

    async def file(request: Request) -> Response:
        asset = assets.get(request.path_params["path"])
        if asset is None:
            raise HTTPException(404, "The page has no such file.")
        return _send(request, asset)

    served = {"/": shell, "/worker.js": worker, "/assets/{path:path}": file}
    return [Route(path, answer, methods=["GET"]) for path, answer in served.items()]


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, CONTENT_TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _send(request: Request, asset: Asset) -> Response:
    headers = {"cache-control": "no-cache", "etag": asset.etag}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, headers={**headers, "content-type": asset.content_type})
