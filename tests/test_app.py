from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import app, config


@pytest.mark.parametrize(("named", "said"), [(None, "chat\n"), (Path("/a b/c.toml"), "chat --config '/a b/c.toml'\n")])
def test_the_way_to_talk_to_it_names_the_configuration_that_it_was_started_with(
    tmp_path: Path, named: Path | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app._say_ready(config.load(None, {"HOME": str(tmp_path)}), named)
    assert said in capsys.readouterr().out
