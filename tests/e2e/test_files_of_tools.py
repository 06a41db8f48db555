"""Long results and files of tools, through a whole gateway that is killed meanwhile: read in parts to the end, shown to the model, kept once."""

from __future__ import annotations

import base64
import json
import re
import runpy
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import AssistantMessage, Delivered, Entry, Question, ToolResult
from holdfast.core.files import FILE_BYTES_MAX
from holdfast.testing.gateway_rig import to
from holdfast.testing.process import GatewayProcess
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, call, delta, events, finish, http, text
from holdfast.web.wire import conversation_key

SERVER = str(Path(__file__).parents[1] / "tools" / "file_server.py")
SERVED = runpy.run_path(SERVER)
LINES, PNG = SERVED["LINES"], SERVED["PNG"]

Open = Callable[..., Any]


def says(words: str) -> Reply:
    return Reply(http(events(delta(role="assistant", content=""), text(words), finish())))


def uses(tool: str, **arguments: Any) -> Reply:
    return Reply(http(events(delta(role="assistant", content=""), call(0, tool, json.dumps(arguments)), finish("tool_calls"))))


def config(base_url: str, replay: str) -> str:
    command = json.dumps([sys.executable, SERVER])
    return to(base_url, "images = true") + f'[tools.files]\ncommand = {command}\npolicy = "allow"\nreplay = {{ picture = "{replay}" }}\n'


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Open]:
    """A gateway whose model follows a script, and whose tools make files."""
    gateways: list[GatewayProcess] = []
    stubs: list[StubProvider] = []

    async def start(script: Callable[[Hit], Reply], failpoint: str = "", replay: str = "always") -> tuple[GatewayProcess, StubProvider]:
        stub = StubProvider(script)
        await stub.start()
        stubs.append(stub)
        gateway = GatewayProcess(tmp_path / "gateway", config(stub.base_url, replay))
        gateways.append(gateway)
        await gateway.start(environ={"HOLDFAST_FAILPOINT": failpoint} if failpoint else {})
        await gateway.ready()
        return gateway, stub

    yield start
    for gateway in gateways:
        await gateway.end()
    for stub in stubs:
        await stub.stop()


def bodies(entries: Sequence[Entry], kind: type) -> list[Any]:
    return [entry.body for entry in entries if isinstance(entry.body, kind)]


def answered(words: str) -> Callable[[Any], bool]:
    return lambda entries: any(answer.text == words for answer in bodies(entries, AssistantMessage))


async def test_a_long_result_is_read_in_parts_to_its_end_over_two_kills(started: Open) -> None:
    def script(hit: Hit) -> Reply:
        last = hit.json["messages"][-1]
        if last["role"] == "user":
            return uses("files__long")
        if kept := re.search(r"is kept as (\w{16})", last["content"]):
            shown = last["content"].rpartition("\n")[0]
            return uses("holdfast__read_attachment", file=kept[1], start=len(shown), chars=50_000)
        goes_on = re.match(r"\[(.+), characters .*; it goes on with start=(\d+)\]", last["content"])
        return uses("holdfast__read_attachment", file=goes_on[1], start=int(goes_on[2]), chars=50_000) if goes_on else says("Read.")

    gateway, stub = await started(script)
    await gateway.tools_ready()
    await gateway.door.send("c", "k1", "Read it all")
    for results in (1, 3):
        await gateway.told("c", lambda entries, results=results: len(bodies(entries, ToolResult)) >= results)
        await gateway.restart()
    entries = await gateway.told("c", answered("Read."))
    first, *parts = [result.text for result in bodies(entries, ToolResult)]
    read = first.rpartition("\n")[0] + "".join(part.partition("\n")[2] for part in parts)
    assert read == LINES
    assert len(parts) == 4
    assert not bodies(entries, Question)
    (whole,) = bodies(entries, ToolResult)[0].files
    assert whole.whole and len(stub.hits[-1].body) < len(LINES) * 1.2, "nothing is shown twice"


def sees(hit: Hit) -> Reply:
    """It draws when asked to, and tells what it is shown."""
    last = hit.json["messages"][-1]
    pictures = (
        [part["image_url"]["url"] for part in last["content"] if part["type"] == "image_url"] if isinstance(last["content"], list) else []
    )
    if pictures:
        return says(f"I see {len(base64.b64decode(pictures[0].partition(',')[2]))} bytes.")
    return uses("files__picture") if last["content"] == "Draw" else says("I see nothing.")


