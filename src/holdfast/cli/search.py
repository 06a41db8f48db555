"""`holdfast search WORDS`: the conversations in which this was said, with the words around it. Asks the gateway; while that is stopped, reads the journal."""

from __future__ import annotations

import argparse

from holdfast import cli
from holdfast.cli.kept import Nothing, kept
from holdfast.cli.output import columns, print_json, when
from holdfast.cli.place import data_dir_of
from holdfast.cli.screen import plain
from holdfast.errors import Request


def run(arguments: argparse.Namespace) -> int:
    text = " ".join(arguments.words).strip()
    if not text:
        raise Request("Say what to look for.")
    try:
        with kept(data_dir_of(arguments)) as conversations:
            found = conversations.search(text)
    except Nothing:
        found = ()
    if arguments.json:
        print_json(found)
    elif not found:
        print(plain(f"Nobody has said “{text}” here."))
    else:
        print(
            "\n".join(columns([("CONVERSATION", "LAST ACTIVITY", "SAID"), *((row.name, when(row.last_at), row.excerpt) for row in found)]))
        )
    return cli.ANSWERED
