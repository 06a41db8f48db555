from __future__ import annotations

from pathlib import Path

from holdfast.cli.history import TEXTS_MAX, TypedBefore


def _typed(path: Path) -> list[str]:
    return list(TypedBefore(path).load_history_strings())


def test_what_was_typed_is_read_newest_first_and_by_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "typed"
    for text in ("one", "two\nlines", "Grüße \ud800"):
        TypedBefore(path).append_string(text)
    assert _typed(path) == ["Grüße \ud800", "two\nlines", "one"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "typed"
    path.touch(0o644)
    TypedBefore(path).append_string("secret")
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "typed"
    path.write_text("".join(f'"{number}"\n' for number in range(3 * TEXTS_MAX)))
    assert len(_typed(path)) == TEXTS_MAX
    assert _typed(path)[0] == str(3 * TEXTS_MAX - 1)
    assert len(path.read_text().splitlines()) == TEXTS_MAX


def test_what_is_broken_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "typed"
    path.write_bytes(b'"one"\n"half\n{}\n\xff\n"two"\n')
    assert _typed(path) == ["two", "one"]


def test_without_a_folder_it_remembers_while_it_is_open(tmp_path: Path) -> None:
    typed = TypedBefore(tmp_path / "none" / "typed")
    typed.append_string("one")
    assert typed.get_strings() == ["one"]
