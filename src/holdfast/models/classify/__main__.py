"""`python -m holdfast.models.classify`: what kind of failure an outcome is, for people who wonder why something waits.

Each line in is a JSON object: `status` (null: no answer), `headers`, `body` (of a stream: its raw text so far), `transport` (`reset`, `eof-clean`),
`exception` ("Type: text"), `dialect`, `worked_before`; each may be absent. Each line out: `{"class": ..., "retry_after_s": ..., "reason": ...}`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from typing import Any, Final, Literal

from holdfast.core.failure import Failure
from holdfast.models.classify import classify
from holdfast.ports import RawFailure

_ENDS: Final[dict[Any, Literal["reset", "eof-clean"]]] = {"reset": "reset", "eof-clean": "eof-clean"}


def outcome(line: str) -> tuple[RawFailure, bool]:
    """The outcome that a line describes, and whether the endpoint had worked before. Raises `ValueError`."""
    try:
        given = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(given, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 -- its reader is a person with a file, not a caller
    status, headers, body = given.get("status"), given.get("headers"), given.get("body")
    pairs = headers.items() if isinstance(headers, dict) else [pair for pair in headers or () if isinstance(pair, list) and len(pair) == 2]
    transport = given.get("transport")
    failure = RawFailure(
        why="",
        status=int(status) if status not in {None, ""} else None,
        headers=tuple((str(name), str(value)) for name, value in pairs),
        body=body if isinstance(body, str) else "" if body is None else json.dumps(body),
        transport=_ENDS.get(transport if isinstance(transport, str) else "", ""),
        exception=str(given.get("exception") or ""),
    )
    if failure.status is None and not failure.exception and not failure.transport:
        raise ValueError("neither a status nor an exception")
    return failure, bool(given.get("worked_before"))


def judged(line: str) -> Failure:
    try:
        failure, worked_before = outcome(line)
    except (ValueError, TypeError, OverflowError) as error:
        return Failure("unknown", None, f"This line is not an outcome: {error}.")
    return classify(failure, worked_before=worked_before, now=time.time())


def main(lines: Iterable[str]) -> int:
    for line in lines:
        if line.strip():
            failure = judged(line)
            told = {"class": failure.kind, "retry_after_s": failure.retry_after_s, "reason": failure.reason}
            sys.stdout.write(json.dumps(told, ensure_ascii=True) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(line.decode("utf-8", "replace") for line in sys.stdin.buffer))
