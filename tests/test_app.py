from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import app, config
from holdfast.runtime.lifetime import SafeMode


@pytest.mark.parametrize(("named", "said"), [(None, "chat\n"), (Path("/a b/c.toml"), "chat --config '/a b/c.toml'\n")])
def test_the_way_to_talk_to_it_names_the_configuration_that_it_was_started_with(
    tmp_path: Path, named: Path | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app._say_ready(config.load(None, {"HOME": str(tmp_path)}), named, None)
    assert said in capsys.readouterr().out


def test_a_start_in_safe_mode_says_so_and_how_to_end_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app._say_ready(config.load(None, {"HOME": str(tmp_path)}), None, SafeMode(1.0, 2.0))
    out = capsys.readouterr().out
    assert out.startswith("Holdfast is ready, in safe mode. ") and "Model:" not in out
    assert "holdfast safe-mode" in out
