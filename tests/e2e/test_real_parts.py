"""Real llama.cpp, real mcp-server-time, the real command line; and whatever becomes of them in mid-answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time

from holdfast.core.entries import AssistantMessage, Notice, Question, SetAside, Summary, ToolResult, UserMessage
from holdfast.testing.gateway_rig import ANSWER, CALLS_THE_CLOCK, CLOCK, Parts, to
from holdfast.testing.llama import Options, Script
from holdfast.testing.process import GatewayProcess, effects_in, toolserver_table

STOP_S_MAX = 10.0


async def in_mid_answer(gateway: GatewayProcess) -> asyncio.Task[tuple[int, str]]:
    """`holdfast chat` waits for an answer that is being written."""
    chat = asyncio.create_task(chats(gateway, "Tell me"))
    await gateway.in_mid_answer("terminal")
    return chat


async def chats(gateway: GatewayProcess, text: str) -> tuple[int, str]:
    said = await gateway.run("chat", "-q", text)
    return said.exit, said.out


async def test_a_question_is_answered(real: Parts) -> None:
    gateway = await real.gateway(to(real.llama().base_url))
    assert await chats(gateway, "Tell me") == (0, ANSWER + "\n")


async def test_a_real_tool_is_called_and_its_result_answered(real: Parts) -> None:
    gateway = await real.gateway(to(real.llama(Options()).base_url) + CLOCK)
    assert await chats(gateway, "Use the TOOL") == (0, ANSWER + "\n")
    (result,) = [entry.body for entry in await gateway.door.entries("terminal") if isinstance(entry.body, ToolResult)]
    assert result.outcome == "ok"
    assert json.loads(result.text)["timezone"] == "UTC"
    assert "clock__get_current_time" in (await gateway.run("show", "terminal")).out


async def test_a_kill_in_mid_answer_is_not_noticed_in_a_pipe(real: Parts) -> None:
    """H-31, part I rows 23 and 34."""
    gateway = await real.gateway(to(real.llama().base_url))
    chat = await in_mid_answer(gateway)
    await gateway.restart()
    assert await chat == (0, ANSWER + "\n")


async def test_a_kill_in_mid_answer_is_not_noticed_on_a_terminal(real: Parts) -> None:
    """What was shown before the kill is not shown again: the answer is on the screen once."""
    gateway = await real.gateway(to(real.llama().base_url))
    screen, terminal = os.openpty()
    chat = await asyncio.create_subprocess_exec(
        *gateway.command_line("chat", "-q", "Tell me"),
        env=gateway.environ(),
        stdin=terminal,
        stdout=terminal,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(terminal)
    try:
        shown = asyncio.create_task(asyncio.to_thread(on_screen, screen))
        await gateway.in_mid_answer("terminal")
        await gateway.restart()
        assert (await shown).split() == ANSWER.split()  # a long silence ends the line
        assert await chat.wait() == 0
    finally:
        if chat.returncode is None:
            chat.kill()
            await chat.wait()
        os.close(screen)


def on_screen(screen: int) -> str:
    """All that is written to the terminal."""
    shown = b""
    while True:
        try:
            shown += os.read(screen, 4096)
        except OSError:  # the other end is closed
            return shown.decode()


async def test_an_answer_is_written_whether_its_reader_stays_or_not(real: Parts) -> None:
    """Part I row 34."""
    gateway = await real.gateway(to(real.llama().base_url))
    chat = await asyncio.create_subprocess_exec(
        *gateway.command_line("chat", "-q", "Tell me"),
        env=gateway.environ(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await gateway.in_mid_answer("terminal")
    chat.send_signal(signal.SIGINT)
    assert await chat.wait() == 130
    await gateway.told("terminal", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))


async def test_a_model_server_that_dies_in_mid_answer_is_waited_for(real: Parts) -> None:
    """H-28: what went wrong is no part of the conversation. Part I row 12: only that call is made again."""
    llama = real.llama()
    gateway = await real.gateway(to(llama.base_url))
    chat = await in_mid_answer(gateway)
    llama.kill()
    await gateway.until(lambda rows: not rows[0].running and bool(rows[0].turn_gate))
    llama.start()
    assert await chat == (0, ANSWER + "\n")
    kinds = [type(entry.body) for entry in await gateway.door.entries("terminal")]
    assert kinds[:2] == [UserMessage, AssistantMessage]


async def test_asked_to_go_in_mid_answer_it_goes_in_time_and_goes_on_afterwards(real: Parts) -> None:
    """H-29, H-36: nothing has to be drained or marked."""
    gateway = await real.gateway(to(real.llama().base_url))
    chat = await in_mid_answer(gateway)
    asked = time.monotonic()
    assert await gateway.stop() == 0
    assert time.monotonic() - asked < STOP_S_MAX
    await gateway.start()
    assert await chat == (0, ANSWER + "\n")


async def test_after_a_third_kill_of_the_same_answer_it_asks_and_a_choice_brings_the_answer(real: Parts) -> None:
    """From outside it looks as if the turn did it: at its fourth claim it is set aside, and a person decides. Two kills are not noticed."""
    gateway = await real.gateway(to(real.llama().base_url))
    chat = await in_mid_answer(gateway)
    await gateway.restart()
    await gateway.in_mid_answer("terminal", after=1)
    await gateway.restart()
    await gateway.in_mid_answer("terminal", after=1)
    await gateway.restart()
    assert (await chat)[0] == 3
    entries = await gateway.door.entries("terminal")
    assert any(isinstance(entry.body, SetAside) for entry in entries)
    (asked,) = [entry.seq for entry in entries if isinstance(entry.body, Question)]
    assert await chats(gateway, f"/choose {asked} try again") == (0, f"Noted: try again.\n\n{ANSWER}\n")


async def test_a_strict_model_takes_the_transcript_of_a_tool_call_that_was_killed(real: Parts) -> None:
    """H-34, H-42, H-44, part I rows 11 and 13: the call is closed as unknown, not made again, and every later request is valid."""
    llama = real.llama(Options(), Script(text=ANSWER, tool="t__count", arguments='{"key": "x"}', template="strict"))
    effects = real.effects
    gateway = GatewayProcess(effects.parent / "strict", to(llama.base_url) + toolserver_table(effects))
    await gateway.start(environ={"HOLDFAST_FAILPOINT": "tool.after_effect"})
    try:
        await gateway.ready()
        chat = asyncio.create_task(chats(gateway, "Use the TOOL"))
        assert await gateway.ended() == -signal.SIGKILL
        await gateway.start()
        await gateway.ready()
        assert await chat == (0, ANSWER + "\n")
        assert await chats(gateway, "And then?") == (0, ANSWER + "\n")
        outcomes = [entry.body.outcome for entry in await gateway.door.entries("terminal") if isinstance(entry.body, ToolResult)]
        assert outcomes == ["unknown"]
        assert effects_in(effects)["count", "x"] == 1
    finally:
        await gateway.end()


async def test_a_summary_changes_neither_the_conversation_nor_what_is_owed(real: Parts) -> None:
    """H-13: a small window makes summaries necessary; the conversation is the same, and its answers arrive."""
    gateway = await real.gateway(to(real.llama(Options()).base_url, "context_tokens = 300"))
    for _ in range(4):
        assert await chats(gateway, "Tell me") == (0, ANSWER + "\n")
    await gateway.told("terminal", lambda entries: any(isinstance(entry.body, Summary) for entry in entries))
    (row,) = await gateway.door.rows()
    assert row.key == "web:local:terminal"
    before = await gateway.door.entries("terminal")
    await gateway.restart()
    assert await chats(gateway, "Tell me") == (0, ANSWER + "\n")
    assert (await gateway.door.entries("terminal"))[: len(before)] == before


# --- what a person is told ------------------------------------------------------------------------------------------------------------

KEY = "sk-a-very-secret-key-0123456789"


async def test_a_wrong_key_and_a_wrong_url_are_said_in_time_and_no_secret_anywhere(real: Parts) -> None:
    """Within half a minute, to the person who waits; the right configuration then answers at once."""
    llama = real.llama(Options(api_key="another-key"), CALLS_THE_CLOCK)
    key_file = real.effects.parent / "key"
    key_file.write_text(KEY)
    wrong_key = to(llama.base_url, f'api_key = "file:{key_file}"')
    wrong_url = to(llama.base_url.replace("/v1", "/v2"), f'api_key = "file:{key_file}"')
    gateways = [await real.gateway(wrong_key, "with-a-wrong-key"), await real.gateway(wrong_url, "with-a-wrong-url")]
    for gateway in gateways:
        await gateway.door.send("a", "a1", "Hello")
    for gateway in gateways:
        entries = await gateway.told("a", lambda entries: any(isinstance(entry.body, Notice) for entry in entries), within_s=30)
        (notice,) = [entry.body.text for entry in entries if isinstance(entry.body, Notice)]
        assert "saved" in notice
        shown = [(await gateway.run(*words)).out for words in (("show",), ("show", "a"), ("show", "a", "--json"))]
        assert await gateway.stop() == 0
        files = b"".join(file.read_bytes() for file in gateway.data_dir.iterdir() if file.is_file())
        assert KEY not in "".join((*shown, gateway.said(), notice))
        assert KEY.encode() not in files
    key_file.write_text("another-key")
    mended = gateways[0]
    await mended.start()
    entries = await mended.told("a", lambda entries: any(isinstance(entry.body, AssistantMessage) for entry in entries))
    assert ANSWER in [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage)]
