"""`holdfast chat`: a conversation on a terminal (`terminal`), or with `-q TEXT` one message and its answer (here).

The message is sent under a key of its own until the gateway says that it is on disk; then the conversation is followed, across restarts of
the gateway, until the turn is over.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar, assert_never

from holdfast import cli
from holdfast.cli.client import Away, Client, NotRunning
from holdfast.cli.place import data_dir_of, door_of, wrong_with
from holdfast.cli.screen import Screen
from holdfast.cli.watch import Action, Answer, Dropped, End, Note, Replied, Reply, Watch
from holdfast.core.commands import parse
from holdfast.core.entries import Entry
from holdfast.errors import Config, Request
from holdfast.invoked import command
from holdfast.web.wire import AUTHOR, MESSAGE_BYTES_MAX, Post, Progress, Saved, Stands, Writing, check_text, conversation_key

SILENT_S: Final = 0.5
PAUSE_S: Final = 0.05
PAUSE_S_MAX: Final = 1.0
EXITS: Final = {"answered": cli.ANSWERED, "asks": cli.ASKS, "stopped": cli.STOPPED}

HISTORY: Final = "typed"
"""In the data folder: what was typed on terminals."""

T = TypeVar("T")


def run(arguments: argparse.Namespace) -> int:
    conversation_key(arguments.conversation)
    if arguments.text is None:
        return _on_terminal(arguments)
    if not 0 <= arguments.wait_s < math.inf:
        raise Request("`--wait` takes a number of seconds, 0 or more.")
    text = _text(arguments.text)
    check_text(text)
    data_dir, door = _places(arguments)
    client = Client(door)
    if wrong_with(arguments) and not client.is_there():
        raise Config(
            f"None runs on {data_dir}, so your message was not saved. Send it again once the configuration is mended and one runs."
        )
    chat = _Chat(client, arguments.conversation, Screen(sys.stdout, sys.stderr), arguments.wait_s)
    try:
        return chat.run(text)
    except KeyboardInterrupt:
        chat.say_where_it_stands()
        return cli.INTERRUPTED


def _on_terminal(arguments: argparse.Namespace) -> int:
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise Request(f'A conversation needs a terminal. For one message and its answer: {command("chat")} -q "Hello"')
    data_dir, door = _places(arguments)
    from holdfast.cli import terminal  # noqa: PLC0415 its libraries take longer than the rest of the start

    return terminal.run(door, arguments.conversation, data_dir / HISTORY)


def _places(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """The data folder, and the door."""
    data_dir = data_dir_of(arguments)
    return data_dir, door_of(data_dir)


def _text(argument: str) -> str:
    """The message: the argument, or with `-` the input."""
    if argument == "-":
        raw = sys.stdin.buffer.read(MESSAGE_BYTES_MAX + 2)
        return raw.decode(errors="replace").rstrip("\n")
    return argument.encode(errors="surrogateescape").decode(errors="replace")


class _Patience:
    """How long a gateway that is away is waited for, and what is said about it."""

    def __init__(self, screen: Screen, wait_s: float) -> None:
        self._screen = screen
        self._wait_s = wait_s
        self.back()

    def back(self) -> None:
        self._since = 0.0
        self._said = False
        self._pause_s = PAUSE_S

    def wait(self, away: Away) -> None:
        """Wait a little. Raises `Away` when it has been enough."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since >= self._wait_s:
            raise Away(f"{away} I waited {self._wait_s:g} s for it.") from away
        if now - self._since >= min(SILENT_S, self._wait_s / 2) and not self._said:
            self._said = True
            self._screen.note(
                f"The gateway is not answering; I'll go on when it is back (waiting up to {self._wait_s:g} s). If it was not started: `{command('run')}`."
            )
        time.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, PAUSE_S_MAX)

    def until(self, ask: Callable[[], T]) -> T:
        """What `ask` gives, once the gateway answers."""
        while True:
            try:
                given = ask()
            except Away as away:
                self.wait(away)
            else:
                self.back()
                return given


