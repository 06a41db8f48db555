from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import Config, Request
from holdfast.web.wire import (
    FILE_NAME_CHARS_MAX,
    MESSAGE_BYTES_MAX,
    NAME_CHARS_MAX,
    SOCKET_PATH_BYTES_MAX,
    TooLong,
    check_text,
    conversation_key,
    conversation_name,
    door_path,
    file_name,
)

LONG = Path("/home/somebody", "x" * 100)


def test_the_door_is_in_the_data_folder() -> None:
    assert door_path(Path("/data"), "/run/user/1000") == Path("/data/door.sock")


def test_a_data_folder_that_is_too_deep_for_a_socket_has_its_door_in_the_runtime_folder() -> None:
    path = door_path(LONG, "/run/user/1000")
    assert path.is_relative_to("/run/user/1000")
    assert path == door_path(LONG, "/run/user/1000") != door_path(LONG / "y", "/run/user/1000")


def test_the_longest_path_that_fits_is_used() -> None:
    room = SOCKET_PATH_BYTES_MAX - len("/door.sock") - 1
    assert door_path(Path("/" + "x" * room), "/run").parent.name == "x" * room
    assert door_path(Path("/" + "x" * (room + 1)), "/run").is_relative_to("/run")


@pytest.mark.parametrize("runtime_dir", [None, "", str(LONG)])
def test_a_door_that_fits_nowhere_says_what_to_change(runtime_dir: str | None) -> None:
    with pytest.raises(Config, match="XDG_RUNTIME_DIR"):
        door_path(LONG, runtime_dir)


@pytest.mark.parametrize("name", ["a", "x" * NAME_CHARS_MAX, "Küche 台所", "a.b-c_d", "<b>"])
def test_a_name_makes_a_key(name: str) -> None:
    assert conversation_key(name) == f"web:local:{name}"


@pytest.mark.parametrize("name", ["", "x" * (NAME_CHARS_MAX + 1), "a:b", "a/b", " a", "a ", "a\nb", "\x1b[2J", "\u202ea"])
def test_a_name_that_could_be_mistaken_makes_none(name: str) -> None:
    with pytest.raises(Request, match="can't be the name"):
        conversation_key(name)


def test_a_text_has_words_and_fits() -> None:
    check_text("x" * MESSAGE_BYTES_MAX)
    with pytest.raises(Request, match="empty"):
        check_text(" \n")
    with pytest.raises(TooLong, match="65,536 bytes"):
        check_text("x" * (MESSAGE_BYTES_MAX + 1))


def test_a_conversation_is_called_by_its_name_or_by_its_key() -> None:
    assert (conversation_name("web:local:kitchen"), conversation_name("tg:bot:7")) == ("kitchen", "tg:bot:7")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a b.png", "a b.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\x.txt", "x.txt"),
        ("a\r\nset-cookie: x", "a set-cookie: x"),
        ("\u202egnp.exe", "gnp.exe"),
        ("/v1/", "file"),
        ("..", "file"),
        ("", "file"),
        ("\x00", "file"),
        ("台所.jpg", "台所.jpg"),
    ],
)
def test_a_file_is_called_by_one_line_without_folders(given: str, name: str) -> None:
    assert file_name(given) == name


def test_a_name_that_is_too_long_keeps_its_ending() -> None:
    name = file_name("x" * 1000 + ".jpeg")
    assert (len(name), name[-6:]) == (FILE_NAME_CHARS_MAX, "x.jpeg")
