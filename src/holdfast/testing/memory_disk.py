"""What the journal in memory keeps its rows in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from holdfast.core.entries import AssistantMessage, Command, Entry, Forgotten, Note, UserMessage, decode, encode
from holdfast.core.lives import Life
from holdfast.core.words import title
from holdfast.ports import ConversationRow, Cursor, Erased, GateRow, Person, Timer, ToolList


@dataclass
class Conversation:
    """A row of the table `conversation`, with its entries."""

    key: str
    account: str
    address: str
    owner: str | None = None
    epoch: int = 0
    wakes: int = 0
    due: float | None = None
    turn_gate: str = ""
    speech_gate: str = ""
    since: float = 0.0
    attempts: int = 0
    floor: int = 0
    asks: bool = False
    owes_since: float | None = None
    forgotten: int = 0
    """So many entries that there were have been erased."""
    entries: list[Entry] = field(default_factory=list)

    @property
    def row(self) -> ConversationRow:
        last = self.entries[-1]
        running = self.owner is not None
        return ConversationRow(
            self.key,
            self.account,
            last.seq,
            max(entry.at for entry in self.entries),
            running,
            self.due,
            self.turn_gate,
            self.speech_gate,
            self.attempts,
            self.asks,
            title(self._given or self._began),
            self.address,
            self.owes_since or 0.0,
        )

    @property
    def _given(self) -> str:
        return next((e.body.args for e in reversed(self.entries) if isinstance(e.body, Command) and e.body.name == "title"), "")

    @property
    def _began(self) -> str:
        began = next((e.body for e in self.entries[:100] if isinstance(e.body, UserMessage | Note) and e.body.text), None)
        return began.text if isinstance(began, UserMessage) else ""

    def add(self, body: object, at: float, epoch: int) -> Entry:
        """Append what a disk would give back."""
        entry = Entry(self.forgotten + len(self.entries) + 1, at, epoch, decode(encode(body)))  # type: ignore[arg-type] # the caller's is one of the bodies
        self.entries.append(entry)
        return entry


@dataclass
class MemoryDisk:
    """What survives a crash."""

    conversations: dict[str, Conversation] = field(default_factory=dict)
    arrivals: dict[str, tuple[str, int]] = field(default_factory=dict)
    forgotten: dict[str, tuple[str, int]] = field(default_factory=dict)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    gates: dict[str, GateRow] = field(default_factory=dict)
    tool_lists: dict[str, ToolList] = field(default_factory=dict)
    people: dict[tuple[str, str], Person] = field(default_factory=dict)
    lives: dict[float, Life] = field(default_factory=dict)
    unread: list[tuple[str, float, str]] = field(default_factory=list)

    def forget(self, key: str, now: float) -> Erased | None:
        """See `ports.Journal`."""
        row = self.conversations.get(key)
        if row is None:
            return None
        seq = row.forgotten + len(row.entries) + 1
        for dedupe in [dedupe for dedupe, (where, _) in self.arrivals.items() if where == key]:
            del self.arrivals[dedupe]
            self.forgotten[dedupe] = (key, seq)
        self.timers = {name: timer for name, timer in self.timers.items() if timer.arrival.conversation != key}
        chat = row.address.partition(" ")[0]
        self.unread = [one for one in self.unread if one[0] != row.account or chat not in one[2]]
        numbers = [entry.body.n for entry in row.entries if isinstance(entry.body, AssistantMessage | Forgotten)]
        anew = Conversation(key, row.account, row.address, epoch=row.epoch + 1, wakes=row.wakes + 1, floor=seq, forgotten=seq - 1)
        anew.add(Forgotten(n=numbers[-1] if numbers else 0), now, epoch=0)
        self.conversations[key] = anew
        files = {name for entry in row.entries for name in re.findall("[0-9a-f]{64}", encode(entry.body))}
        return Erased(len(row.entries), tuple(sorted(files)))
