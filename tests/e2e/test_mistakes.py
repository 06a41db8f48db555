"""What only a person can mend, and what is one conversation's own trouble: one call, a clear word, and nothing restarts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from holdfast.core.entries import AssistantMessage, Entry, Failed, Notice, UserMessage
from holdfast.core.weather import MISTAKE_PRESSED_S
from holdfast.testing.certificates import Authority
from holdfast.testing.crowd import cpu_s
from holdfast.testing.process import GatewayProcess, toolserver_table
from holdfast.testing.stub_provider import Hit, Reply, StubProvider, answering, http
from holdfast.web.wire import ACCOUNT, NOTES

MESSAGES = 100
CONVERSATIONS = 4
CONVERSATION_NAMES = [f"c{number}" for number in range(CONVERSATIONS)]

CPU_S_MAX = 2.0
TOLD_S_MAX = 40.0
"""Said after 20 s where a call was under way already, else at once; and the machine may be busy."""


def error(status: int, message: str, **fields: str) -> Reply:
    return Reply(http(json.dumps({"error": {"message": message, **fields}}).encode(), status, "application/json"))


def route(stub: StubProvider, model: str) -> str:
    return f'[routes.main]\nbase_url = "{stub.base_url}"\nmodel = "{model}"\n'


def answers(entries: Sequence[Entry]) -> list[str]:
    return [entry.body.text for entry in entries if isinstance(entry.body, AssistantMessage)]


def known_model(hit: Hit) -> Reply:
    if hit.json["model"] == "right":
        return answering("Yes.")
    return error(
        404, "The model `wrong` does not exist or you do not have access to it.", type="invalid_request_error", code="model_not_found"
    )


async def test_h_25_a_wrong_model_name_costs_one_call_and_restarts_nothing_however_many_messages_come(tmp_path: Path) -> None:
    """LEDGER part I row 14: it rebuilt the agent and respawned its tool servers at every message, at 91 % CPU for hours. H-20: one record for all."""
    tools = toolserver_table(tmp_path / "one", name="one") + toolserver_table(tmp_path / "two", name="two")
    async with StubProvider(known_model) as stub, GatewayProcess(tmp_path, route(stub, "wrong") + tools) as gateway:
        await gateway.ready()
        await gateway.tools_ready()
        began, before = time.monotonic(), cpu_s(gateway.process.pid)
        for number in range(MESSAGES):
            await gateway.door.send(f"c{number % CONVERSATIONS}", f"k{number}", f"message {number}")
        await gateway.eventually(lambda: _all_wait(gateway))
        assert len(stub.hits) == 1
        told = await asyncio.gather(*(_told(gateway, name) for name in CONVERSATION_NAMES))
        assert all("`wrong` does not exist" in words and "[routes.main]" in words for words in told)
        spent_s = cpu_s(gateway.process.pid) - before
        assert spent_s < CPU_S_MAX, "the import of the model library is in it: about 0.6 s"
        assert len(stub.hits) <= 1 + (time.monotonic() - began) // MISTAKE_PRESSED_S, "one in 30 s at most, and only because somebody wrote"
        status = await gateway.door.status()
        assert [server["restarts"] for server in status["tool servers"]] == [0, 0]
        (gate,) = status["gates"]
        assert gate["kind"] == "config"
        before_mending = len(stub.hits)
        gateway.configure(route(stub, "right") + tools)
        await gateway.restart()
        for name in CONVERSATION_NAMES:
            entries = await gateway.told(name, lambda entries: bool(answers(entries)))
            assert answers(entries) == ["Yes."]
            assert sum(isinstance(entry.body, UserMessage) for entry in entries) == MESSAGES / CONVERSATIONS
        assert len(stub.hits) == before_mending + CONVERSATIONS, "one call for each conversation, whatever was written there"
        asked = [message["content"] for hit in stub.hits[before_mending:] for message in hit.json["messages"] if message["role"] == "user"]
        assert "".join(asked).count("message ") == MESSAGES, "everything that was asked is answered"
        assert not any("exist" in json.dumps(hit.json["messages"]) for hit in stub.hits), "no error text ever reaches the model"


async def _told(gateway: GatewayProcess, name: str) -> str:
    """What the conversation is told of its wait, as soon as it is. It listens: to ask again and again would cost the gateway more than all the messages."""
    async with asyncio.timeout(TOLD_S_MAX), contextlib.aclosing(gateway.door.events(name)) as events:
        async for event in events:
            if isinstance(event, Entry) and isinstance(event.body, Notice):
                return event.body.text
    raise AssertionError("the gateway ended the stream")


async def _all_wait(gateway: GatewayProcess) -> bool:
    """Everybody does but the owner's conversation, in which it is said too."""
    rows = [row for row in await gateway.door.rows() if row.key != f"{ACCOUNT}:{NOTES}"]
    return all(row.turn_gate == "route:main" and not row.running for row in rows)


