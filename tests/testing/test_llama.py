from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.testing.llama import Script, build, unavailable


def test_a_word_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    if why := unavailable():
        pytest.skip(why)
    with pytest.raises(ValueError, match="No word may occur twice"):
        build(tmp_path / "model.gguf", Script(text="on and on and on"))
