"""What a person has to allow, or is asked in mid-call, with a real gateway, a real tool server and the door between."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from holdfast.core.entries import AnyBody, AssistantMessage, Choice, Delivered, Entry, Notice, Question, ToolResult, ToolStarted
from holdfast.testing.gateway_rig import Parts
from holdfast.testing.process import GatewayProcess, effects_in, practice

ASKING = str(Path(__file__).parent.parent / "tools" / "asking_server.py")
_keys = count(1)


def asks(effects: Path, policy: str = "") -> str:
    """The practice model, and our own tool server, of which only what reads may be called unasked."""
    return practice(effects).replace('policy = "allow"', policy)


async def say(gateway: GatewayProcess, text: str, name: str = "a") -> None:
    await gateway.door.send(name, f"k{next(_keys)}", text)


async def until(gateway: GatewayProcess, kind: type[AnyBody], times: int = 1, name: str = "a") -> list[Entry]:
    """The entries of this kind, once there are so many."""

    def found(entries: Sequence[Entry]) -> list[Entry]:
        return [entry for entry in entries if isinstance(entry.body, kind)]

    return found(await gateway.told(name, lambda entries: len(found(entries)) >= times))


async def asked(gateway: GatewayProcess, times: int = 1, name: str = "a") -> int:
    """The seq of the newest question, once so many were asked."""
    return (await until(gateway, Question, times, name))[-1].seq


async def outcome(gateway: GatewayProcess, times: int = 1, name: str = "a") -> ToolResult:
    body = (await until(gateway, ToolResult, times, name))[-1].body
    assert isinstance(body, ToolResult)
    return body


async def test_what_does_more_than_read_is_asked_about_shown_in_full_and_done_once_it_is_chosen(parts: Parts) -> None:
    gateway = await parts.gateway(asks(parts.effects))
    await say(gateway, 'use lookup {"key": "l"}')
    assert (await outcome(gateway)).outcome == "ok"
    assert not [e for e in await gateway.door.entries("a") if isinstance(e.body, Question)]
    await say(gateway, 'use count {"key": "a"}')
    question = (await until(gateway, Question))[0]
    assert isinstance(question.body, Question) and question.body.text == 'May I run t__count?\n{\n  "key": "a"\n}'
    assert question.body.options == ("once", "always", "deny")
    await say(gateway, f"/choose {question.seq} once")
    assert (await outcome(gateway, 2)).outcome == "ok"
    assert effects_in(parts.effects)["count", "a"] == 1


async def test_a_typed_ok_approves_nothing_and_a_stale_button_neither(parts: Parts) -> None:
    """H-60: "ok" approves."""
    gateway = await parts.gateway(asks(parts.effects))
    await say(gateway, 'use count {"key": "a"}')
    question = await asked(gateway)
    await say(gateway, "ok")
    assert (await outcome(gateway)).outcome == "declined"
    notices = [e.body for e in await until(gateway, Notice) if isinstance(e.body, Notice)]
    assert any("/choose" in notice.text for notice in notices)
    for option in ("once", "always"):
        await say(gateway, f"/choose {question} {option}")
    replies = [e.body for e in await until(gateway, Notice, 3) if isinstance(e.body, Notice) and e.body.replies_to]
    assert [reply.text for reply in replies] == [f"Question {question} is closed already; nothing has changed."] * 2
    await say(gateway, 'use count {"key": "a"}')
    assert await asked(gateway, 2) > question, "and nothing stands"
    assert effects_in(parts.effects)["count", "a"] == 0


async def test_of_choices_in_the_same_instant_the_first_counts_and_the_call_is_made_once_or_not_at_all(parts: Parts) -> None:
    """SECURITY: two approvers at once, each pressing twice. H-60."""
    gateway = await parts.gateway(asks(parts.effects))
    for number, options in enumerate((("once", "deny"), ("deny", "always"), ("once", "once"), ("always", "deny")), 1):
        await say(gateway, f'use count {{"key": "k{number}"}}')
        question = await asked(gateway, number)
        await asyncio.gather(*(say(gateway, f"/choose {question} {option}") for option in (*options, *options)))
        entries = await until(gateway, Choice, 4 * number)
        choices = [entry.body for entry in entries if isinstance(entry.body, Choice) and entry.body.question == question]
        allowed = choices[0].option != "deny"
        assert (await outcome(gateway, number)).outcome == ("ok" if allowed else "declined")
        replies = [e.body for e in await until(gateway, Notice, 4 * number) if isinstance(e.body, Notice)][-4:]
        assert [reply.text for reply in replies].count(f"Question {question} is closed already; nothing has changed.") == 3
        assert effects_in(parts.effects)["count", f"k{number}"] == allowed
    assert len([e for e in await gateway.door.entries("a") if isinstance(e.body, ToolStarted)]) == sum(
        times for (effect, _), times in effects_in(parts.effects).items() if effect == "count"
    )


@pytest.mark.parametrize("when", ["before the choice", "right after the choice"])
async def test_a_kill_loses_neither_the_question_nor_the_choice(parts: Parts, when: str) -> None:
    """H-60: approval lost on restart."""
    gateway = await parts.gateway(asks(parts.effects))
    await say(gateway, 'use count {"key": "a"}')
    question = await asked(gateway)
    if when == "before the choice":
        await gateway.restart()
    await say(gateway, f"/choose {question} once")
    if when == "right after the choice":
        await gateway.restart()
    result = await outcome(gateway)
    assert result.outcome in {"ok", "unknown"}
    happened = effects_in(parts.effects)["count", "a"]
    assert happened == 1 if result.outcome == "ok" else happened <= 1
    started = [e for e in await gateway.door.entries("a") if isinstance(e.body, ToolStarted)]
    assert len(started) == 1 and await asked(gateway) >= question


async def test_always_holds_for_exactly_these_arguments_over_new_and_a_kill(parts: Parts) -> None:
    gateway = await parts.gateway(asks(parts.effects))
    await say(gateway, 'use count {"key": "a", "seconds": 0}')
    await say(gateway, f"/choose {await asked(gateway)} always")
    assert (await outcome(gateway)).outcome == "ok"
    await say(gateway, "/new")
    await until(gateway, Notice, 2)
    await gateway.restart()
    await say(gateway, 'use count {"seconds":0,   "key":"\\u0061"}')
    assert (await outcome(gateway, 2)).outcome == "ok"
    assert len([e for e in await gateway.door.entries("a") if isinstance(e.body, Question)]) == 1
    await say(gateway, 'use count {"key": "b", "seconds": 0}')
    await asked(gateway, 2)
    await say(gateway, 'use count {"key": "a", "seconds": 0}', name="elsewhere")
    await asked(gateway, 1, name="elsewhere")
    assert effects_in(parts.effects) == {("start", ""): 2, ("count", "a"): 2}


@pytest.mark.parametrize(("policy", "option"), [('policy = "deny"', "always"), ('tool_policy = { count = "deny" }', "once")])
async def test_what_the_owner_denies_between_question_and_choice_is_not_made(parts: Parts, policy: str, option: str) -> None:
    gateway = await parts.gateway(asks(parts.effects))
    await say(gateway, 'use count {"key": "a"}')
    question = await asked(gateway)
    gateway.configure(asks(parts.effects, policy))
    await gateway.restart()
    await say(gateway, f"/choose {question} {option}")
    assert (await outcome(gateway)).outcome == "declined"
    assert effects_in(parts.effects)["count", "a"] == 0


async def test_what_the_owner_allows_between_question_and_choice_is_made_and_a_choice_is_too_late(parts: Parts) -> None:
    gateway = await parts.gateway(asks(parts.effects))
    await say(gateway, 'use count {"key": "a"}')
    question = await asked(gateway)
    gateway.configure(asks(parts.effects, 'policy = "allow"'))
    await gateway.restart()
    assert (await outcome(gateway)).outcome == "ok"
    await say(gateway, f"/choose {question} deny")
    closed = f"Question {question} is closed already; nothing has changed."
    await gateway.told("a", lambda entries: any(isinstance(e.body, Notice) and e.body.text == closed for e in entries))
    assert effects_in(parts.effects)["count", "a"] == 1


async def test_a_tool_whose_server_is_called_otherwise_by_now_is_said_to_be_gone(parts: Parts) -> None:
    gateway = await parts.gateway(asks(parts.effects))
    await say(gateway, 'use count {"key": "a"}')
    question = await asked(gateway)
    gateway.configure(asks(parts.effects).replace("[tools.t]", "[tools.other]"))
    await gateway.restart()
    await say(gateway, f"/choose {question} once")
    result = await outcome(gateway)
    assert result.outcome == "error" and "there is no tool" in result.text
    assert effects_in(parts.effects)["count", "a"] == 0


async def test_long_arguments_are_shown_to_their_end_and_nothing_in_them_is_hidden(parts: Parts) -> None:
    gateway = await parts.gateway(asks(parts.effects))
    key = "\u202e" + "x" * 59_000 + "\u200bthe end"
    await say(gateway, f"use count {json.dumps({'key': key}, ensure_ascii=False)}")
    question = (await until(gateway, Question))[0]
    assert isinstance(question.body, Question)
    shown = key.replace("\u202e", "\\u202e").replace("\u200b", "\\u200b")
    assert question.body.text == f'May I run t__count?\n{{\n  "key": "{shown}"\n}}'
    await gateway.told("a", lambda entries: any(isinstance(e.body, Delivered) and e.body.of == f"q{question.seq}" for e in entries))
    await say(gateway, f"/choose {question.seq} once")
    assert (await outcome(gateway)).outcome == "ok"


# --- asked in mid-call ----------------------------------------------------------------------------------------------------------------

SHOP = f"""
[tools.shop]
command = {json.dumps([sys.executable, ASKING])}
policy = "allow"
timeout_s = 2
"""
FORM = {
    "mode": "form",
    "message": "Pay?",
    "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]},
}
ORDER = f"use shop__ask {json.dumps({'params': FORM})}"


async def in_the_shop(parts: Parts) -> tuple[GatewayProcess, int]:
    """A gateway whose tool asks a person, and its question."""
    gateway = await parts.gateway('[routes.main]\ndialect = "practice"\n' + SHOP)
    await gateway.tools_ready()
    await say(gateway, ORDER)
    return gateway, await asked(gateway)


async def test_what_a_tool_asks_in_mid_call_is_answered_by_a_choice_however_long_it_takes(parts: Parts) -> None:
    gateway, question = await in_the_shop(parts)
    entry = (await until(gateway, Question))[0]
    assert isinstance(entry.body, Question)
    assert (entry.body.question, entry.body.text, entry.body.options) == ("elicitation", "shop asks: Pay?\nsure", ("yes", "no", "decline"))
    await asyncio.sleep(3)  # longer than the tool may be silent
    await say(gateway, "What is it about?")
    await say(gateway, f"/choose {question} yes")
    result = await outcome(gateway)
    assert json.loads(result.text) == [{"action": "accept", "content": {"sure": True}}]
    assert result.took_s < 3, "the person's time is not in it"


async def test_stop_ends_a_call_that_asks_and_its_question(parts: Parts) -> None:
    gateway, question = await in_the_shop(parts)
    await say(gateway, "/stop")
    assert (await outcome(gateway)).outcome == "unknown"
    notices = [e.body for e in await until(gateway, Notice, 2) if isinstance(e.body, Notice)]
    assert question in [notice.about for notice in notices]
    await say(gateway, f"/choose {question} yes")
    replies = [e.body for e in await until(gateway, Notice, 3) if isinstance(e.body, Notice) and e.body.replies_to]
    assert replies[-1].text == f"Question {question} is closed already; nothing has changed."
    assert (await gateway.stop()) == 0


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_gateway_that_ends_while_a_tool_asks_leaves_the_outcome_unknown_and_asks_about_that(parts: Parts, how: str) -> None:
    """H-40. Asked to go, it goes within seconds, for nobody may ever answer."""
    gateway, question = await in_the_shop(parts)
    if how == "stopped":
        began = asyncio.get_running_loop().time()
        assert await gateway.stop() == 0
        assert asyncio.get_running_loop().time() - began < 8
        await gateway.start()
        await gateway.ready()
    else:
        await gateway.restart()
    assert (await outcome(gateway)).outcome == "unknown"
    entries = await gateway.told("a", lambda entries: any(isinstance(e.body, Notice) and e.body.about == question for e in entries))
    kinds = [e.body.question for e in entries if isinstance(e.body, Question)]
    assert kinds == ["elicitation", "unknown"]
    await gateway.told("a", lambda entries: any(isinstance(e.body, AssistantMessage) and not e.body.calls for e in entries))
