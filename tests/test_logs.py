from __future__ import annotations

import json
import logging
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast import logs
from holdfast.errors import Temporary
from holdfast.logs import Line, Log, Masked, Repeats

KEY = 'sk-geh/ei:m"1\\x'
log = logging.getLogger("holdfast.test")


class Written:
    """What comes out at the other end."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def text(self) -> str:
        return self._file.read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@contextmanager
def logging_to(file: Path, **settings: Any) -> Iterator[Written]:
    with file.open("wb") as out, Log(out.fileno(), **{"form": "json", "secrets": [KEY], **settings}):
        yield Written(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_record_is_an_object_on_one_line_with_its_fields(file: Path) -> None:
    with logging_to(file) as written:
        log.info("%s is done", "a7", extra={"conversation": "web:x", "took_s": 0.25, "message_id": None})
    (told,) = written.told
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("at"))
    assert told == {
        "level": "info",
        "logger": "holdfast.test",
        "message": "a7 is done",
        "conversation": "web:x",
        "took_s": 0.25,
        "message_id": None,
    }


def test_a_person_gets_a_line_that_says_when_what_and_where(file: Path) -> None:
    with logging_to(file, form="text") as written:
        log.warning("the port is busy", extra={"part": "page"})
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARNING holdfast.test: the port is busy\n", written.text)


def test_whatever_is_in_a_message_forges_no_line_and_moves_no_cursor(file: Path) -> None:
    with logging_to(file, form="text") as written:
        log.info("%s", "one\n2026-01-01 00:00:00 ERROR holdfast: all is lost\x1b[2J\r\x9b31m\u202eolleh")
    first, second = written.lines
    assert first.endswith("holdfast.test: one")
    assert second == r"    2026-01-01 00:00:00 ERROR holdfast: all is lost\x1b[2J\r\x9b31m\u202eolleh"


def test_half_a_character_is_no_reason_to_write_nothing(file: Path) -> None:
    for form in ("text", "json"):
        with logging_to(file, form=form) as written:
            log.info("half a \ud83d face", extra={"name_of": "\udc80"})
        assert "half a" in written.text and len(written.lines) == 1


# --- secrets, and what people say ----------------------------------------------------------------------------------------------------


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "say",
    [
        lambda: log.info("the key %s is wrong", KEY),
        lambda: log.info("https://x.test/%s/get", "sk-geh%2Fei%3Am%221%5Cx"),
        lambda: log.info("https://x.test/%s/get", "sk-geh/ei%3Am%221%5Cx"),
        lambda: log.info("%r", {"key": KEY}),
        lambda: log.info("%s", json.dumps({"key": KEY})),
        lambda: log.info("told %s", KEY, extra={"header": KEY, "headers": {"x": KEY}}),
        lambda: log.error("a bug", exc_info=raised(ValueError(f"no such key: {KEY}"))),
        lambda: log.error("a bug", exc_info=raised(KeyError(KEY))),
    ],
)
def test_no_secret_leaves_however_it_is_spelled(file: Path, form: str, say: Callable[[], None]) -> None:
    with logging_to(file, form=form) as written:
        say()
    assert "[secret]" in written.text
    assert "geh" not in written.text


def test_a_secret_in_the_chain_of_an_exception_does_not_get_out(file: Path) -> None:
    with logging_to(file) as written:
        try:
            try:
                raise ValueError(KEY)  # noqa: TRY301 - it is about the chain
            except ValueError as first:
                first.add_note(f"with {KEY}")
                raise RuntimeError(f"{KEY} again") from first
        except RuntimeError:
            log.exception("a bug")
    (told,) = written.told
    assert "ValueError" in told["trace"] and "RuntimeError" in told["trace"]
    assert "geh" not in written.text


def test_the_longer_of_two_secrets_is_masked_whole_and_short_ones_tear_no_holes() -> None:
    mask = Masked(["abcd", "abcdefgh", "abc"])
    assert mask("abcdefgh abcd abc") == "[secret] [secret] abc"
    assert Masked([])("abcd") == "abcd"


def test_what_libraries_errors_say_in_words_is_shown_at_level_debug_alone(file: Path) -> None:
    library = logging.getLogger("library")
    for level, shown in (("info", False), ("debug", True)):
        with logging_to(file, level=level) as written:
            library.error("failed to validate", exc_info=raised(ValueError("I said: my secret wish")))
        (told,) = written.told
        assert ("my secret wish" in written.text) == shown
        assert told["trace"].startswith("ValueError at ") or shown


def test_libraries_speak_from_warnings_on_and_at_level_debug_everybody_does(file: Path) -> None:
    library = logging.getLogger("library")

    def say() -> None:
        library.info("library info")
        library.warning("library warning")
        log.debug("our debug")
        log.info("our info")

    for level, expected in (
        ("error", []),
        ("warning", ["library warning"]),
        ("info", ["library warning", "our info"]),
        ("debug", ["library info", "library warning", "our debug", "our info"]),
    ):
        with logging_to(file, level=level) as written:
            say()
        assert [told["message"] for told in written.told] == expected


# --- storms --------------------------------------------------------------------------------------------------------------------------


def test_ten_thousand_equal_warnings_are_a_handful_of_lines_and_their_number(file: Path) -> None:
    with logging_to(file) as written:
        for _ in range(10_000):
            log.warning("the disk is slow")
    assert len(written.lines) == 6
    assert written.told[-1]["message"] == "... 9,995 more like this in 60 s: the disk is slow"
    assert written.told[-1]["left_out"] == 9_995
    assert written.told[-1]["level"] == "warning"


def test_ten_thousand_lines_from_one_place_are_few_whatever_they_say(file: Path) -> None:
    with logging_to(file) as written:
        for number in range(10_000):
            log.warning("connection %d was cut", number)
    assert len(written.lines) == 51
    assert "... 9,950 more like this in 60 s: connection 50 was cut" in written.text


def test_whose_line_it_is_has_room_of_its_own(file: Path) -> None:
    with logging_to(file) as written:
        for number in range(300):
            for conversation in ("noisy", *(["quiet"] if number < 100 else [])):
                log.info("%s: step %d", conversation, number, extra={"conversation": conversation})
    assert sum("quiet: step" in line for line in written.lines) == 100
    assert sum('"noisy: step' in line for line in written.lines) == 200
    assert "... 100 more like this in 60 s: noisy: step 200" in written.text


def line(text: str, **fields: Any) -> Line:
    return Line(0.0, logging.INFO, "l", text, fields=fields)


def test_when_the_minute_is_over_it_is_said_how_many_there_were_and_lines_are_written_again() -> None:
    repeats = Repeats()
    taken = [repeats.admit(line("hello"), "hello", float(second))[0] for second in range(10)]
    assert taken == [True] * 5 + [False] * 5
    assert repeats.over(59.9) == []
    assert [said.message for said in repeats.over(60.0)] == ["... 5 more like this in 60 s: hello"]
    assert repeats.over(61.0) == []
    assert repeats.admit(line("hello"), "hello", 62.0) == (True, [])


def test_no_number_of_kinds_of_lines_takes_more_room_and_none_is_uncounted() -> None:
    repeats, said, written = Repeats(), 0, 0
    for number in range(30_000):
        text = f"dynamic {number // 10}"
        taken, before = repeats.admit(line(text), text, 1.0)
        written += taken
        said += sum(one.fields["left_out"] for one in before)
    assert len(repeats._kinds) <= logs.KINDS_MAX
    said += sum(one.fields["left_out"] for one in repeats.over(1e9))
    assert (written, said) == (15_000, 15_000)


def test_even_lines_that_are_all_different_have_an_end() -> None:
    repeats = Repeats()
    written = sum(repeats.admit(line(str(number)), str(number), 1.0)[0] for number in range(logs.ALL_MAX + 500))
    assert written == logs.ALL_MAX
    assert [said.fields["left_out"] for said in repeats.over(1e9)] == [500]


# --- a stderr that does not take it ---------------------------------------------------------------------------------------------------


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_whoever_logs_never_waits_for_a_reader_and_what_is_lost_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "WAITING_CHARS_MAX", 200_000)
    reader, writer = os.pipe()
    with Log(writer, form="json") as sink:
        began = time.monotonic()
        for number in range(3_000):
            log.info("%d %s", number, "x" * 500, extra={"conversation": number})
        assert time.monotonic() - began < 5
        assert sink.lost > 1_000
        got = bytearray()
        while b"are lost" not in got or not sink._queue.empty():
            if b"are lost" not in got:
                log.info("still there", extra={"conversation": len(got)})
            if select.select([reader], [], [], 0.1)[0]:
                got += os.read(reader, 1 << 16)
            assert time.monotonic() - began < 60
    os.close(writer)
    with os.fdopen(reader, "rb") as rest:
        told = [json.loads(line) for line in (bytes(got) + rest.read()).splitlines()]
    counted = sum(one["lost"] for one in told if "lost" in one)
    assert counted == sink.lost
    assert sum("xxx" in one["message"] for one in told) + counted >= 3_000


def test_a_reader_that_never_comes_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "CLOSE_S_MAX", 0.2)
    reader, writer = os.pipe()
    with Log(writer, form="json") as sink:
        for number in range(1_000):
            log.info("%s", "x" * 500, extra={"conversation": number})
        began = time.monotonic()
    log.propagate = True
    sink.handle(logging.makeLogRecord({"name": "holdfast", "msg": "too late", "levelno": logging.INFO}))  # it does not wait either
    assert time.monotonic() - began < 5
    os.close(reader)  # now the thread is let go: nobody reads
    sink._thread.join(30)
    assert not sink._thread.is_alive()
    os.close(writer)


def test_a_stderr_that_is_broken_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Log(writer, form="json") as sink:
        for number in range(10):
            log.error("number %d", number)
        until(lambda: sink.lost == 10)
    os.close(writer)
    with Log(None) as sink:
        log.error("nobody is there")
    assert sink.lost == 1


def test_a_terminal_that_was_made_not_to_wait_is_waited_for_by_the_thread(file: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with Log(writer, form="text") as sink:
        for number in range(400):
            log.info("%d %s", number, "x" * 500, extra={"conversation": number})
        got = b""
        while b"399 x" not in got:
            assert select.select([reader], [], [], 30)[0]
            got += os.read(reader, 1 << 16)
    assert sink.lost == 0
    os.close(reader)
    os.close(writer)


def test_who_logs_wrongly_or_from_many_threads_at_once_harms_nobody(file: Path) -> None:
    with logging_to(file) as written:
        log.info("%d of %s", "one")  # noqa: PLE1206 - it is about that
        log.info("{} %(x)s", {"y": 1})

        def say(name: int) -> None:
            for number in range(50):
                log.info("%d", number, extra={"conversation": name})

        threads = [threading.Thread(target=say, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert written.told[0]["message"] == "%d of %s (and what belongs into this line can't be put there: TypeError)"
    assert len(written.lines) == 402


# --- where it goes --------------------------------------------------------------------------------------------------------------------


def test_for_systemds_journal_each_line_has_its_priority_and_no_time_of_its_own(file: Path) -> None:
    with logging_to(file, form="text", journald=True) as written:
        log.info("fine")
        log.error("a bug", exc_info=raised(ValueError("x")))
    assert written.lines[0] == "<6>INFO holdfast.test: fine"
    assert written.lines[1] == "<3>ERROR holdfast.test: a bug"
    assert written.lines[-1] == "<3>    ValueError: x"
    assert all(line.startswith("<3>    ") for line in written.lines[2:])


def chosen(out: int, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, form: logs.Format = "auto") -> tuple[str, bool]:
    with os.fdopen(os.dup(out), "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        log = logs.to_stderr("info", form, [], environ)
    return log._form, log._journald


def test_a_terminal_and_systemds_journal_get_text_and_everything_else_json(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with file.open("w") as out:
        status = os.fstat(out.fileno())
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert chosen(theirs, {}, monkeypatch) == ("text", False)
        assert chosen(theirs, {}, monkeypatch, "json") == ("json", False)
        assert chosen(out.fileno(), {}, monkeypatch) == ("json", False)
        assert chosen(out.fileno(), {}, monkeypatch, "text") == ("text", False)
        assert chosen(out.fileno(), journal, monkeypatch) == ("text", True)
        assert chosen(out.fileno(), {"JOURNAL_STREAM": "1:2"}, monkeypatch) == ("json", False), "somebody redirected it"
    monkeypatch.setattr(sys, "stderr", None)
    assert logs.to_stderr("info", "auto", [], {})._out is None
    os.close(ours)
    os.close(theirs)


# --- the end of the process -----------------------------------------------------------------------------------------------------------

ENDS = """
import logging, sys, threading
from holdfast.errors import Temporary
from holdfast.logs import to_stderr
with to_stderr("info", "text", ["s3cret-key"], {}):
    logging.getLogger("holdfast").info("begun")
    %s
