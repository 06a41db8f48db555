"""All checks together (`checks/__init__.py`)."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from holdfast import checks, config
from holdfast.checks import World, check_answer, check_everything, check_file
from holdfast.checks.findings import Finding, verdict
from holdfast.runtime.clock import SystemClock
from holdfast.testing import model_servers
from holdfast.testing.stub_provider import Reply, StubProvider, http

KEY = "sk-nobody-may-see-this"


async def checked(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[Finding]:
    file = tmp_path / "config.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\n{text}\n[web]\nport = 0\n')
    settings, found = check_file(file, {})
    assert settings is not None
    return found + await check_everything(settings, World(environ or {}, SystemClock()))


def route(base_url: str, name: str = "main", more: str = "") -> str:
    return f'[routes.{name}]\nbase_url = "{base_url}"\nmodel = "m"\n{more}\n'


def about(found: list[Finding], part: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.check) for finding in found if finding.about == part]


async def test_a_missing_secret_hides_no_other_route_and_no_tool_server(tmp_path: Path) -> None:
    async with StubProvider(model_servers.vllm("m", 32768)) as stub:
        text = (
            '[agent]\nchain = ["main", "second"]\n'
            + route(stub.base_url, "main", 'api_key = "env:NOT_SET"')
            + route(stub.base_url, "second")
            + '[tools.far]\nurl = "http://127.0.0.1:1/mcp"\napi_key = "env:NOT_SET"\n[tools.near]\ncommand = ["nothing-like-this"]'
        )
        found = await checked(tmp_path, text)
    assert about(found, "routes.main") == [("error", "config.start")]
    assert about(found, "routes.second")[0] == ("ok", "route.answers")
    assert about(found, "tools.far") == [("error", "config.start")]
    assert about(found, "tools.near") == [("error", "tools.offers")]


async def test_no_secret_is_in_any_finding_also_where_a_server_repeats_it(tmp_path: Path) -> None:
    repeats = Reply(http(f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'.encode(), 401, "application/json"))
    async with StubProvider(lambda _: repeats) as stub:
        found = await checked(tmp_path, route(stub.base_url, more='api_key = "env:K"'), {"K": KEY})
    assert about(found, "routes.main") == [("error", "route.answers")]
    assert KEY not in repr(found)


async def test_a_route_that_no_chain_names_is_tried_too_since_it_can_be_chosen(tmp_path: Path) -> None:
    async with StubProvider(model_servers.vllm("m", 32768)) as stub:
        found = await checked(
            tmp_path, route(stub.base_url) + route(stub.base_url, "spare") + route(stub.base_url, "third", 'api_key = "env:NOT_SET"')
        )
    assert about(found, "routes.spare")[:2] == [("warning", "config.unused"), ("ok", "route.answers")]
    assert set(about(found, "routes.third")) == {("warning", "config.unused"), ("error", "config.start")}


async def test_one_route_is_tried_alone_and_known_by_its_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    async with StubProvider(model_servers.vllm("m", 32768)) as stub:
        file.write_text(route(stub.base_url) + route("http://127.0.0.1:1/v1", "spare", 'api_key = "env:NOT_SET"'))
        settings, _ = check_file(file, {"HOME": str(tmp_path)})
        assert settings is not None
        well, fingerprint = await check_answer(settings, "main", {})
        assert [hit.path for hit in stub.hits if hit.method == "POST"] == ["/v1/chat/completions"]
    assert (well.level, well.check, fingerprint) == ("ok", "route.answers", settings.routes["main"].fingerprint)
    unusable, none = await check_answer(settings, "spare", {})
    assert (unusable.level, unusable.check, none) == ("error", "config.start", "")


async def test_a_key_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o644)
    async with StubProvider(model_servers.vllm("m", 32768)) as stub:
        found = await checked(tmp_path, route(stub.base_url, more='api_key = "file:key"'))
    assert about(found, "routes.main")[0] == ("warning", "config.start")
    assert f"chmod 600 {tmp_path}/key" in repr(found)


async def test_instructions_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    found = await checked(tmp_path, '[agent]\ninstructions_file = "none.md"')
    assert about(found, "agent") == [("error", "config.start")]


def test_nothing_is_written_and_nothing_made(tmp_path: Path) -> None:
    asyncio.run(checked(tmp_path, ""))
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_an_unknown_setting_is_told_and_ends_the_check(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("data_dri = 1\n")
    settings, (finding,) = check_file(tmp_path / "config.toml", {"HOME": str(tmp_path)})
    assert settings is None
    assert (finding.level, finding.away) == ("error", False)
    assert "data_dir" in finding.what


def test_without_a_configuration_the_way_to_one_is_told(tmp_path: Path) -> None:
    settings, (finding,) = check_file(None, {"HOME": str(tmp_path)})
    assert isinstance(settings, config.Config)
    assert (finding.level, finding.mend) == ("warning", "holdfast init")


@pytest.mark.parametrize(
    ("findings", "word"),
    [
        ([], "ok"),
        ([Finding("warning", "c", "a", "w")], "ok"),
        ([Finding("error", "c", "a", "w", away=True)], "away"),
        ([Finding("error", "c", "a", "w", away=True), Finding("error", "c", "a", "w")], "change"),
    ],
)
def test_what_all_findings_come_to(findings: list[Finding], word: str) -> None:
    assert verdict(findings) == word


@pytest.mark.parametrize("masked", [True, False])
async def test_a_secret_that_a_tool_server_blurts_out_is_masked(masked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mask it would be seen: so this test sees."""
    if not masked:
        monkeypatch.setattr(checks, "mask", lambda text, _: text)
    blurts = "import os, sys; print('my key is', os.environ['API_KEY'], file=sys.stderr)"
    text = f'[tools.loud]\ncommand = [{json.dumps(sys.executable)}, "-c", {json.dumps(blurts)}]\nenv = {{ API_KEY = "{KEY}" }}'
    found = await checked(tmp_path, text)
    assert about(found, "tools.loud") == [("error", "tools.offers")]
    assert ("my key is" in repr(found), KEY in repr(found)) == (True, not masked)
