"""A conversation as a document in Markdown, for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from holdfast.cli.output import count, when
from holdfast.cli.story import told
from holdfast.cli.watch import file_and_size
from holdfast.core.entries import AssistantMessage, Entry, Fetched, ToolResult, ToolStarted, UserMessage

_SIGNS = re.compile(r"([\\`*_\[\]<>])")


def document(title: str, key: str, entries: Sequence[Entry], link: Callable[[str], str]) -> Iterator[str]:
    """Its lines. `link` says where the file with a sha256 is."""
    yield f"# {_plain(title)}"
    yield ""
    yield (
        f"`{key}`, {count(len(entries), 'entry', 'entries')}, {when(entries[0].at)} to {when(entries[-1].at)}"
        if entries
        else f"`{key}`, empty"
    )
    kept = {entry.body.attachment: entry.body.sha256 for entry in entries if isinstance(entry.body, Fetched)}
    for entry, who, words in told(entries):
        if isinstance(entry.body, ToolStarted):
            continue  # its result follows
        yield ""
        yield f"**{_plain(who.removesuffix(' (delivered)'))}**, {when(entry.at)}"
        yield from _body(entry, words, kept, link)


def _body(entry: Entry, words: str, kept: dict[str, str], link: Callable[[str], str]) -> Iterator[str]:
    match entry.body:
        case UserMessage() as body:
            yield from _quoted(body.text)
            for attachment in body.attachments:
                sha256 = kept.get(attachment.id, "")
                yield from ("", f"- with the file {_link(attachment.name, sha256, link)}")
        case AssistantMessage() as body:
            yield from ("", body.text) if body.text else ()
            for call in body.calls:
                yield from ("", f"- calls `{call.tool}` with", *(f"  {line}" for line in _fenced(call.arguments, "json")))
        case ToolResult() as body:
            yield from ("", *_fenced(body.text)) if body.text else ()
            for file in body.files:
                yield from ("", f"- with the file {_link(file_and_size(file), file.sha256, link)}")
        case _:
            yield from _quoted(words)


def _link(name: str, sha256: str, link: Callable[[str], str]) -> str:
    return f"[{_plain(name)}](<{link(sha256)}>)" if sha256 else f"{_plain(name)}, which could not be fetched"


def _quoted(text: str) -> Iterator[str]:
    if text:
        yield ""
        yield from (f"> {line}".rstrip() for line in text.splitlines())


def _fenced(text: str, language: str = "") -> Iterator[str]:
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    yield f"{fence}{language}"
    yield from text.splitlines()
    yield fence


def _plain(text: str) -> str:
    """On one line, and nothing in it is a sign of Markdown."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))
