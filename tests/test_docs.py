"""What the documents say can be done, can be done: settings, examples, commands, exit codes and links are those of the program."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast import accounts, cli, config, settings
from holdfast.core.commands import COMMANDS, HIDDEN

ROOT = Path(__file__).parents[1]
DOCS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/platforms").glob("*.md")))
}
CONFIGURATION = DOCS["docs/configuration.md"]
CODES = {
    cli.ANSWERED,
    cli.WRONG,
    cli.ASKS,
    cli.STOPPED,
    cli.DAMAGED,
    cli.NEEDS_YOU,
    cli.JOURNAL_FAILED,
    cli.OUTPUT_FAILED,
    cli.AWAY,
    cli.CONFIG,
    cli.INTERRUPTED,
    cli.NOBODY_READS,
}
TABLES: dict[str, type[msgspec.Struct]] = {
    "The top": settings.File,
    "[agent]": settings.Agent,
    "[routes.NAME]": settings.Route,
    "[tools.NAME]": settings.ToolServer,
    "[platforms.KIND.NAME]": accounts.Account,
    **{f"[platforms.{kind}.NAME]": table for kind, table in accounts.KINDS.items()},
    "[webhooks]": accounts.Webhooks,
    "[web]": settings.Web,
    "[owner]": settings.Owner,
    "[backup]": settings.Backup,
    "[retention]": settings.Retention,
    "[updates]": settings.Updates,
    "[log]": settings.Log,
    "[metrics]": settings.Metrics,
    "[traces]": settings.Traces,
}
STRUCTS = {
    "agent",
    "routes",
    "tools",
    "web",
    "chains",
    "platforms",
    "webhooks",
    "owner",
    "backup",
    "retention",
    "log",
    "metrics",
    "traces",
    "updates",
}
"""What of the top has a section of its own."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def codes(text: str) -> Iterator[str]:
    """What is set as code: in the line, and in indented lines."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", plain)
    yield from re.findall(r"^ {4}(\S.*)$", plain, re.MULTILINE)


def section(text: str, head: str) -> str:
    return text.split(f"\n## {head}\n", 1)[1].split("\n## ", 1)[0]


def slugs(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each `holdfast ...` that is shown."""
    for code in codes(text):
        words = shlex.split(code, comments=True) if "holdfast" in code and "'" not in code else code.split()
        for at, word in enumerate(words):
            if word == "holdfast" or word.endswith("/holdfast"):
                yield words[at + 1 :]
                break


@pytest.mark.parametrize("head", TABLES)
def test_every_setting_has_a_line_with_its_default_and_no_other_has(head: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (?:`(.+)` )?\|$", section(CONFIGURATION, head), re.MULTILINE)
    elsewhere = STRUCTS if head == "The top" else accounts.Account.__struct_fields__ if TABLES[head] in accounts.KINDS.values() else ()
    fields = {field.name: field for field in msgspec.structs.fields(TABLES[head]) if field.name not in elsewhere}
    assert [name for name, _ in rows] == list(fields)
    for name, default in rows:
        there: Any = fields[name].default_factory() if fields[name].default is msgspec.NODEFAULT else fields[name].default
        said = tomllib.loads(f"x = {default}")["x"] if default else None
        there = msgspec.structs.asdict(there) if isinstance(there, msgspec.Struct) else list(there) if isinstance(there, tuple) else there
        assert said == there, name


@pytest.mark.parametrize("name", DOCS)
def test_every_example_of_a_configuration_can_be_read(name: str, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(DOCS[name], "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        config.load(file, {"HOME": str(tmp_path)})


def test_each_kind_of_model_server_has_an_example() -> None:
    providers = DOCS["docs/providers.md"]
    for head in ("Ollama", "vLLM", "LM Studio", "llama.cpp", "LiteLLM", "Manifest", "OpenAI", "Anthropic", "OpenRouter"):
        here = section(providers, head)
        assert blocks(here, "toml"), head
        assert "*See it:*" in here, head
        assert f"#{''.join(slugs(f'# {head}'))})" in providers, head


@pytest.mark.parametrize("name", DOCS)
def test_no_link_between_documents_is_dead(name: str) -> None:
    text = DOCS[name]
    links = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|srcset|href)="([^"]+)"', text)]
    for link in links:
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in slugs(target.read_text()), link


@pytest.mark.parametrize("name", DOCS)
def test_every_command_that_is_shown_is_understood(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in commands(DOCS[name]):
        try:
            cli._parser().parse_args(arguments)
        except SystemExit:
            pytest.fail(f"holdfast {shlex.join(arguments)}\n{capsys.readouterr().err}") if arguments else None


def test_every_command_there_is_is_in_the_readme() -> None:
    there = set(next(iter(cli._parser()._subparsers._group_actions)).choices)  # type: ignore[union-attr, arg-type] # argparse hides its own
    assert set(re.findall(r"^\| `holdfast ([\w-]+)` \|", DOCS["README.md"], re.MULTILINE)) == there


@pytest.mark.parametrize("name", DOCS)
def test_every_command_in_a_message_is_known(name: str) -> None:
    said = {found[1] for code in codes(DOCS[name]) if (found := re.fullmatch(r"/([a-z]+)(?: .+)?", code))}
    others = {"messages", "responses", "newbot", "setprivacy", "token"}  # paths of providers, orders to @BotFather
    others |= {"metrics", "livez", "readyz"}  # paths of ours
    assert said - others <= {*HIDDEN, *(command.name for command in COMMANDS)}


def test_the_readme_names_every_command_in_a_message() -> None:
    for command in COMMANDS:
        assert f"`{f'/{command.name} {command.args}'.strip()}`" in DOCS["README.md"]


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    table = section(DOCS["docs/when-something-breaks.md"], "Exit codes")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == sorted(CODES)


@pytest.mark.parametrize("name", DOCS)
def test_every_exit_code_that_is_named_exists(name: str) -> None:
    assert {int(code) for code in re.findall(r"exit code\s+(\d+)", DOCS[name])} <= CODES


def said() -> str:
    """All that the program says: its sources, with sentences that go on in the next line made whole."""
    sources = (
        path.read_text() for path in (ROOT / "src").rglob("*") if path.suffix in {".py", ".html", ".js"} and "vendor" not in path.parts
    )
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources)).replace("’", "'")


def quoted(text: str) -> Iterator[str]:
    """The parts of what is quoted, without what stands for something else: numbers, names, `...`."""
    set_apart = re.findall(r"(?<![*\w])\*(?![*\s])(.+?)(?<![*\s])\*(?![*\w])", text, re.DOTALL)
    for quote in [*set_apart, *re.findall(r'^\| "(.+?)" \|', text, re.MULTILINE)]:
        if not quote.endswith((":", ",")):  # else it is a label
            parts = re.split(r"\.\.\.|\d[\d,]*|\bX\b|'x'|\(.*?\)", " ".join(quote.split()))
            yield from (part.strip(" .,:") for part in parts if len(part.split()) > 1)


def test_what_the_documents_quote_is_what_the_program_says() -> None:
    seen = re.findall(r"^\*See it:\*.*?(?=\n\n)", DOCS["docs/providers.md"], re.MULTILINE | re.DOTALL)
    quotes = [quote for text in (*seen, DOCS["docs/when-something-breaks.md"], DOCS["docs/access.md"]) for quote in quoted(text)]
    there = said()
    assert len(quotes) > 25
    assert [quote for quote in quotes if quote not in there] == []
