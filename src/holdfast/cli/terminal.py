"""`holdfast chat` on a terminal: a conversation, with a prompt that stays usable while an answer is written.

Above the prompt stands what is said for good (`telling` decides what and when); right above the line one types, live, what is still being
written and what is not yet said; below it, how things stand. Four tasks: the application, one that follows the conversation, one that sends, and one
that learns which models there are.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import textwrap
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import BufferControl, Dimension, Float, FloatContainer, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar

from holdfast import cli
from holdfast.cli.async_client import AsyncClient
from holdfast.cli.client import Away, Event, Missing
from holdfast.cli.completion import Commands, models
from holdfast.cli.history import TypedBefore
from holdfast.cli.markdown import MARK, Paper, finished
from holdfast.cli.outbox import PAUSE_S, PAUSE_S_MAX, Outbox
from holdfast.cli.output import clock
from holdfast.cli.screen import plain
from holdfast.cli.telling import Said, Telling
from holdfast.core.entries import Choice, Command, Entry, UserMessage
from holdfast.errors import HoldfastError, Request
from holdfast.invoked import command
from holdfast.web.wire import Progress, Stands, Writing, check_text, conversation_key

ENTRIES_AT_START: Final = 60
LAST_TRY_S: Final = 2.0
"""How long leaving waits for what is just being sent."""
REDRAW_S_MIN: Final = 0.04
MENU_ROWS: Final = 16
PENDING_MAX: Final = 4
ASKING: Final = "Waiting for your answer to a question."

STYLE: Final = Style.from_dict(
    {
        "prompt": "bold ansicyan",
        "status": "dim",
        "status.away": "nodim bold ansiyellow",
        "completion-menu": "bg:default noreverse",
        "completion-menu.completion": "bg:default fg:default",
        "completion-menu.completion.current": "bg:default fg:default reverse",
        "completion-menu.meta.completion": "bg:default fg:default dim",
        "completion-menu.meta.completion.current": "bg:default fg:default reverse",
        "scrollbar.background": "bg:default",
        "scrollbar.button": "bg:default reverse",
    }
)


def run(door: Path, name: str, history: Path) -> int:
    """Talk until the person leaves. Returns the exit code."""
    try:
        return asyncio.run(_run(door, name, history))
    except* HoldfastError as group:
        raise group.exceptions[0] from None


async def _run(door: Path, name: str, history: Path) -> int:
    client = AsyncClient(door)
    try:
        return await Terminal(client, name, TypedBefore(history)).run()
    finally:
        await client.close()


class Terminal:
    """One conversation on one terminal."""

    def __init__(self, client: AsyncClient, name: str, history: TypedBefore) -> None:
        self._client = client
        self._name = name
        self._key = conversation_key(name)
        self._telling = Telling(finished, name)
        self._paper = Paper()
        self._outbox = Outbox(client, name, self._refused, self._redraw)
        self._shown: Said | None = None  # what stands above the prompt last
        self._stands: Stands | None = None
        self._away = ""
        self._began = asyncio.Event()
        self._connecting = asyncio.Event()
        self._models: list[tuple[str, str]] = []
        self._hint = "Enter sends, Alt+Enter begins a new line, / lists commands, Ctrl+D leaves."
        self._buffer = Buffer(
            multiline=True,
            history=history,
            completer=Commands(self._telling.open_questions, lambda: self._models),
            complete_while_typing=Condition(lambda: self._buffer.text.startswith("/")),
            on_text_changed=self._typed,
        )
        self._app = self._application()

    async def run(self) -> int:
        """Talk until the person leaves. Returns the exit code."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._leave)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(work) for work in (self._follow(), self._send(), self._learn())]
            with suppress(EOFError):  # the terminal is gone
                await self._app.run_async(set_exception_handler=False)
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if self._away else LAST_TRY_S):
                    await self._outbox.empty()
            for task in beside:
                task.cancel()
        return self._farewell()

    # --- what comes ------------------------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        pause_s = PAUSE_S
        while True:
            try:
                if not self._began.is_set():
                    self._say(self._telling.begin(await self._client.newest(self._key, ENTRIES_AT_START)))
                    self._began.set()
                self._connecting.set()
                async for event in self._client.events(self._key, self._telling.last):
                    pause_s, self._away = PAUSE_S, ""
                    self._take(event)
                self._lost("The gateway stopped.")
            except Away as away:
                self._lost(str(away))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    async def _send(self) -> None:
        await self._began.wait()  # so that what was said before comes before what is said now
        await self._outbox.run()

    async def _learn(self) -> None:
        """Which names `/model` takes. Asked whenever the gateway may be another one: only a start changes them."""
        while True:
            await self._connecting.wait()
            self._connecting.clear()
            with suppress(Away, Missing):
                self._models = models(await self._client.routes())

    def _take(self, event: Event | None) -> None:
        match event:
            case Entry():
                if isinstance(event.body, UserMessage | Command | Choice):
                    self._outbox.seen(event.body.id)
                self._say(self._telling.see(event))
            case Writing():
                self._say(self._telling.write(event))
            case Progress():
                self._telling.progress(event)
            case Stands():
                self._stands = event
            case None:
                pass
        self._redraw()

    def _lost(self, why: str) -> None:
        self._away, self._stands = f"{why} Nothing is lost; I reconnect by myself.", None
        self._telling.lost()
        self._redraw()

    def _say(self, said: Sequence[Said]) -> None:
        """Put this above the prompt, for good."""
        if not said:
            return
        text = self._paper.said(said, self._shown, self._columns)
        self._shown = said[-1]
        self._app.renderer.erase()
        self._app.output.write_raw(text.replace("\n", "\r\n"))
        self._app.output.flush()
        self._redraw()

    def _refused(self, text: str, why: str) -> None:
        self._say([Said("you", text), Said("gateway", f"Not sent: {why}")])

    # --- what is typed ---------------------------------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        keys.add("enter", filter=~is_searching)(lambda _: self._enter())
        keys.add("escape", "enter")(lambda _: self._buffer.insert_text("\n"))
        keys.add("c-j")(lambda _: self._buffer.insert_text("\n"))
        keys.add("c-c", filter=~is_searching)(lambda _: self._interrupt())
        keys.add("<sigint>")(lambda _: self._interrupt())
        keys.add("c-d", filter=Condition(lambda: not self._buffer.text))(lambda _: self._leave())
        keys.add("c-z")(lambda event: event.app.suspend_to_background())
        return keys

    def _enter(self) -> None:
        if self._buffer.document.text_before_cursor.endswith("\\"):
            self._buffer.delete_before_cursor()
            self._buffer.insert_text("\n")
            return
        text = self._buffer.text.encode(errors="surrogateescape").decode(errors="replace")
        if not text.strip():
            return
        try:
            check_text(text)
            self._outbox.put(text)
        except Request as refusal:
            self._hint = str(refusal)
        else:
            self._buffer.reset(append_to_history=True)
            self._hint = ""

    def _interrupt(self) -> None:
        if self._buffer.text:
            self._buffer.reset()
        elif self._is_at_work:
            self._hint = "The answer goes on. /stop stops it, Ctrl+D leaves."
        else:
            self._hint = "Ctrl+D leaves."
        self._redraw()

    def _typed(self, _: Buffer) -> None:
        self._hint = ""

    def _leave(self) -> None:
        if self._app.is_running and not self._app.is_done:
            self._app.exit()

    # --- what is seen ----------------------------------------------------------------------------------------------------------------

    def _application(self) -> Application[None]:
        search = SearchToolbar()
        output = Vt100_Output.from_pty(sys.stdout, term=os.environ.get("TERM"))
        output.enable_cpr = False  # nothing here depends on where the cursor is, and some terminals never tell
        above = Window(FormattedTextControl(self._above), dont_extend_height=True)
        typed = Window(
            BufferControl(self._buffer, search_buffer_control=search.control, preview_search=True),
            height=self._typed_height,
            get_line_prefix=self._prefix,
            wrap_lines=True,
            dont_extend_height=True,
        )
        below = Window(FormattedTextControl(self._below), style="class:status", wrap_lines=True, dont_extend_height=True)
        menu = Float(CompletionsMenu(max_height=MENU_ROWS), xcursor=True, ycursor=True)
        return Application(
            layout=Layout(FloatContainer(HSplit([above, typed, search, below]), [menu]), typed),
            key_bindings=self._keys(),
            style=STYLE,
            erase_when_done=True,
            color_depth=ColorDepth.from_env(),  # which respects NO_COLOR
            min_redraw_interval=REDRAW_S_MIN,
            output=output,
        )

    @property
    def _columns(self) -> int:
        return self._app.output.get_size().columns

    @property
    def _is_at_work(self) -> bool:
        return self._telling.owes or bool(self._outbox.unsaved or self._outbox.saved)

    def _typed_height(self) -> Dimension:
        rows = self._app.output.get_size().rows
        menu = self._buffer.complete_state
        least = 1 + min(len(menu.completions), MENU_ROWS) if menu else 1
        return Dimension(min=min(least, rows - 2), max=max(least, rows // 2))

    def _prefix(self, line: int, wrapped: int) -> StyleAndTextTuples:
        return [("class:prompt", MARK if line == wrapped == 0 else "  ")]

    def _above(self) -> ANSI:
        """What is being written, and what waits to be said or sent."""
        columns, rows = self._columns, self._app.output.get_size().rows
        tail = self._paper.tail(self._telling.tail, columns, max(1, rows // 2 - 2)) if self._telling.tail.strip() else []
        pending = [
            *((text, "saved, next") for text in self._telling.held),
            *((text, "saved") for text in self._outbox.saved),
            *((text, "not sent yet" if self._away else "sending") for text in self._outbox.unsaved),
        ]
        if len(pending) > PENDING_MAX:
            pending = [*pending[: PENDING_MAX - 1], ("…", f"and {len(pending) - PENDING_MAX + 1} more")]
        lines = [""] if self._shown else []
        lines += [*tail, ""] if tail else []
        under_way = self._paper.under_way(self._telling.under_way[:PENDING_MAX], columns)
        lines += [*under_way, ""] if under_way else []
        lines += [*self._paper.pending(pending, columns), ""] if pending else []
        return ANSI("\n".join(lines))

    def _below(self) -> StyleAndTextTuples:
        """How things stand."""
        if self._away:
            stands = ("class:status.away", self._away)
        elif self._hint and not (self._stands and self._stands.held):
            stands = ("", "")
        else:
            words = (
                ASKING
                if self._telling.asks and self._stands and not self._stands.held
                else self._stands.words
                if self._stands
                else "Connected."
                if self._began.is_set()
                else "Connecting."
            )
            stands = ("", f"{self._name} · {words}{self._next()}")
        said = [(style, textwrap.fill(plain(text), self._columns - 1)) for style, text in (stands, ("", self._hint)) if text]
        return [said[0], *((style, f"\n{text}") for style, text in said[1:])]

    def _next(self) -> str:
        """What happens next, or can be done, behind the words about how things stand."""
        match self._stands:
            case Stands(state="working"):
                return " /stop stops it."
            case Stands(state="waiting", until=until) if until:
                return f" Next try: {clock(until, time.time())}."
            case _:
                return ""

    def _redraw(self) -> None:
        self._app.invalidate()

    # --- the end ---------------------------------------------------------------------------------------------------------------------

    def _farewell(self) -> int:
        """What is to be known when one leaves; returns the exit code."""
        said = self._telling.leave()
        unsaved = self._outbox.unsaved
        if unsaved:
            said.append(Said("beside", "The gateway has not said that it has what follows. Next time, Up brings it back:"))
            said += [Said("you", text) for text in unsaved]
        elif self._is_at_work:
            again = "" if self._name == cli.TERMINAL else f" --conversation {shlex.quote(self._name)}"
            said.append(Said("beside", f"The turn goes on in the gateway. `{command('chat')}{again}` shows how."))
        print(self._paper.said(said, self._shown, self._columns), end="")
        return cli.AWAY if unsaved else cli.ANSWERED