"""


def ended(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", ENDS % code], capture_output=True, text=True, timeout=60, check=False)


def test_a_bug_that_ends_the_process_is_in_the_log_without_secrets() -> None:
    done = ended("raise ValueError('the key s3cret-key')")
    assert done.returncode == 1
    assert "CRITICAL holdfast.logs: a bug ended the gateway" in done.stderr and "ValueError: the key [secret]" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
    assert done.stderr.count("Traceback") == 1


def test_so_is_one_that_ends_a_thread_or_that_nobody_can_be_told_of() -> None:
    done = ended("t = threading.Thread(target=lambda: {}['s3cret-key'], name='worker'); t.start(); t.join()")
    assert done.returncode == 0
    assert "a bug ended the thread worker" in done.stderr and "KeyError: '[secret]'" in done.stderr
    done = ended("x = type('X', (), {'__del__': lambda self: {}['s3cret-key']})(); del x")
    assert done.returncode == 0
    assert "a bug where nobody can be told" in done.stderr and "s3cret" not in done.stderr


def test_what_a_person_has_to_mend_is_passed_on() -> None:
    with pytest.raises(Temporary, match="The port"), Log(None):
        raise Temporary("The port is busy.")


def test_afterwards_loggers_are_as_they_were() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level, threading.excepthook, sys.unraisablehook
    with Log(None):
        assert root.handlers != before[0]
    assert (root.handlers, root.level, threading.excepthook, sys.unraisablehook) == before
