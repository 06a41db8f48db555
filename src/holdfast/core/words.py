"""Every word that Holdfast itself says about a conversation's state, rendered from committed entries and the world.

Short, calm, and true: what happened, what is kept, what happens next. Nothing here is shown to the model except the results of calls that
did not run or whose outcome is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from holdfast.core import chat_words
from holdfast.core.access import NOT_PERMITTED
from holdfast.core.commands import COMMANDS
from holdfast.core.entries import DEFAULT_CHAIN, Call, Choice, Command, Entry, Failed, Question
from holdfast.core.files import is_picture
from holdfast.core.records import Asked, Closed, Kept
from holdfast.core.weather import BACK_OFF_S_MAX, MISTAKE_S, GateRow
from holdfast.core.world import able, first_open

if TYPE_CHECKING:
    from holdfast.core.transcript import Transcript
    from holdfast.core.world import Chain, Needs, Route, World

HELP: Final = "\n".join(
    (
        *(f"{f'/{known.name} {known.args}'.rstrip()} {known.does}" for known in COMMANDS),
        "A message that begins with two slashes is sent with one.",
    )
)


# replies to commands and choices


def reply(t: Transcript, entry: Entry, world: World, asks: tuple[Chain, Needs], now: float) -> str:  # noqa: C901, PLR0912 - one arm for each
    """What C2 says to a command or a choice. `asks`: of which chain the turn asks what."""
    body = entry.body
    if isinstance(body, Choice):
        return _reply_to_choice(t, entry.seq, body)
    assert isinstance(body, Command)
    match body.name:
        case "stop":
            return f"Stopped.{_under_way(t)}{_left_behind(t, entry.seq)}"
        case "new":
            return f"A fresh start. What was said before is kept, and the agent no longer sees it.{_left_behind(t, entry.seq, back=False)}"
        case "retry":
            brought = any(spoken.entry.seq == entry.seq for spoken in t.spoken)
            return "Trying again." if brought else "There is nothing to try again yet. Just write."
        case "status" | "why":
            return status(t, *asks, now)
        case "queue" | "quiet":
            return chat_words.way(body.name, body.args, t.ways, world.policy.busy)
        case "usage":
            return chat_words.usage(world.rights_of(body.author))
        case "approve" | "deny":
            return chat_words.how_approved(body.name)
        case "pair":
            code, _, name = body.args.partition(" ")
            return chat_words.paired(name, code)
        case _ if body.name == NOT_PERMITTED:
            return chat_words.not_permitted(body.args)
        case "help":
            return HELP
        case "title":
            return named(title(body.args)) if title(body.args) else "Write /title and a name."
        case "model":
            return _model(t, body.args, world, now)
        case "choose":
            return "Write /choose with the number of a question and one of its options, such as: /choose 41 go on"
        case _:
            return f"I don't know /{body.name}. /help lists what I know. To send a message that begins with a slash, begin it with two."


TITLE_CHARS_MAX: Final = 80
JOINER: Final = "\u200d"
"""Holds the parts of one emoji together."""


def title(text: str) -> str:
    """The name of a conversation: on one line, not too long, and without signs that turn the words around them."""
    line = "".join(char for char in " ".join(text.split()) if char.isprintable() or char == JOINER)
    return line if len(line) <= TITLE_CHARS_MAX else line[: TITLE_CHARS_MAX - 1] + "…"


def named(name: str) -> str:
    return f"This conversation is now called “{name}”."


def _under_way(t: Transcript) -> str:
    """What was running when it was stopped, and may have done what it was called for."""
    tools = [call.call.tool for call in t.calls.values() if call.started and not call.repeatable]
    return f" {' and '.join(tools)} had been started: nobody can know whether it happened." if tools else ""


def _left_behind(t: Transcript, seq: int, *, back: bool = True) -> str:
    """How many messages a cut left unanswered. `back`: may they be brought back? (Not over a `/new`.)"""
    count = t.left_behind.get(seq, 0)
    if not count:
        return ""
    if count == 1:
        return " One message was not answered; /retry brings it back." if back else " One message was not answered."
    return f" {count} messages were not answered."


def _reply_to_choice(t: Transcript, seq: int, body: Choice) -> str:
    asked = t.questions.get(body.question)
    if asked is not None and asked.by == seq:
        again = asked.question.question == "poison" and body.option != "discard"
        if again and not any(said.entry.seq == seq for said in t.spoken):
            return "Noted; but nothing of it is left to try again."
        return f"Noted: {title(body.option)}."
    if asked is None:  # never asked, or closed so long ago that it is not read any more
        return f"There is no open question {body.question}; nothing has changed."
    if asked.closed:
        return f"Question {body.question} is closed already; nothing has changed."
    if asked.question.to not in {"", body.author}:
        return f"Question {body.question} was put to somebody else; only they can answer it."
    return f"Question {body.question} takes one of: {', '.join(asked.question.options)}."


def chosen(body: object, world: World) -> str:
    """What `/model NAME` chooses, as the reply's notice keeps it; "" if it chooses nothing."""
    if not isinstance(body, Command) or body.name != "model":
        return ""
    wanted = body.args.casefold()
    return next((name for name in (*world.chains, DEFAULT_CHAIN) if name.casefold() == wanted), "")


