"""What tools ask, how far they have come and what they bring, on a terminal, before a real gateway."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from holdfast.testing.process import toolserver_table

TOOLS = Path(__file__).parents[1] / "tools"
FORM = {"type": "object", "properties": {"name": {"type": "string", "title": "Whose name"}}, "required": ["name"]}
ASKS = "use asking__ask " + json.dumps({"params": {"message": "Whom is the parcel for?", "requestedSchema": FORM}})


def servers(home: Any) -> str:
    """Our own, one that asks, and one that makes files."""

    def server(name: str) -> str:
        return f'[tools.{name}]\ncommand = {json.dumps([sys.executable, str(TOOLS / f"{name}_server.py")])}\npolicy = "allow"\n'

    return toolserver_table(home.folder / "effects") + server("asking") + server("file")


def on_screen(text: str) -> Any:
    return lambda terminal: text in "\n".join(terminal.screen.lines)


def off_screen(text: str) -> Any:
    return lambda terminal: text not in "\n".join(terminal.screen.lines)


def test_a_question_is_answered_in_ones_own_words(home: Any) -> None:
    home.start_real(servers(home))
    with home.terminal(rows=40) as terminal:
        terminal.until("Enter sends")
        terminal.type(f"{ASKS}\r")
        terminal.until("    /choose 4 YOUR ANSWER")
        terminal.until(on_screen("Waiting for your answer to a question."))
        terminal.type("Ada\r")
        terminal.until("is no answer to")
        terminal.type("/ch")
        terminal.until(on_screen("write an answer to: asking asks"))
        terminal.type("\t")
        terminal.until(on_screen("> /choose 4"))
        terminal.type("Ada Lovelace\r")
        terminal.until("Holdfast: Noted: Ada Lovelace.")
        terminal.until('"name": "Ada Lovelace"')


def test_an_answer_that_is_typed_while_the_gateway_is_away_arrives(home: Any) -> None:
    gateway = home.start_real(servers(home))
    with home.terminal(rows=40) as terminal:
        terminal.until("Enter sends")
        terminal.type(f"{ASKS}\r")
        terminal.until("    /choose 4 YOUR ANSWER")
        home.kill(gateway)
        terminal.until("Nothing is lost; I reconnect by myself.")
        terminal.type("/choose 4 Ada\r")
        terminal.until("(not sent yet)")
        home.start_real(servers(home))
        terminal.until(lambda terminal: "is closed already; nothing has changed." in terminal.text or "Noted: Ada." in terminal.text)
        terminal.until("was interrupted; whether it happened is not known")


def test_how_far_a_call_has_come_stands_above_the_prompt_while_it_runs(home: Any) -> None:
    home.start_real(servers(home))
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type('use t__slow {"seconds": 2}\r')
        terminal.until(on_screen("· t__slow: "))
        assert " of 2" in terminal.text
        terminal.until("· t__slow: took 2 s")
        terminal.until(off_screen(" of 2"))
        assert " of 2" not in terminal.text, "it stands nowhere for good"


def test_what_a_tool_made_is_told_with_the_way_to_get_it(home: Any, monkeypatch: Any) -> None:
    home.start_real(servers(home))
    with home.terminal() as terminal:
        terminal.until("Enter sends")
        terminal.type("use file__report {}\r")
        terminal.until("· report.pdf (15 bytes): `holdfast show terminal --save ")
        seq = terminal.text.partition("--save ")[2].partition("`")[0]
    monkeypatch.chdir(home.folder)
    assert home.holdfast("show", "terminal", "--save", seq).stdout == b"report.pdf (15 bytes)\n"
    assert (home.folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert b"with the file report.pdf (15 bytes)" in home.holdfast("show", "terminal").stdout
    refused = home.holdfast("show", "--save", seq)
    assert (refused.returncode, refused.stdout) == (2, b"") and b"Say which conversation" in refused.stderr


def test_a_question_that_was_closed_says_in_the_history_how(home: Any) -> None:
    home.start_real(servers(home).replace('policy = "allow"', 'policy = "ask"', 1))
    home.holdfast("chat", "-q", 'use t__count {"key": "a"}')
    home.holdfast("chat", "-q", "/stop")
    with home.terminal() as terminal:
        terminal.until("“May I run t__count?” needs no answer any more: it was not run.")
        assert "To answer:" not in terminal.text