class Mistake:
    """A route that only its owner can mend, and what the user is told of it. `calls` counts what reached the server."""

    def __init__(
        self, name: str, config: str, calls: Callable[[], int | None], *told: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.config, self.calls, self.told, self.environ = name, config, calls, told, environ


def strict(hit: Hit) -> Reply:
    """A server that knows one path and one key."""
    if hit.path != "/v1/chat/completions":
        return Reply(http(b'{"detail":"Not Found"}', 404, "application/json"))
    if hit.headers.get("authorization") != "Bearer right":
        return error(401, "Incorrect API key provided: wrong.", type="invalid_request_error", code="invalid_api_key")
    return answering("Yes.")


@contextlib.asynccontextmanager
async def behind_tls(authority: Authority, days: int) -> AsyncIterator[tuple[StubProvider, list[str]]]:
    """A server that speaks TLS, and its handshakes so far."""
    handshakes: list[str] = []
    context = authority.server("IP:127.0.0.1", days=days)
    context.sni_callback = lambda *_: handshakes.append("one")
    async with StubProvider(answering("Yes."), tls=context) as stub:
        yield stub, handshakes


@pytest.mark.needs("openssl")
async def test_each_mistake_costs_one_call_and_is_said_in_one_sentence_with_the_setting(tmp_path: Path) -> None:
    """A key, a path, a host, a certificate that nobody vouches for, and one that has expired: side by side. LEDGER H-17: where no model answers, that is said."""
    (tmp_path / "key").write_text("wrong")
    authority = Authority(tmp_path)
    trusting = {"SSL_CERT_FILE": str(authority.file)}
    async with StubProvider(strict) as key, StubProvider(strict) as path, behind_tls(authority, 1) as own, behind_tls(authority, -1) as old:
        mistakes = (
            Mistake("key", f'{route(key, "m")}api_key = "file:{tmp_path}/key"\n', lambda: len(key.hits), "API key"),
            Mistake("path", route(path, "m").replace("/v1", "/v2"), lambda: len(path.hits), "nothing answers at this address"),
            Mistake("host", '[routes.main]\nbase_url = "http://models.invalid/v1"\nmodel = "m"\n', lambda: None, "name is not known"),
            Mistake("untrusted", route(own[0], "m"), lambda: len(own[1]), "certificate can't be trusted"),
            Mistake("expired", route(old[0], "m"), lambda: len(old[1]), "certificate has expired", environ=trusting),
        )
        await asyncio.gather(*(_costs_one_call(tmp_path / f"with-{mistake.name}", mistake) for mistake in mistakes))


async def _costs_one_call(folder: Path, mistake: Mistake) -> None:
    gateway = GatewayProcess(folder, mistake.config)
    try:
        await gateway.start(environ=mistake.environ)
        await gateway.ready()
        for number in range(5):
            await gateway.door.send(f"c{number % 2}", f"k{number}", f"message {number}")
        for number in range(2):
            told = await _told(gateway, f"c{number}")
            await gateway.door.send("c1", f"later-{number}", "And now?")  # whoever writes when it is known is told at once
            assert all(words.lower() in told.lower() for words in (*mistake.told, "[routes.main]", "saved")), f"{mistake.name}: {told}"
        (gate,) = (await gateway.door.status())["gates"]
        assert (gate["kind"], gate["streak"]) == ("config", 1), f"{mistake.name}: {gate}"
        assert mistake.calls() in {1, None}, mistake.name
    finally:
        await gateway.end()


async def test_h_26_a_setting_that_is_wrong_is_named_at_the_start(tmp_path: Path) -> None:
    """Not in a chat, one message after the other."""
    gateway = GatewayProcess(tmp_path, '[routes.main]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = ""\n')
    await gateway.start()
    try:
        assert await gateway.ended() == os.EX_CONFIG
        assert "[routes.main] model" in gateway.said()
    finally:
        await gateway.end()


async def test_a_conversation_that_is_too_long_is_shown_to_the_model_in_less_and_nobody_else_notices(tmp_path: Path) -> None:
    def small(hit: Hit) -> Reply:
        if len(json.dumps(hit.json["messages"])) > 2500:
            return error(
                400,
                "This model's maximum context length is 500 tokens. Please reduce the length of the messages.",
                code="context_length_exceeded",
            )
        return answering("Yes.")

    async with StubProvider(small) as stub, GatewayProcess(tmp_path, route(stub, "right")) as gateway:
        await gateway.ready()
        for number in range(6):
            await gateway.door.send("long", f"k{number}", "words " * 70)
            entries = await gateway.told("long", lambda entries, number=number: len(answers(entries)) == number + 1)  # type: ignore[misc]
        assert sum(isinstance(entry.body, Failed) for entry in entries) >= 2
        assert not any(isinstance(entry.body, Notice) for entry in entries)
        assert (await gateway.door.status())["gates"][0]["state"] == "open"
        assert any("is left out here" in json.dumps(hit.json["messages"]) for hit in stub.hits)


@pytest.mark.parametrize("said", ["[🦚 Manifest M100] No provider is connected."])
async def test_h_28_an_error_dressed_as_an_answer_never_becomes_the_models_words(tmp_path: Path, said: str) -> None:
    replies = iter([answering(said)])

    async with StubProvider(lambda _: next(replies, answering("Yes."))) as stub, GatewayProcess(tmp_path, route(stub, "auto")) as gateway:
        await gateway.ready()
        await gateway.door.send("a", "k1", "hello")
        await gateway.eventually(lambda: _all_wait(gateway))
        await gateway.door.send("a", "k2", "/retry")
        entries = await gateway.told("a", lambda entries: bool(answers(entries)))
        assert answers(entries) == ["Yes."]
        assert len(stub.hits) == 2
