"""What only the door may ask: whoever can open the socket may have files written on this machine, and conversations erased; a browser may not."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast import errors
from holdfast.ports import Keeper
from holdfast.web.bodies import decoded, json
from holdfast.web.wire import BackUp, too_long

BODY_BYTES_MAX: Final = 10_000


def keeping_routes(keeper: Keeper) -> list[Route]:
    async def back_up(request: Request) -> Response:
        asked = await decoded(request, BackUp, BODY_BYTES_MAX, too_long(), '{"file": "/a/whole/path"}')
        if not Path(asked.file).is_absolute():
            raise errors.Request(f"{asked.file!r} is no whole path: the gateway is at home in another folder than you. Begin it with /.")
        return json(await keeper.back_up(Path(asked.file)))

    async def vacuum(request: Request) -> Response:  # noqa: ARG001 the signature is starlette's
        return json(await keeper.vacuum())

    async def forget(request: Request) -> Response:
        return json(await keeper.forget(request.path_params["key"]))

    return [
        Route("/v1/backups", back_up, methods=["POST"]),
        Route("/v1/vacuum", vacuum, methods=["POST"]),
        Route("/v1/conversations/{key:path}", forget, methods=["DELETE"]),
    ]