def _model(t: Transcript, args: str, world: World, now: float) -> str:
    name = chosen(Command(author="", id="", name="model", args=args), world)
    if name:
        chain = world.chain(name)
        away = "" if first_open(chain) else f" {waiting(chain[0], now)}"
        return f"From now on this conversation uses {in_order(chain)}.{away}"
    routes = {route.name for chain in (world.routes, *world.chains.values()) for route in chain}
    choices = [name if name in routes else f"{name} ({in_order(chain)})" for name, chain in world.chains.items()]
    known = f"You can choose {', '.join(choices)}; /model {DEFAULT_CHAIN} goes back."
    if args:
        return f"There is no model called “{title(args)}” here; nothing has changed. {known}"
    return f"This conversation uses {in_order(world.chain(t.chain))}. {known}"


def in_order(chain: Chain) -> str:
    """`main`, or `main, and spare when that is away`."""
    first, *others = [route.name for route in chain]
    return f"{first}, and {' or '.join(others)} when that can't answer" if others else first


def status(t: Transcript, chain: Chain, needs: Needs, now: float) -> str:
    """One conversation's state in a few sentences: what it does, waits for or asks. `needs`: what its next request asks of a route."""
    said = []
    asked = list(t.open_questions())
    abouts = {one.question.about for one in asked}
    if at_work := [call.call.tool for id_, call in t.calls.items() if id_ not in abouts]:
        said.append(f"A tool is at work: {', '.join(at_work)}.")
    elif t.calls or any(one.question.question == "budget" for one in asked):
        pass  # the answer to a question is all that it waits for
    elif t.turn_is_open or t.inputs:
        routes = able(chain, needs)
        route = first_open(routes)
        said.append(f"Working on an answer, on {route.name}." if route else waiting(routes[0], now) if routes else NO_ROUTE)
        said += [passed_over(route, needs) for route in chain if route not in routes]
    elif not asked:
        said.append("Everything is answered.")
    said += [f"Question {one.seq} is open: {one.question.text} ({choices(one.question)})" for one in asked]
    return " ".join(said)


def choices(question: Question) -> str:
    """What answers it: `once, always or deny`; `any words, or decline`."""
    return f"any words, or {' or '.join(question.options)}" if question.free else " or ".join(question.options)


def passed_over(route: Route, needs: Needs) -> str:
    """Why a route of the chain is not asked."""
    if needs.pictures and not route.images:
        return f"{route.name} is passed over, since it can't see pictures."
    if needs.tools and not route.tools:
        return f"{route.name} is passed over, since it can't call tools."
    return (
        f"{route.name} is passed over, since this conversation (about {needs.tokens:,} tokens) is too long for it ({route.window or 0:,})."
    )


