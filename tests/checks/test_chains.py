"""What is wrong with chains, told from the configuration alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import config
from holdfast.checks.chains import check_chains
from holdfast.checks.findings import Finding

TOOLS = '[tools.t]\ncommand = ["x"]\n'


def found(tmp_path: Path, text: str) -> list[Finding]:
    (tmp_path / "config.toml").write_text(text)
    return list(check_chains(config.load(tmp_path / "config.toml", {"HOME": str(tmp_path)})))


def route(name: str, more: str = "") -> str:
    return f'[routes.{name}]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n{more}\n'


@pytest.mark.parametrize(
    ("head", "mend"),
    [
        ("", 'chain = ["main", "spare"]    (in [agent])'),
        ('[chains]\nfast = ["main"]\n[agent]\nchain = "fast"\n', 'fast = ["main", "spare"]    (in [chains])'),
        ('[agent]\nchain = "main"\n', 'chain = ["main", "spare"]    (in [agent])'),
    ],
)
def test_a_route_that_no_chain_names_is_told_with_the_line_that_names_it(head: str, mend: str, tmp_path: Path) -> None:
    (finding,) = found(tmp_path, head + route("main") + route("spare"))
    assert (finding.level, finding.about, finding.mend) == ("warning", "routes.spare", mend)
    assert "/model spare" in finding.what


def test_a_route_that_any_chain_names_is_used(tmp_path: Path) -> None:
    assert not found(tmp_path, '[chains]\nother = ["spare"]\n' + route("main") + route("spare"))


def test_a_chain_that_can_not_call_tools_is_fine_until_there_are_tool_servers(tmp_path: Path) -> None:
    without = route("main", "tools = false")
    assert not found(tmp_path, without)
    (finding,) = found(tmp_path, without + TOOLS)
    assert (finding.level, finding.check, finding.about) == ("warning", "config.tools", "agent")
    assert not found(tmp_path, '[agent]\nchain = ["main", "spare"]\n' + without + route("spare") + TOOLS)


@pytest.mark.parametrize(
    ("main", "small", "warned"), [(32768, 8192, True), (32768, 32768, False), (None, 8192, False), (32768, None, False)]
)
def test_summaries_that_are_made_by_a_model_with_a_smaller_window_are_warned_of(
    main: int | None, small: int | None, warned: bool, tmp_path: Path
) -> None:
    routes = [route(name, f"context_tokens = {tokens}" if tokens else "") for name, tokens in (("main", main), ("small", small))]
    told = found(tmp_path, '[agent]\nsummaries_chain = ["small"]\n' + "".join(routes))
    assert [finding.check for finding in told] == (["config.summaries"] if warned else [])
    if warned:
        assert told[0].what == "summaries_chain reads at most 8192 tokens at once, and main reads 32768."
