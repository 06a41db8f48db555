"""The command line. What each command needs is imported when it runs: `--help` has to be instant.

Exit codes, the same everywhere:

    0    done; of `chat`: answered
    2    asked for in a way that can't be done, or not all of it (`import`); or a person said no, and nothing was done
    3    `chat`: the turn waits for the answer to a question
    4    `chat`: the turn was stopped or set aside; no answer will come
    5    `verify`, `backup`: the backup, or the journal, is not as it should be
    6    `status`: something needs you
    70   the journal can't commit; nothing was acknowledged that is not kept
    74   the output can't be written (a full disk, say)
    75   the gateway is away, in safe mode, or another one runs already: try again later; of `check`: only such things are wrong as may pass by themselves
    78   the configuration has to be changed first; of `check`: something has to be changed
    130  Ctrl-C, or SIGTERM
    141  nobody reads the output any more
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from holdfast.cli.interrupted import as_ctrl_c
from holdfast.errors import Config, HoldfastError, JournalFailed, OutputFailed, Request

ANSWERED: Final = 0
WRONG: Final = 2
ASKS: Final = 3
STOPPED: Final = 4
DAMAGED: Final = 5
NEEDS_YOU: Final = 6
JOURNAL_FAILED: Final = 70
OUTPUT_FAILED: Final = 74
AWAY: Final = 75
CONFIG: Final = 78
INTERRUPTED: Final = 130
NOBODY_READS: Final = 141

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no other name

TERMINAL: Final = "terminal"
"""The conversation that `chat` means if it is told none."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return WRONG
    sys.stdout, sys.stderr = _dependable(sys.stdout, 1), _dependable(sys.stderr, 2)
    done = False
    try:
        with nullcontext() if arguments.command == "run" else as_ctrl_c():  # the gateway has its own ways
            code: int = import_module(f"holdfast.cli.{arguments.command.replace('-', '_')}").run(arguments)
        done = True
        sys.stdout.flush()
    except HoldfastError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return _code(error)
    except KeyboardInterrupt as ended:
        if ended.args:
            print(f"holdfast: {ended}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return NOBODY_READS
    except OSError as error:
        if not done and _takes_output():
            raise
        _give_up_output()
        print(f"holdfast: The output can't be written: {error.strerror}.", file=sys.stderr)
        return OUTPUT_FAILED
    return code


def _takes_output() -> bool:
    """Does the output take what is still to be written to it?"""
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _give_up_output() -> None:
    """Lead it nowhere, so that the last flush does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dependable(stream: TextIO | None, number: int) -> TextIO:
    """The stream to write to in place of this standard one.

    One that was closed leads nowhere. Without a buffer (PYTHONUNBUFFERED, usual in containers) Python loses the rest of a text when a write is
    interrupted, and says nothing.
    """
    if stream is None:
        return Path(os.devnull).open("w")
    if isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        stream = open(number, "w", encoding=stream.encoding, closefd=False)  # noqa: SIM115 for as long as the process lives
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a character that this terminal can't show is no reason to fail
    return stream


def _code(error: HoldfastError) -> int:
    match error:
        case Config():
            return CONFIG
        case Request():
            return WRONG
        case JournalFailed():
            return JOURNAL_FAILED
        case OutputFailed():
            return OUTPUT_FAILED
        case _:
            return AWAY


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 costs more than the rest of the start

        try:
            print(f"holdfast {version('holdfast')}")
        except PackageNotFoundError:
            print("holdfast, from a folder where it was not installed")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument(
        "--config",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the configuration (else HOLDFAST_CONFIG, or the usual place)",
    )
    parser = argparse.ArgumentParser(
        prog="holdfast",
        description="A gateway between chat apps and an AI agent with tools, that never loses a conversation.",
        parents=[everywhere],
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    for add in (_beginning, _questions, _parts, _config, _export, _import, _service, _keeping):
        add(commands, everywhere)
    return parser


def _beginning(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parsers of what one begins with: set it up, start it, talk to it."""
    run = commands.add_parser("run", parents=[everywhere], help="start the gateway")
    run.add_argument("--dry", action="store_true", help="start nothing: say what a start would do, connect to and go on with")

    chat = commands.add_parser(
        "chat",
        parents=[everywhere],
        help="talk to the agent; with -q, send one message and print the answer",
        epilog="Exit codes of -q: 0 answered, 3 a question waits, 4 stopped, 75 the gateway is away or in safe mode, 130 Ctrl-C (the turn goes on).",
    )
    chat.add_argument("-q", dest="text", metavar="TEXT", help="one message, or a command such as /stop; - reads it from the input")
    chat.add_argument("--conversation", default=TERMINAL, metavar="NAME", help=f"which conversation (default: {TERMINAL})")
    chat.add_argument(
        "--wait",
        dest="wait_s",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for a gateway that is away, or in safe mode (default: 60)",
    )

    login = commands.add_parser("login", parents=[everywhere], help="print a link that logs one browser in")
    login.add_argument("--forget", action="store_true", help="log all browsers out instead")

    commands.add_parser(
        "demo", parents=[everywhere], help="see it break and go on: the page, a practice model, and buttons that kill things"
    )

    commands.add_parser("init", parents=[everywhere], help="find a model, try it, and write a configuration")

    check = commands.add_parser("check", parents=[everywhere], help="find what is wrong, and say how to mend it")
    check.add_argument("--json", action="store_true", help="as JSON, for programs")

    commands.add_parser("reload", parents=[everywhere], help="have the gateway take the configuration as it stands now")
    commands.add_parser("safe-mode", parents=[everywhere], help="leave safe mode: have the gateway see whether it survives its work now")


def _questions(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parsers of what can be asked about conversations, running or stopped."""
    show = commands.add_parser("show", parents=[everywhere], help="list the conversations, or tell the story of one")
    show.add_argument("conversation", nargs="?", metavar="CONVERSATION", help="its name, or its whole key")
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    show.add_argument("--save", type=int, metavar="SEQ", help="write the files of the entry [SEQ] into this folder")

    status = commands.add_parser(
        "status", parents=[everywhere], help="say how everything is, and what needs you", epilog="Exit code 6: something needs you."
    )
    status.add_argument("--json", action="store_true", help="as JSON, for programs")
    status.add_argument("--watch", action="store_true", help="go on as it changes")

    queue = commands.add_parser("queue", parents=[everywhere], help="list what is owed and not done yet, the longest first")
    queue.add_argument("--json", action="store_true", help="as JSON, for programs")

    search = commands.add_parser("search", parents=[everywhere], help="find the conversations in which something was said")
    search.add_argument("words", nargs="*", metavar="WORDS", help="as they were said")
    search.add_argument("--json", action="store_true", help="as JSON, for programs")

    usage = commands.add_parser("usage", parents=[everywhere], help="say what each person had from the models in a month, and what it cost")
    usage.add_argument("--month", default="", metavar="YYYY-MM", help="such as 2026-11 (default: this one)")
    usage.add_argument("--csv", action="store_true", help="as CSV, by person and route")

    why = commands.add_parser("why", parents=[everywhere], help="say what a conversation waits for, and why")
    why.add_argument("conversation", nargs="?", metavar="CONVERSATION", help="its name, or its whole key (default: all that wait)")


def _parts(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parsers of what the gateway is connected with: models, tool servers, chat systems, people."""
    routes = commands.add_parser("routes", parents=[everywhere], help="list the models, how they are and what they did; test or retry one")
    routes.add_argument("--json", action="store_true", help="as JSON, for programs")
    acts = routes.add_subparsers(dest="act", metavar="ACT")
    for act, does in (("test", "call it from here, and say what is wrong"), ("retry", "have the gateway try it now")):
        acts.add_parser(act, parents=[everywhere], help=does).add_argument("name", metavar="NAME", help="the route")

    tools = commands.add_parser(
        "tools", parents=[everywhere], help="list the tool servers and how they are, or the tools of one; retry one"
    )
    tools.add_argument("--json", action="store_true", help="as JSON, for programs")
    tools.add_argument("act", nargs="?", default="", metavar="retry", help="have the gateway start this one now")
    tools.add_argument("name", nargs="?", default="", metavar="NAME", help="the tool server")

    platforms = commands.add_parser(
        "platforms", parents=[everywhere], help="list the accounts of chat systems and how they are; retry one, or sign it in"
    )
    platforms.add_argument("--json", action="store_true", help="as JSON, for programs")
    platforms.add_argument("act", nargs="?", default="", metavar="retry | login", help="have the gateway connect this one now; sign it in")
    platforms.add_argument("name", nargs="?", default="", metavar="NAME", help="the account, such as telegram:mybot")

    people = commands.add_parser("people", parents=[everywhere], help="list who may talk, and who wants to; let somebody in, or end that")
    people.add_argument("--json", action="store_true", help="as JSON, for programs")
    people.add_argument("act", nargs="?", default="", metavar="approve CODE | remove ACCOUNT PERSON", help="let in, or end it at once")
    people.add_argument("names", nargs="*", default=[], metavar="", help=argparse.SUPPRESS)


def _config(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parser of `config`."""
    config = commands.add_parser("config", parents=[everywhere], help="the configuration: see whether it is good, show it, change it")
    acts = config.add_subparsers(dest="act", metavar="ACT")
    acts.add_parser(
        "check", parents=[everywhere], help="read it as a start does, and say what the running gateway has otherwise (the default)"
    )
    show = acts.add_parser("show", parents=[everywhere], help="show every setting, with those that are left out; of secrets where they are")
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    set_ = acts.add_parser("set", parents=[everywhere], help="change settings in the file; what else stands there stays as it is")
    set_.add_argument("pairs", nargs="+", metavar="KEY VALUE", help="such as routes.main.model qwen3:8b; several at once")
    unset = acts.add_parser(
        "unset", parents=[everywhere], help="take settings or whole tables out of the file; what is left out has its default"
    )
    unset.add_argument("keys", nargs="+", metavar="KEY", help="such as agent.time_zone or tools.mail; several at once")
    acts.add_parser("schema", parents=[everywhere], help="print the JSON Schema of the file, for editors")


def _keeping(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parsers of what is done with the journal as such."""
    backup = commands.add_parser("backup", parents=[everywhere], help="put everything that has to be kept into one file")
    backup.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the backup to make (default: one named after the time, here)")

    restore = commands.add_parser("restore", parents=[everywhere], help="put a backup back; what is there is set aside")
    restore.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the backup (default: none; says which there are)")
    restore.add_argument("--to", type=Path, metavar="FOLDER", help="another data folder than that of the configuration")
    restore.add_argument("--yes", action="store_true", help="do not ask, also where a journal is set aside")

    forget = commands.add_parser("forget", parents=[everywhere], help="erase a conversation for good")
    forget.add_argument("conversation", nargs="?", metavar="CONVERSATION", help="its name, or its whole key")
    forget.add_argument("--yes", action="store_true", help="do not ask")

    commands.add_parser("vacuum", parents=[everywhere], help="give back the room that nothing is in any more")

    verify = commands.add_parser("verify", parents=[everywhere], help="see whether a backup is good, or the journal")
    verify.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="the backup, or a data folder (default: that of the gateway, which is stopped)"
    )


def _export(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parser of `export`."""
    export = commands.add_parser("export", parents=[everywhere], help="write conversations into a file, for programs or for people")
    export.add_argument("conversations", nargs="*", metavar="CONVERSATION", help="their names, or their whole keys (default: all)")
    export.add_argument(
        "--format",
        choices=("jsonl", "markdown"),
        default="jsonl",
        help="JSON Lines, which import takes back (the default), or Markdown, to be read",
    )
    export.add_argument("--to", type=Path, metavar="FILE", help="into this file, which must not be there yet (default: the output)")
    export.add_argument("--files", type=Path, metavar="FOLDER", help="copy the files of the conversations into this folder")


def _import(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parser of `import`: its file has another name, since that is a word of the language."""
    import_ = commands.add_parser(
        "import", parents=[everywhere], help="bring conversations here from elsewhere; says first what would come"
    )
    import_.set_defaults(command="importing", files=None)
    kinds = import_.add_subparsers(dest="kind", metavar="KIND")
    sure = argparse.ArgumentParser(add_help=False, parents=[everywhere])
    sure.add_argument("--yes", action="store_true", help="do it, and do not ask")
    hermes = kinds.add_parser("hermes", parents=[sure], help="the sessions of hermes-agent")
    hermes.add_argument("place", type=Path, metavar="DIR", help="the folder in which it keeps its state.db, usually ~/.hermes")
    jsonl = kinds.add_parser("jsonl", parents=[sure], help="what export wrote, or a file with one line for each message")
    jsonl.add_argument("place", type=Path, metavar="FILE", help="the file")
    jsonl.add_argument("--files", type=Path, metavar="FOLDER", help="where export has put the files")


def _service(commands: _Commands, everywhere: argparse.ArgumentParser) -> None:
    """The parser of `service`."""
    service = commands.add_parser(
        "service", parents=[everywhere], help="have the machine run the gateway: start it, keep it up, show its log"
    )
    service.set_defaults(system=False)
    acts = service.add_subparsers(dest="act", metavar="ACT")
    scope = argparse.ArgumentParser(add_help=False, parents=[everywhere])
    scope.add_argument("--system", action="store_true", help="of the whole machine, not your own")
    sure = argparse.ArgumentParser(add_help=False, parents=[scope])
    sure.add_argument("--yes", action="store_true", help="do not ask")

    install = acts.add_parser("install", parents=[sure], help="install and start it; says first what that does")
    install.add_argument("--user", default="holdfast", metavar="NAME", help="with --system: whom it runs as (default: holdfast)")
    install.add_argument("--no-linger", action="store_true", help="let it run only while you are logged in")
    install.add_argument(
        "--print",
        nargs="?",
        const="here",
        choices=("here", "systemd", "launchd", "compose", "image"),
        metavar="KIND",
        help="write nothing, and print the file: the one for here, or for systemd, launchd, compose, image",
    )
    acts.add_parser("uninstall", parents=[sure], help="undo what install did; what Holdfast keeps stays")
    acts.add_parser("status", parents=[scope], help="say whether it is up, and if not, why (the default)")
    logs = acts.add_parser("logs", parents=[scope], help="show what it logged")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it logs more")
    logs.add_argument("--since", metavar="WHEN", help='such as "1 hour ago", or "2026-11-21 20:00"')
    logs.add_argument("-n", "--lines", type=int, metavar="N", help="how many of the last lines (default: 50)")