NO_ROUTE = "No model is configured. Your messages are saved and will be answered when one is."


def another_way(t: Transcript, world: World) -> str:
    """Which other model could answer now, if there is one."""
    name = next((name for name, chain in world.chains.items() if first_open(chain) and chain != world.chain(t.chain)), "")
    return f" /model {name} goes on with another one now." if name else ""


def waiting(route: Route, now: float) -> str:
    """Said once to a turn that waits for its routes; what is true for as long as it waits."""
    why = f" ({route.why.removesuffix('.')})" if route.why else ""
    saved = "Your conversation is saved, and I go on by myself"
    match route.kind:
        case "config":
            return (
                f"{route.name} can't be used as it is configured{why}. {saved} when that is mended; I look every {span(MISTAKE_S)}, and when you write. "
                f"Its owner finds it under [routes.{route.name}], and `holdfast check` says what to change."
            )
        case "quota":
            return f"{route.name} has no credit left{why}. {saved} when it has; I look again in {span(route.until - now)}."
        case "rate-limit":
            return f"{route.name} is at its limit{why}. {saved} in {span(route.until - now)}."
        case "loading":
            return f"{route.name} is loading its model. {saved} when it is ready."
        case _:
            away = f" for {span(now - route.closed_since)}" if route.closed_since else ""
            return f"{route.name} has not answered{away}{why}. {saved} when it does; I try at least every {span(BACK_OFF_S_MAX)}."


def told_owner(route: str, row: GateRow, now: float) -> str:
    """What the owner is told of a gate that only an owner can open, or should look at; "" if there is nothing to tell."""
    why = f" ({row.why.removesuffix('.')})" if row.why else ""
    saved = "What is asked of it meanwhile is saved"
    match row.kind:
        case "config":
            return (
                f"{route} can't be used as it is configured{why}. Look under [routes.{route}]; `holdfast check` says what to change. {saved}, and goes on when it "
                f"works: I look every {span(MISTAKE_S)}, and at once after `holdfast routes retry {route}`."
            )
        case "quota":
            return f"{route} has no credit left{why}. {saved}, and goes on when it has: I look again in {span(row.until - now)}."
        case "unknown" if row.streak >= UNKNOWN_TRIES:
            return f"{route} fails in a way that I don't know{why}. {saved}; I go on trying. Please have a look at it."
        case _:
            return ""


UNKNOWN_TRIES: Final = 3
"""So often a failure that nobody knows is tried before the owner is asked to look."""


def cut_short(route: str, asked: int, read: int) -> str:
    """What the owner is told of a server that drops the beginning of what it is sent."""
    return (
        f"{route} read {read:,} tokens of a request that has about {asked:,}: it seems to drop the beginning of long conversations without a word, as Ollama does "
        f"at its num_ctx. Give it a larger window there, and write context_tokens = {read // 1000 * 1000 or read} (or what it really has) under [routes.{route}]: "
        "then I summarise in time."
    )


def back(waited_s: float) -> str:
    """In place of what was said of a wait."""
    return f"That took {span(waited_s)}. It goes on."


def waits_no_more() -> str:
    return "That is not waited for any more."


def span(length_s: float) -> str:
    """A length of time, as people say it: `40 s`, `2 min 40 s`, `3 h 20 min`, `2 days`."""
    whole = max(round(length_s), 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 and whole < 600 else "")
    if whole < 2 * 86400:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")
    return f"{whole // 86400} days"


def backup_failed(why: str, age_s: float | None) -> str:
    """Told to the owner. `age_s`: of the newest backup there is."""
    newest = "There is none yet." if age_s is None else f"The newest one is {span(age_s)} old."
    return f"The backup could not be made. {why} {newest} I try again every hour; nothing else is held up by it."


def little_room(free: int) -> str:
    """Told to the owner."""
    return (
        f"The disk of the data folder is nearly full: {size(free)} are left. When it is full, nothing more can be saved, and I end. "
        "`holdfast check` says how to see what takes it; `holdfast vacuum` gives back what I don't need."
    )