@pytest.mark.parametrize(
    "failpoint",
    [
        "",
        "tool.after_effect",
        "file.before_rename",
        "append.before_commit:2",
        "append.after_commit:2",
        "deliver.before_send",
        "deliver.after_send",
    ],
)
async def test_a_picture_that_a_tool_made_is_shown_to_the_model_and_sent_once_wherever_the_process_is_killed(
    started: Open, failpoint: str
) -> None:
    gateway, _ = await started(sees, failpoint)
    await gateway.tools_ready()
    await gateway.door.send("c", "k1", "Draw")
    if failpoint:
        assert await gateway.ended() == -signal.SIGKILL
        kept = bodies((await gateway.journal())[conversation_key("c")], ToolResult)
        files = [file for file in (gateway.data_dir / "files").glob("*") if not file.name.startswith("partial-")]
        if failpoint == "append.before_commit:2":
            assert files and not kept, "the file is there, and no entry speaks of it"
        assert {file.sha256 for result in kept for file in result.files} <= {file.name for file in files}
        await gateway.start()
        await gateway.ready()
    entries = await gateway.told("c", answered(f"I see {len(PNG)} bytes."))
    (result,) = bodies(entries, ToolResult)
    (file,) = result.files
    assert (file.name, file.media_type) == ("picture-1.png", "image/png")
    assert (gateway.data_dir / "files" / file.sha256).read_bytes() == PNG
    name = next(f"r{entry.seq}" for entry in entries if isinstance(entry.body, ToolResult))
    entries = await gateway.told("c", lambda entries: any(one.of == name for one in bodies(entries, Delivered)))
    assert sum(one.of == name for one in bodies(entries, Delivered)) == 1


async def test_a_picture_whose_result_was_not_kept_is_made_again_by_nobody_where_that_may_do_harm(started: Open) -> None:
    gateway, _ = await started(sees, "append.before_commit:2", replay="never")
    await gateway.tools_ready()
    await gateway.door.send("c", "k1", "Draw")
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    await gateway.ready()
    entries = await gateway.told("c", answered("I see nothing."))
    (result,) = bodies(entries, ToolResult)
    assert (result.outcome, result.files) == ("unknown", ())
    (asked,) = bodies(entries, Question)
    assert asked.question == "unknown"


async def test_the_largest_file_is_kept_and_sent_and_a_larger_answer_is_told_to_the_model(tmp_path: Path) -> None:
    def script(hit: Hit) -> Reply:
        last = hit.json["messages"][-1]
        return uses("large__file", bytes=int(last["content"])) if last["role"] == "user" else says(last["content"][:200])

    server = json.dumps([sys.executable, str(Path(SERVER).with_name("large_server.py"))])
    async with StubProvider(script) as stub:
        table = f'[tools.large]\ncommand = {server}\npolicy = "allow"\n'
        async with GatewayProcess(tmp_path / "gateway", to(stub.base_url) + table) as gateway:
            await gateway.ready()
            await gateway.tools_ready()
            await gateway.door.send("c", "k1", str(FILE_BYTES_MAX))
            entries = await gateway.told("c", lambda entries: len(bodies(entries, ToolResult)) == 1, within_s=60)
            (file,) = bodies(entries, ToolResult)[0].files
            assert (gateway.data_dir / "files" / file.sha256).stat().st_size == FILE_BYTES_MAX
            name = next(f"r{entry.seq}" for entry in entries if isinstance(entry.body, ToolResult))
            await gateway.told("c", lambda entries: any(one.of == name for one in bodies(entries, Delivered)))
            await gateway.door.send("c", "k2", str(FILE_BYTES_MAX + 5_000_000))
            entries = await gateway.told("c", lambda entries: len(bodies(entries, ToolResult)) == 2, within_s=60)
            second = bodies(entries, ToolResult)[1]
            assert second.outcome == "error" and "Ask for less" in second.text
            assert [server["restarts"] for server in (await gateway.door.status())["tool servers"]] == [0]