class _Chat:
    def __init__(self, client: Client, name: str, screen: Screen, wait_s: float) -> None:
        self._client = client
        self._name = name
        self._key = conversation_key(name)
        self._screen = screen
        self._wait_s = wait_s
        self._patience = _Patience(screen, wait_s)
        self._reached = False  # has the message, or a part of it, gone to a gateway?
        self._accepted = False
        self._held = ""  # why nobody works on it now, in words,
        self._held_since = 0.0  # and since when

    def run(self, text: str) -> int:
        post = Post(key=str(uuid.uuid4()), text=text)
        saved = self._sent(post)
        self._accepted = True
        watch = Watch(saved.seq, parse(text, AUTHOR, post.key), self._name)
        while True:
            try:
                code = self._follow(watch)
            except Away as away:
                self._wait(away)
            else:
                if code is not None:
                    return code
                self._wait(Away("The gateway stopped."))

    def _sent(self, post: Post) -> Saved:
        def send() -> Saved:
            try:
                return self._client.send(self._name, post)
            except NotRunning:
                raise
            except Away:
                self._reached = True
                raise

        try:
            return self._patience.until(send)
        except Away as enough:
            raise Away(f"{enough} {self._unsaved()}") from enough

    def _wait(self, away: Away) -> None:
        try:
            self._patience.wait(away)
        except Away as enough:
            raise Away(f"{enough} {self._saved()}") from away

    def _follow(self, watch: Watch) -> int | None:
        """The exit code; None if the stream ended before the turn did."""
        growing = ""
        for event in self._client.events(self._key, watch.last):
            self._patience.back()
            match event:
                case None | Progress():
                    pass
                case Stands():
                    self._stands(event)
                case Writing():
                    growing = growing[: event.at] + event.text
                    if watch.expects_answers:
                        self._screen.writing(event.name, growing)
                case Entry():
                    for action in watch.see(event):
                        code = self._act(action, watch)
                        if code is not None:
                            return code
                case _:
                    assert_never(event)
            if self._held and time.monotonic() - self._held_since >= self._wait_s:
                self._screen.note(self._saved())
                return cli.AWAY
        return None

    def _stands(self, stands: Stands) -> None:
        """While nobody works on it, that is said, and waited for no longer than for a gateway that is away."""
        held = stands.words if stands.held else ""
        if held and not self._held:
            self._held_since = time.monotonic()
        if held and held != self._held:
            self._screen.note(f"{held} (Waiting for that for up to {self._wait_s:g} s.)" if self._wait_s else held)
        self._held = held

    def _act(self, action: Action, watch: Watch) -> int | None:
        match action:
            case Answer():
                self._screen.answer(action.name, action.text, action.late)
            case Reply():
                self._screen.reply(action.text)
            case Note():
                self._screen.note(action.text)
            case Dropped():
                self._screen.dropped()
            case Replied():
                for following in watch.after_reply(self._patience.until(lambda: self._client.entries(self._key))):
                    code = self._act(following, watch)
                    if code is not None:
                        return code
            case End():
                return EXITS[action.how]
            case _:
                assert_never(action)
        return None

    def say_where_it_stands(self) -> None:
        if self._accepted:
            name = shlex.quote(self._name)
            self._screen.note(
                f"The turn goes on in the gateway. `{self._show()}` tells how; `{command('chat')} --conversation {name} -q /stop` stops it."
            )
        else:
            self._screen.note(self._unsaved())

    def _saved(self) -> str:
        return f"Your message is saved and will be answered; read it later with `{self._show()}`."

    def _unsaved(self) -> str:
        if self._reached:
            return f"It has not said that it saved your message: look with `{self._show()}` whether it is there before you send it again."
        return "Your message was not saved: send it again when the gateway runs."

    def _show(self) -> str:
        return f"{command('show')} {shlex.quote(self._name)}"
