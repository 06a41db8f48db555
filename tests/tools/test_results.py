"""What tools answer, as words and files: from a server of ours, and from one of another making."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from holdfast.core.entries import Call
from holdfast.core.files import FILE_BYTES_MAX
from holdfast.ports import Made, ToolList, ToolOutcome
from holdfast.testing.tool_rig import SystemClock, supervised
from holdfast.tools import session
from holdfast.tools.mcp import McpHost
from holdfast.tools.results import FILES_MAX, NAME_CHARS_MAX, brought, cut, progressed
from holdfast.tools.settings import Command, ServerSettings

SERVER = str(Path(__file__).parent / "file_server.py")
SERVED = runpy.run_path(SERVER)
LINES, PDF, PNG, WAV = SERVED["LINES"], SERVED["PDF"], SERVED["PNG"], SERVED["WAV"]


async def forget(_tool_list: ToolList) -> None: ...


@pytest.fixture
async def host() -> AsyncIterator[McpHost]:
    host = McpHost([ServerSettings("files", Command((sys.executable, SERVER)))], forget, {}, SystemClock())
    async with supervised(host):
        await host.ready()
        yield host


async def ask(host: McpHost, tool: str, server: str = "files", **arguments: Any) -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool=f"{server}__{tool}", arguments=json.dumps(arguments)))


@pytest.mark.parametrize(
    ("tool", "text", "files"),
    [
        ("picture", "here it is:\n[file picture-1.png, image/png, 1 kB]\ndone", [Made("picture-1.png", "image/png", PNG)]),
        ("vector", "[file picture-1.svg, image/svg+xml, 1 kB]", [Made("picture-1.svg", "image/svg+xml", b"<svg/>")]),
        ("sound", "[file sound-1.wav, audio/wav, 1 kB]", [Made("sound-1.wav", "audio/wav", WAV)]),
        ("page", "# A page", []),
        ("letter", "[file a page.md, text/markdown, 1 kB]", [Made("a page.md", "text/markdown", b"# A page")]),
        ("report", '[file report.pdf, application/pdf, 1 kB]\n{"pages": 3}', [Made("report.pdf", "application/pdf", PDF)]),
        (
            "link",
            "kept\n[resource report.pdf: made:///report]\n[file report.pdf, application/pdf, 1 kB]",
            [Made("report.pdf", "application/pdf", PDF)],
        ),
        ("dead_link", "[resource report.pdf: made:///gone]", []),
        ("links", "[resource one: made:///report]\n[resource two: made:///report]", []),
        ("broken", "[picture-1, application/octet-stream: it can't be read, for it is not base64]", []),
        ("nothing", '{"pages": 3}', []),
        ("long", LINES, []),
    ],
)
async def test_what_a_tool_answers_is_text_for_the_model_and_files(host: McpHost, tool: str, text: str, files: list[Made]) -> None:
    assert await ask(host, tool) == ToolOutcome("ok", text, tuple(files))


async def test_a_picture_is_what_its_first_bytes_say(host: McpHost) -> None:
    """A provider that is shown another thing as a picture refuses the whole request."""
    assert [(file.name, file.media_type) for file in (await ask(host, "no_picture")).files] == [("picture-1", "text/plain")]
    pictures = (await ask(host, "pictures")).files
    assert [(file.name, file.media_type) for file in pictures] == [(f"picture-{n}.png", "image/png") for n in (1, 2, 3)]


async def test_of_too_many_files_the_first_are_kept_and_the_others_named(host: McpHost) -> None:
    outcome = await ask(host, "many")
    assert len(outcome.files) == FILES_MAX
    assert outcome.text.count(f"left out, after {FILES_MAX} files") == 25 - FILES_MAX


async def test_a_link_that_is_not_answered_is_given_up_and_the_result_counts(host: McpHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LINK_S", 0.1)
    assert await ask(host, "silent_link") == ToolOutcome("ok", "[resource report.pdf: made:///silent]")
    assert (await ask(host, "picture")).outcome == "ok"


# --- without a server -------------------------------------------------------------------------------------------------------------------


def blob(uri: str, data: str = "AAAA") -> types.CallToolResult:
    resource = types.BlobResourceContents(uri=uri, blob=data)
    return types.CallToolResult(content=[types.EmbeddedResource(type="resource", resource=resource)])


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///a/b.pdf", "b.pdf"),
        ("file:///a/b.pdf/", "b.pdf"),
        ("https://example.org/x.zip?token=secret#top", "x.zip"),
        ("file:///..%2f..%2fetc%2fpasswd", "passwd"),
        ("file:///a%5cb.txt", "b.txt"),
        ("file:///%e2%80%aea%0ab", "ab"),
        ("urn:isbn:0451450523", "isbn:0451450523"),
        ("demo:", "file-1"),
        ("file:///", "file-1"),
        (f"file:///{'x' * 500}", "x" * NAME_CHARS_MAX),
    ],
)
def test_a_file_is_called_by_the_end_of_its_uri_on_one_line_and_in_no_folder(uri: str, name: str) -> None:
    (made,) = brought(blob(uri))[1]
    assert made.name == name


def test_what_is_too_large_is_named_with_its_size() -> None:
    text, files = brought(blob("file:///big.iso", "AAAA" * (FILE_BYTES_MAX // 3 + 1)))
    assert not files
    assert text == "[big.iso, application/octet-stream, 25600 kB: too large to be kept]"


def test_structured_content_counts_only_where_there_is_no_text() -> None:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text="3 pages")]
    assert brought(types.CallToolResult(content=content, structured_content={"pages": 3}))[0] == "3 pages"
    assert brought(types.CallToolResult(content=[], structured_content={"grüße": 1}))[0] == '{"grüße": 1}'
    assert brought(types.CallToolResult(content=[]))[0] == "[no output]"


def test_a_cut_never_splits_a_character() -> None:
    assert cut("äää", 3).startswith("ä\n[cut: ")
    assert cut("äää", 6) == "äää"
    assert cut("x" * 9_000_000).endswith("\n[cut: 8192 kB of 8789 kB are shown]")


def test_how_far_a_call_has_come_is_said_in_a_few_words() -> None:
    assert progressed(3, 10, "indexing") == "3 of 10: indexing"
    assert progressed(0.5, None, None) == "0.5"


# --- a server of another making ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("mcp-server-everything") is None,
    reason="mcp-server-everything is not installed: `npm install -g @modelcontextprotocol/server-everything`, and this test runs.",
)
async def test_the_files_of_a_server_of_another_making_are_taken() -> None:
    command = Command(("mcp-server-everything",))
    host = McpHost([ServerSettings("all", command, connect_timeout_s=30.0)], forget, {}, SystemClock())
    async with supervised(host):
        await host.ready()
        picture = await ask(host, "get-tiny-image", "all")
        (made,) = picture.files
        assert (made.name, made.media_type) == ("picture-1.png", "image/png")
        assert picture.text.startswith("Here's the image you requested:\n[file picture-1.png, image/png, ")
        text = await ask(host, "get-resource-reference", "all", resourceType="Text", resourceId=2)
        assert "Resource 2: This is a plaintext resource" in text.text and not text.files
        (blob,) = (await ask(host, "get-resource-reference", "all", resourceType="Blob", resourceId=1)).files
        assert b"base64 blob" in blob.data
        links = await ask(host, "get-resource-links", "all", count=3)
        assert links.text.count("[resource ") == 3 and not links.files
        zipped = await ask(host, "gzip-file-as-resource", "all", name="hello.gz", data="data:text/plain,hello")
        assert [(file.name, file.data[:2]) for file in zipped.files] == [("hello.gz", b"\x1f\x8b")]
        structured = await ask(host, "get-structured-content", "all", location="Chicago")
        assert "Light rain" in structured.text and not structured.files
