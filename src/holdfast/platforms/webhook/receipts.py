"""What became of a call to a program, by what it answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from holdfast.ports import Receipt


def receipt(status: int, headers: Mapping[str, str], id_: str) -> Receipt:
    """`id_`: the key, by which the program knows what it has."""
    why = f"callback_url answered with status {status}"
    match status:
        case _ if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Receipt(id=id_)
        case HTTPStatus.GONE:
            return Receipt("retry", why=why, account="stopped")
        case HTTPStatus.FORBIDDEN:
            return Receipt("blocked", why=why)
        case HTTPStatus.TOO_MANY_REQUESTS:
            said = headers.get("retry-after", "")
            return Receipt("retry", why=why, retry_after_s=float(said) if said.isdecimal() else None)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return Receipt("retry", why=f"{why}: is it the right address, and the right secret?", account="away")
        case _ if status < HTTPStatus.BAD_REQUEST:
            return Receipt("retry", why=f"{why}, which leads elsewhere: give the address that answers itself", account="away")
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_EARLY:
            return Receipt("unknown", why=why)
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Receipt("unknown", why=why)
        case _:
            return Receipt("refused", why=why)
