"""The request: what a transcript looks like to the model.

One pure function turns any transcript into a request that the strictest provider accepts. It may hide entries, never delete them; errors and
notices never enter it. Its beginning stays the same from call to call, so that providers' caches hit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from holdfast.core import chat_words, words
from holdfast.core.entries import AssistantMessage, Call, Choice, Command, Correction, Summary, UserMessage
from holdfast.core.files import is_picture
from holdfast.core.records import Spoken
from holdfast.core.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as the model sees it.

    `name` is unique over all servers and valid in every dialect; `schema` is a JSON Schema of an object. `repeatable`: may a call of it that
    was interrupted be made again? `policy`: may it be called, or only when a person was asked? `called`: the
    server's own name of it.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    server: str = ""
    repeatable: bool = False
    policy: Literal["allow", "ask", "deny"] = "ask"
    called: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a message. `media_type` is one of `core.files`."""

    sha256: str
    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class User:
    """What people said, several messages in a row joined. The text names every file; a route shows the model those that it can."""

    text: str
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Assistant:
    """An answer. `provider_data` came from the route `route`."""

    text: str
    calls: tuple[Call, ...] = ()
    route: str = ""
    provider_data: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one call of the answer before."""

    call: str
    tool: str
    text: str


Message = User | Assistant | Result


@dataclass(frozen=True, slots=True)
class Request:
    """Valid for the strictest provider: begins with the user, roles alternate, each call's result follows its answer, ends not with the assistant.

    `user` names the person who asks, the same for ever: `account:author`. `answer_tokens_max`: the answer may have no more; if all of it was thought,
    it is empty, which is no failure then.
    """

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    user: str = ""
    answer_tokens_max: int | None = None


SMALLER_MAX: Final = 2
"""How often the view is made smaller for a turn that is too long for its route."""


def build(t: Transcript, horizon: int, instructions: str, tools: tuple[Tool, ...] = (), *, calls: bool = True) -> Request:
    """The request for the next answer: for each answer the messages it had seen, itself, its results; then the messages up to the horizon.

    Hidden: what lies before `/new`; what the last summary stands for; turns set aside; cut answers of which nothing was started or sent. Where a provider
    found it too long or not in order in this turn, it is made smaller or plainer: the view, never the transcript. `calls`: the model can be shown calls of
    tools and their results as such; else they are told.
    """
    messages = _view(t, horizon)
    if t.failed_with("bad-transcript"):
        messages = [_plain(message) for message in messages]
    smaller = t.failed_with("overflow")
    if smaller:
        messages = _without_old_results(messages)
    if smaller >= SMALLER_MAX:
        messages = _without_old_turns(messages)
    if not calls:
        messages = _joined(_told(message) for message in messages)
    return Request(instructions, tuple(messages), tools)


CHARS_PER_TOKEN: Final = 4
CUT_SHORT: Final = 2.5
"""So many times what was read may be what was sent before it is called cut short: texts of many characters a token are no reason for alarm."""
READ_TOKENS_MIN: Final = 1000
"""Who says to have read less did not count what was cached, or not count at all."""


def tokens(ask: Request) -> int:
    """About how many tokens it has, as far as it is text."""
    chars = len(ask.instructions)
    for message in ask.messages:
        chars += len(message.text)
        if isinstance(message, Assistant):
            chars += sum(len(call.arguments) for call in message.calls)
    return chars // CHARS_PER_TOKEN


def was_cut_short(ask: Request, read: int) -> bool:
    """Has the server read so much less than it was sent that it must have dropped something? (Ollama does so, silently, at its `num_ctx`.)"""
    return read >= READ_TOKENS_MIN and tokens(ask) > CUT_SHORT * read


def _told(message: Message) -> Message:
    """For models that know no tools: what was called and what came of it, as text."""
    match message:
        case Assistant():
            called = [words.called(call) for call in message.calls]
            return Assistant("\n".join([*([message.text] if message.text else []), *called]), route=message.route)
        case Result():
            return User(words.came_of(message.tool, message.text))
        case User():
            return message
        case _:
            assert_never(message)


def _plain(message: Message) -> Message:
    """Without what only some providers understand: their own data, and files."""
    match message:
        case User():
            return User(message.text)
        case Assistant():
            return Assistant(message.text, message.calls)
        case Result():
            return message
        case _:
            assert_never(message)


def _without_old_results(messages: list[Message]) -> list[Message]:
    """What tools said before the last answer is left out, where that makes it shorter."""
    last = max((index for index, message in enumerate(messages) if isinstance(message, Assistant)), default=0)
    return [_dropped(message) if isinstance(message, Result) and index < last else message for index, message in enumerate(messages)]


def _dropped(result: Result) -> Result:
    marker = words.output_left_out(len(result.text))
    return Result(result.call, result.tool, marker) if len(marker) < len(result.text) else result


def _without_old_turns(messages: list[Message]) -> list[Message]:
    """The older half is left out, behind a marker, but for what the user asked last before it ends."""
    begin = next((i for i in range(len(messages) // 2, len(messages)) if not isinstance(messages[i], Result)), 0)
    if begin < 2:
        return messages
    asked = [] if isinstance(messages[begin], User) else [m for m in messages[:begin] if isinstance(m, User)][-1:]
    return _joined([User(words.beginning_left_out()), *asked, *messages[begin:]])


def build_for_summary(t: Transcript, upto: int, instructions: str) -> Request:
    """The request for a summary of everything up to the answer at `upto`. Of files there are the names."""
    seen = next(a.body.seen for a in t.answers if a.seq == upto and isinstance(a.body, AssistantMessage))
    pieces = (User(piece.text) if isinstance(piece, User) else piece for piece in _pieces(t, seen, upto))
    return Request(instructions, tuple(_joined([*pieces, User(words.SUMMARY_REQUEST)])))


def _view(t: Transcript, horizon: int) -> list[Message]:
    return _joined(_pieces(t, horizon, t.last_seq))


def _pieces(t: Transcript, horizon: int, last_answer: int) -> Iterator[Message]:
    summary = t.summary.body if t.summary is not None else None
    hidden_upto, previous = 0, t.new
    if isinstance(summary, Summary) and not _before_new(t, summary.upto):
        hidden_upto = summary.upto
        yield User(words.summary(summary.text))
        previous = max(previous, next((a.body.seen for a in t.answers if a.seq == hidden_upto and isinstance(a.body, AssistantMessage)), 0))
    begin = previous  # a correction of what is hidden stays hidden too
    spoken = iter(s for s in t.spoken if not isinstance(s.entry.body, Correction) or s.brings[0] > begin)
    said = next(spoken, None)
    for entry in t.answers:
        answer = entry.body
        assert isinstance(answer, AssistantMessage)
        if entry.seq <= hidden_upto or entry.seq > last_answer or answer.seen < t.new:
            continue
        while said is not None and said.entry.seq <= answer.seen:
            if said.entry.seq > previous:
                yield from _words_of(t, said)
            said = next(spoken, None)
        if not t.hides(answer):
            yield Assistant(answer.text, answer.calls, answer.route, answer.provider_data)
            for call in answer.calls:
                yield Result(call.id, call.tool, t.results[call.id].text)
            yield from _pictures(t, answer)
    while said is not None and said.entry.seq <= horizon:
        if said.entry.seq > previous:
            yield from _words_of(t, said)
        said = next(spoken, None)


def _pictures(t: Transcript, answer: AssistantMessage) -> Iterator[User]:
    """What tools made for the eyes. No dialect's results hold pictures in the same way, so they follow them, as words of the user's side."""
    made = [file for call in answer.calls for file in t.results[call.id].files if is_picture(file.media_type) and not file.whole]
    if made:
        yield User(words.made([file.name for file in made]), tuple(File(file.sha256, file.name, file.media_type) for file in made))


def _before_new(t: Transcript, upto: int) -> bool:
    return any(a.seq == upto and isinstance(a.body, AssistantMessage) and a.body.seen < t.new for a in t.answers) or upto < t.new


def _words_of(t: Transcript, said: Spoken) -> Iterator[User]:
    body, seq = said.entry.body, said.entry.seq
    if t.is_aside(seq):
        return
    match body:
        case UserMessage():
            text = t.text_of(said.entry)
            if text is not None:
                message = _message(t, seq, text, body)
                yield User(words.stopped(message.text), message.files) if seq in t.stopped else message
        case Correction() if not t.was_shown_before(said.brings[0], seq):
            return
        case Correction():
            old = next((s.entry for s in t.spoken if s.entry.seq == said.brings[0]), None)
            name = old.body.name if old is not None and isinstance(old.body, UserMessage) else ""
            was = t.text_of(old) if old is not None else None
            yield User(chat_words.said(name, "", words.corrected(was or "", body.text)))
        case Command():
            yield _brought_back(t, "Please answer this again:", said)
        case Choice():
            asked = t.questions.get(body.question)
            if asked is not None and asked.question.question == "unknown":
                yield User(words.order(body.option, _call_text(t, asked.question.about)))
            else:
                yield _brought_back(t, "Please try this again:", said)
        case _:
            raise AssertionError(f"{body!r} is not said by the user")


def _brought_back(t: Transcript, what: str, said: Spoken) -> User:
    wanted = set(said.brings)
    told = [(s.entry.seq, t.text_of(s.entry), s.entry.body) for s in t.spoken if s.entry.seq in wanted]
    messages = [_message(t, seq, text, body) for seq, text, body in told if text is not None and isinstance(body, UserMessage)]
    text = words.brought_back(what, "\n\n".join(message.text for message in messages))
    return User(text, tuple(file for message in messages for file in message.files))


def _call_text(t: Transcript, id_: str) -> str:
    for entry in reversed(t.answers):
        if isinstance(entry.body, AssistantMessage):
            for call in entry.body.calls:
                if call.id == id_:
                    return f"{call.tool} {call.arguments}"
    return "the interrupted call"


def _message(t: Transcript, seq: int, text: str, body: UserMessage) -> User:
    kept = list(t.files_of(seq, body))
    missing = {file.name for file in kept if not file.sha256}
    names = [words.attached(attachment.name, missing=attachment.name in missing) for attachment in body.attachments]
    files = tuple(File(file.sha256, file.name, file.media_type) for file in kept if file.sha256)
    text = "\n".join([*([text] if text else []), *names])
    return User(chat_words.said(body.name, body.quote, text), files)


def _joined(pieces: Iterable[Message]) -> list[Message]:
    """Several user messages in a row become one, since the strictest providers want roles to alternate."""
    joined: list[Message] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, User) and isinstance(last, User):
            joined[-1] = User(f"{last.text}\n\n{piece.text}", (*last.files, *piece.files))
        else:
            joined.append(piece)
    return joined
