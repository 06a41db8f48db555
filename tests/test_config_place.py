"""Where a gateway keeps everything can be told whatever is wrong elsewhere in its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import config
from holdfast.errors import Config


def place(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text)
    return config.data_dir_of(file, {"HOME": str(folder)})


@pytest.mark.parametrize(
    "text",
    [
        'data_dir = "d"\n',
        'data_dir = "d"\n[agent]\nchain = ["none"]\n',
        'data_dir = "d"\n[agnt]\n',
        'data_dir = "d"\n[agent\nchain = \n',
        '# mine\n  data_dir = "d"  # here\nx = [\n[agent]\n',
        "data_dir = 'd'\n\x00",
    ],
)
def test_it_is_found_in_a_file_that_is_wrong_elsewhere(tmp_path: Path, text: str) -> None:
    """LEDGER H-59."""
    assert place(tmp_path, text) == tmp_path / "d"


def test_where_the_file_does_not_name_it_it_is_the_usual_one(tmp_path: Path) -> None:
    assert place(tmp_path, "[agent\n") == tmp_path / ".local/share/holdfast"
    assert place(tmp_path, '[agent]\ninstructions = """\ndata_dir = 3\n"""\n[') == tmp_path / ".local/share/holdfast"


@pytest.mark.parametrize(
    "text", ["data_dir = 3\n", 'data_dri = "d"\n', 'data_dir "d"\n', 'data_dri = "d"\n[agent\n', 'data_dir = "d\n[agent]\n']
)
def test_what_may_have_been_meant_for_it_is_no_reason_to_look_elsewhere(tmp_path: Path, text: str) -> None:
    with pytest.raises(Config, match=r"config\.toml"):
        place(tmp_path, text)


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(Config, match="Create the file"):
        config.data_dir_of(tmp_path / "none.toml", {"HOME": str(tmp_path)})
    assert config.data_dir_of(None, {"HOME": str(tmp_path)}) == tmp_path / ".local/share/holdfast"