def files_damaged(names: Sequence[str]) -> str:
    """Told to the owner."""
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Files that came with messages are damaged on this disk: {some}. Their bytes are not those that came. An older backup may have them whole; keep it, and look at the disk."


def update(version: str, ours: str) -> str:
    """Told to the owner."""
    return f"Holdfast {version} is there; this is {ours}. Nothing changes by itself: docs/operations.md says how to upgrade."


def size(length: int) -> str:
    """Of a file, as people say it: `812 bytes`, `12 kB`, `3.4 MB`, `73.1 GB`."""
    if length < 1000:
        return f"{length} bytes"
    if length < 999_500:
        return f"{length / 1000:.0f} kB"
    return f"{length / 1e6:.1f} MB" if length < 999.95e6 else f"{length / 1e9:.1f} GB"


def unread(files: Sequence[Kept]) -> str:
    """Said once about files that came, and that the model is shown only by name."""
    said = []
    if lost := [file for file in files if not file.sha256]:
        said.append(f"I could not get {_named(lost)} ({lost[-1].why}).")
    if pictures := [file for file in files if file.sha256 and is_picture(file.media_type)]:
        said.append(f"The model here can't see pictures, so it knows of {_named(pictures)} only by name.")
    if others := [file for file in files if file.sha256 and not is_picture(file.media_type)]:
        said.append(f"I can show the model pictures and texts; of {_named(others)} it knows only the name.")
    return " ".join(said)


def _named(files: Sequence[Kept]) -> str:
    return ", ".join(file.name for file in files)


def refused(failure: Failed) -> str:
    return f"The model would not answer this ({failure.why}). I have set it aside; you can go on with something else."


# questions


def approval(call: Call) -> str:
    return f"May I run {call.tool}?\n{in_full(call.arguments)}"


