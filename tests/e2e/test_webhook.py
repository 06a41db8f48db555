"""Programs that talk with the gateway by HTTP: both are real processes, and both get killed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.hook_listener import listens
from holdfast.testing.process import GatewayProcess
from holdfast.testing.webhook_server import sign
from holdfast.testing.webhook_service import SECRET, Program, WebhookService

DOCS = Path(__file__).parents[2] / "docs/platforms/webhook.md"
PRACTICE = '[routes.main]\ndialect = "practice"\n'


class TestWebhook(ThroughGateway):
    @pytest.fixture
    async def service(self, tmp_path: Path) -> AsyncIterator[Service]:
        async with Program(tmp_path) as program:
            yield WebhookService(program)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    """Whose programs ask. Not started yet."""
    table = '[platforms.webhook.mine]\nsecret = "file:webhook-secret"\nallow = ["alerts"]\n[webhooks]\nport = 0\n'
    process = GatewayProcess(tmp_path / "gateway", PRACTICE + table)
    (process.folder / "webhook-secret").write_text(SECRET + "\n")
    (process.folder / "webhook-secret").chmod(0o600)
    yield process
    await process.end()


async def test_the_example_of_the_documentation_works_as_it_stands(gateway: GatewayProcess) -> None:
    (block,) = re.findall(r"^ *```sh\n(.*?)^ *```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert 'allow = ["alerts"]' in DOCS.read_text()
    await gateway.start()
    script = block.replace("http://127.0.0.1:8421", await listens(gateway, 1))
    assert script != block
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", script, cwd=gateway.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err.decode()) == (0, "")
    saved, said = out.decode().replace("}{", "}\n{").splitlines()
    assert json.loads(saved)["saved"] is True
    assert "Hello!" in json.loads(said)["messages"][0]["text"]


class Asking:
    """A program that asks, and tries again whatever befalls the gateway."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[dict[str, Any]] = []
        self._after = 0

    async def say(self, text: str) -> None:
        body = json.dumps({"chat": "alerts", "text": text}).encode()
        while not (await self._ask("POST", f"key of {text}".replace(" ", "-"), body)).get("saved"):
            """Again."""

    async def hear(self, ends: str, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not any(ends in one["text"] for one in self.heard):
                told = await self._ask("GET", "", f"chat=alerts&after={self._after}&wait=1".encode())
                self.heard += told.get("messages", [])
                self._after = told.get("after", self._after)

    async def _ask(self, method: str, key: str, signed: bytes) -> dict[str, Any]:
        at = str(int(time.time()))
        headers = {"idempotency-key": key, "webhook-timestamp": at, "webhook-signature": sign(SECRET, key, at, signed)}
        query, content = (f"?{signed.decode()}", b"") if method == "GET" else ("", signed)
        try:
            async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=10) as http:
                return dict((await http.request(method, self.url + query, content=content, headers=headers)).json())
        except httpx2.HTTPError:
            await asyncio.sleep(0.05)
            return {}


@pytest.mark.parametrize("point", ["acknowledge", "deliver.before_send"])
async def test_who_asks_hears_everything_once_and_in_order_whenever_the_gateway_is_killed(gateway: GatewayProcess, point: str) -> None:
    """LEDGER H-05, H-11, I 28: a message that is sent again under its key counts once, and an answer is read, not used up."""
    program = Asking()
    await gateway.start(environ={"HOLDFAST_FAILPOINT": point})
    program.url = f"{await listens(gateway, 1)}/hooks/webhook/mine"
    saying = asyncio.create_task(program.say("/title alpha"))
    await gateway.ended()
    await gateway.start()
    program.url = f"{await listens(gateway, 2)}/hooks/webhook/mine"
    await asyncio.wait_for(saying, 60)
    await program.say("/title beta")
    await program.hear("beta")
    assert ["alpha" in one["text"] for one in program.heard] == [True, False]
    assert len({one["key"] for one in program.heard}) == 2
