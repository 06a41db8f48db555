"""`holdfast queue`: what is owed and not done yet, the longest first. Asks the gateway; while that is stopped, reads the journal."""

from __future__ import annotations

import argparse
import shutil
import time
from textwrap import fill
from typing import Final

from holdfast import cli
from holdfast.cli.kept import Nothing, kept
from holdfast.cli.output import clock, columns, print_json, standing
from holdfast.cli.place import accounts_of, data_dir_of
from holdfast.cli.screen import plain
from holdfast.core.words import span

HEAD: Final = ("CONVERSATION", "SINCE", "FOR", "STATE")
INDENT: Final = "    "
ROWS_MAX: Final = 200


def run(arguments: argparse.Namespace) -> int:
    try:
        with kept(data_dir_of(arguments), accounts=accounts_of(arguments)) as conversations:
            rows = conversations.owing(ROWS_MAX)
    except Nothing:
        rows = ()
    now = time.time()
    if arguments.json:
        print_json(rows)
    elif not rows:
        print("Nothing is owed: everything is answered, and nobody is asked.")
    else:
        head, *table = columns([HEAD, *((row.name, clock(row.owes_since, now), span(now - row.owes_since), row.state) for row in rows)])
        print(head)
        for row, line in zip(rows, table, strict=True):
            print(line)
            print(fill(plain(standing(row)), shutil.get_terminal_size().columns, initial_indent=INDENT, subsequent_indent=INDENT))
        if len(rows) == ROWS_MAX:
            print(f"These are the {ROWS_MAX} that have waited longest; there may be more.")
    return cli.ANSWERED
