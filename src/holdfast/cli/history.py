"""What was typed in terminals before: one JSON text a line, in a file that only its owner may read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History

TEXTS_MAX: Final = 1_000


class TypedBefore(History):
    """A comfort: where the file can't be read or written, what is typed is remembered as long as the terminal is open."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._lines = self._read()
        if len(self._lines) > 2 * TEXTS_MAX:
            self._lines = self._lines[-TEXTS_MAX:]
            self._write("".join(self._lines), os.O_TRUNC)

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        for line in reversed(self._lines[-TEXTS_MAX:]):
            try:
                text = json.loads(line)
            except ValueError:
                continue  # half a line: the disk was full
            if isinstance(text, str):
                yield text

    def store_string(self, string: str) -> None:
        self._write(json.dumps(string) + "\n", os.O_APPEND)

    def _read(self) -> list[str]:
        try:
            return self._path.read_text(errors="replace").splitlines(keepends=True)
        except OSError:
            return []

    def _write(self, text: str, how: int) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | how, 0o600)
        except OSError:
            return
        try:
            os.fchmod(file, 0o600)
            os.write(file, text.encode())
        except OSError:
            pass  # see above
        finally:
            os.close(file)