def in_full(arguments: str) -> str:
    """What a tool is called with, all of it, so that nothing in it can hide: one thing a line, signs that print nothing or turn the words around spelled out."""
    try:
        shown = json.dumps(json.loads(arguments), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        shown = arguments
    return visible(shown)


def visible(text: str) -> str:
    """A text of strangers, so that what is read is what is there: signs that print nothing, or turn the words around them, are spelled out."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text)


def how_to_choose(tool: str) -> str:
    return f"You wrote instead of choosing, so {tool} was not run. If I ask again, choose by its button, or write /choose with the question's number."


def how_to_answer(asked: Asked) -> str:
    """Said of a message that was written while a question waits for its choice."""
    way = f"/choose {asked.seq} and your answer" if asked.question.free else f"/choose {asked.seq} {asked.question.options[0]}"
    return f"Your message is saved, but it is no answer to “{_in_short(asked.question)}”. Answer that where it stands, or write {way}."


def unknown_call(call: Call) -> str:
    return (
        f"I was interrupted while running {call.tool}, and can't know whether it happened.\n{in_full(call.arguments)}\n"
        "Shall I check, retry it, take it as done, or skip it?"
    )


def unknown_send(text: str) -> str:
    return f"I can't know whether this reached you:\n{text[:200]}\nShall I send it again, or drop it?"


def poison() -> str:
    return "I crashed several times on this, and have set it aside. Nothing else is touched. Shall I try again, try without tools, or discard it?"


def given_up() -> str:
    return "I crashed several times while I was sending something here, and gave that up. Nothing else is touched."


GO_ON: Final = "Shall I go on, or stop here?"


def done_so_far(calls: Sequence[Closed]) -> str:
    """What a turn has done, at the moment it asks whether to go on."""
    counts: dict[str, int] = {}
    for call in calls:
        counts[call.tool] = counts.get(call.tool, 0) + 1
    return f"So far I used {', '.join(f'{tool} {_times(count)}' for tool, count in counts.items())}." if counts else ""


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def budget_of_steps(steps: int) -> str:
    return f"I have taken {steps} steps on this and am not done."


def budget_of_cost(cost: float) -> str:
    return f"This has cost {cost:g} and I am not done."


def budget_of_time(time_s: float) -> str:
    return f"I have worked on this for {span(time_s)} and am not done."


def budget_of_fruitless(calls: int) -> str:
    return f"My last {calls} uses of tools brought nothing new."


def budget_of_unknowns() -> str:
    return "Twice now I was interrupted while a tool was at work, and can't know what happened."


def budget_of_failures(failure: Entry) -> str:
    why = f" ({failure.body.why})" if isinstance(failure.body, Failed) and failure.body.why else ""
    return f"No model could take this conversation as it is{why}. Everything is kept."


def budget_of_repeats(tool: str) -> str:
    return f"I keep calling {tool} with the same result."


def expired(question: Question) -> str:
    match question.question:
        case "approval":
            return "Nobody answered, so it was not run."
        case "budget":
            return "Nobody answered, so I stopped here. Everything is kept; just write to go on."
        case "unknown":
            return "Nobody answered, so I left it as it is: it may or may not have happened."
        case "poison":
            return "Nobody answered, so what I set aside stays aside. It is kept; /retry brings it back."
        case "send":
            return "Nobody answered, so I did not send it again."
        case "elicitation":
            return "Nobody answered, so the tool was told no."


def moot(question: Question) -> str:
    """In place of a question that nobody needs to answer any more."""
    why = "it was not run" if question.question == "approval" else "the tool no longer asks"
    return f"“{_in_short(question)}” needs no answer any more: {why}."


def allowed_now(question: Question) -> str:
    return f"“{_in_short(question)}” needs no answer any more: it is allowed now, and runs."


def _in_short(question: Question) -> str:
    """Of an approval without the arguments."""
    return title(question.text.partition("\n")[0] if question.question == "approval" else question.text)


def late(text: str, due: str, now: str) -> str:
    """What the model is told when a time had come while nobody was there."""
    return f"[This was due at {due}. It is late: now it is {now}.]\n{text}"


def due_now(text: str) -> str:
    """What the model is told when a time has come that it had been asked to keep."""
    return f"[The time has come for what was asked for before:]\n{text}"


# what the model is told


def interrupted_call() -> str:
    return (
        "Outcome unknown: the call was interrupted and may or may not have happened. Don't claim that it succeeded. "
        "Verify with read-only tools if you can before you repeat it."
    )


def no_account(account: str, *, owes: bool = True) -> str:
    kept, table = f"Its account {account} is not in the configuration. Everything here is kept", chat_words.table_of(account)
    if not owes:
        return f"{kept}, and nothing is owed; it can go on when [{table}] is there again."
    return f"{kept}; what is owed goes on when [{table}] is there again: put it back. A gateway that runs takes it with `holdfast reload`."


RESTING: Final = "Safe mode: what is written is saved, and no turn runs until that is over. `holdfast status` says why, `holdfast safe-mode` tries to end it."
TRYING: Final = "Safe mode: one conversation at a time is worked on, to see whether that goes well. What is written is saved, and is answered after that."


def goes_on() -> str:
    return "I was restarted, and go on with this now. Nothing is lost."


def closed_by_cut(*, started: bool) -> str:
    return "The turn was stopped while this ran: it may or may not have happened." if started else "Not run: the turn was stopped."


def gone_with_others() -> str:
    return "Whoever began this may not talk to me any more, so I ended it, with what others had said meanwhile. If you still want an answer, write again."


def denied_by_policy(tool: str) -> str:
    return f"Not run: {tool} is not allowed here."


def nobody_to_ask(tool: str) -> str:
    return f"Not run: {tool} needs a person's approval, and there is nobody here who can be asked."


def known_too_late(tool: str) -> str:
    return f"Not run: {tool} became known only now, and it needs a person's approval. Call it again, and they are asked."


def not_allowed(closed: Literal["", "choice", "message", "expiry"]) -> str:
    match closed:
        case "message":
            return "Not chosen: the user wrote instead. Read what they wrote; you may ask again."
        case "expiry":
            return "Not run: nobody allowed it in time."
        case _:
            return "Not run: the user said no."


# a conversation that was brought here from elsewhere


def brought(source: str, messages: int, left_out: Sequence[str]) -> str:
    """Said in a conversation that was imported: what it was, and what of it is not here."""
    count = "One message" if messages == 1 else f"{messages:,} messages"
    missing = f" Left out: {', '.join(left_out)}." if left_out else ""
    return f"{count} above came here from {source}.{missing} Just write to go on."


def stopped_when_brought() -> str:
    return "This was still under way when the conversation was brought here, so I stopped it. Everything is kept; just write to go on."


def not_done_before() -> str:
    return "This had not been done when the conversation was brought here."


def not_asked_any_more() -> str:
    return "Nobody had answered when the conversation was brought here, so this is not asked any more."


def not_fetched_before() -> str:
    return "it had not been fetched when the conversation was brought here"


def not_sent_before() -> str:
    return "it had not been sent when the conversation was brought here"


def nothing_before() -> str:
    """In place of the message that a conversation begins with, where it began with an answer."""
    return "[This began without a message of mine.]"


def result_not_known() -> str:
    return "What came of this is not known: it was not in what was brought here."


# what the user sees beside an answer


SENT_AGAIN = "(sent again after a restart)\n"
"""What marks a part of which nobody knows whether it had arrived. ASCII, so that it counts the same in every unit."""


STOPPED = "(stopped)"


# the gateway's orders, as the model reads them


def attached(name: str, *, missing: bool = False) -> str:
    return f"[attached file: {name}{', which could not be fetched' if missing else ''}]"


def stopped(text: str) -> str:
    """A message that the user stopped before it was answered: else the next answer would be one to it, too."""
    return f"{text}\n[I stopped this before you answered it. It needs no answer any more.]"


def brought_back(what: str, messages: str) -> str:
    return f"[{what}]\n{messages}"


def order(choice: str, call_text: str) -> str:
    """A choice about a call whose outcome is unknown, as the user's words."""
    orders = {
        "check": "Please check with read-only tools whether this happened, and tell me:",
        "retry": "Please do this again:",
        "done": "This did happen; take it as done:",
        "skip": "Leave this as it is, and don't do it again:",
    }
    return f"{orders.get(choice, choice)} {call_text}"


def corrected(old: str, new: str | None) -> str:
    """A correction of a message that the model had seen."""
    if new is None:
        return f"[I deleted my message: {old[:200]}]"
    return f"[I changed my message «{old[:200]}» to:]\n{new}"


def called(call: Call) -> str:
    """A call of a tool, told to a model that knows no tools."""
    return f"[I used {call.tool}: {call.arguments}]"


def made(names: Sequence[str]) -> str:
    """Before the pictures that tools made, as the model sees them."""
    return f"[Made by the tools: {', '.join(names)}]"


def whole_kept(shown: int, length: int, sha256: str) -> str:
    """Ends what is shown to the model of a long result."""
    return f"[{shown:,} of {length:,} characters are shown. All of it is kept as {sha256[:16]}: holdfast__read_attachment reads on.]"


def not_kept(name: str, why: str) -> str:
    """A file that a tool made, and that the disk did not take."""
    return f"[{name} could not be kept: {why}]"


def came_of(tool: str, text: str) -> str:
    return f"[What came of {tool}]\n{text}"


def output_left_out(length: int) -> str:
    return f"[This output of {length} characters is left out here: the conversation is too long for the model. Call the tool again if you need it.]"


def beginning_left_out() -> str:
    return "[The beginning of our conversation is left out here: it is too long for the model.]"


SUMMARY_REQUEST = (
    "Summarise our conversation so far for yourself, so that you can go on without seeing it: what was asked and decided, facts and names "
    "that matter, results of tools, what is open. Write only the summary."
)


def summary(text: str) -> str:
    return f"[A summary of what was said before. It is a record, not an order.]\n{text}"
