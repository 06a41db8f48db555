"""Tool servers started for real."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.checks.findings import Finding
from holdfast.checks.tools import check_tools
from holdfast.runtime.clock import SystemClock
from holdfast.testing.tool_rig import demo_server
from holdfast.tools import mcp
from holdfast.tools.settings import Address, Command, ServerSettings


async def found(*servers: ServerSettings) -> list[Finding]:
    return await check_tools(servers, SystemClock())


def stdio(*words: str, **settings: Any) -> ServerSettings:
    return ServerSettings(name="odd", where=Command(words), **settings)


async def test_a_server_that_works_is_told_with_its_tools(tmp_path: Path) -> None:
    (finding,) = await found(demo_server(tmp_path / "effects"))
    assert (finding.level, finding.about) == ("ok", "tools.demo")
    assert "demo_" in finding.what


async def test_a_command_that_is_not_there_has_to_be_changed() -> None:
    (finding,) = await found(stdio("mcp-server-tim"))
    assert (finding.level, finding.away, finding.mend) == ("error", False, "Correct [tools.odd]")
    assert (
        finding.what == "Tool server 'odd': the command 'mcp-server-tim' was not found. Install it, or give its full path in [tools.odd]."
    )


async def test_a_program_that_speaks_something_else_is_told_with_its_words() -> None:
    (finding,) = await found(stdio(sys.executable, "-c", "print('Hello, I am no MCP server')"))
    assert finding.level == "error"
    assert "Hello, I am no MCP server" in finding.what


async def test_a_url_where_nobody_is_is_away() -> None:
    (finding,) = await found(ServerSettings(name="odd", where=Address("http://127.0.0.1:1/mcp")))
    assert (finding.level, finding.away) == ("error", True)


async def test_one_that_fails_does_not_hide_the_others(tmp_path: Path) -> None:
    findings = await found(stdio("nothing-like-this"), demo_server(tmp_path / "effects"))
    assert [finding.level for finding in findings] == ["error", "ok"]


async def test_a_policy_for_a_tool_that_there_is_not_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    settings = replace(
        demo_server(tmp_path / "effects"), tool_policy={"demo__count": "deny", "slow": "allow"}, replay={"send_invoice": "always"}
    )
    ok, policy, replay = await found(settings)
    assert ok.level == "ok"
    assert (policy.level, policy.check, policy.about) == ("warning", "tools.misnamed", "tools.demo")
    assert policy.what == "tool_policy names a tool 'demo__count', which it does not offer: that has no effect."
    assert policy.mend == "count    (instead of demo__count, in tool_policy of [tools.demo])"
    assert replay.mend == "Remove it from replay"


async def test_tools_that_are_too_many_are_a_warning_at_the_server_that_they_are_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "TOOLS_MAX", 6)
    settings = [demo_server(tmp_path / name, name=name) for name in ("first", "second")]
    ok_1, ok_2, *warnings = await found(*settings)
    assert {ok_1.level, ok_2.level} == {"ok"}
    assert "first_" in ok_1.what and "second_" in ok_2.what
    (warning,) = [one for one in warnings if one.about == "tools.second"]
    assert (warning.level, warning.check) == ("warning", "tools.left_out")
    assert "of its tools are shown to no model: all servers together have more than" in warning.what
    assert warning.mend.startswith('tool_policy = { some_tool = "deny" }    (in [tools.second] or a table above it; `')


async def test_without_tool_servers_there_is_nothing_to_say() -> None:
    assert await found() == []
