"""Ann's chat with the app on the Slack workspace of a test, as the contract suites see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from holdfast.core.incoming import Place
from holdfast.platforms.slack import TRAITS
from holdfast.ports import Traits
from holdfast.testing.contracts.chat import Chat
from holdfast.testing.process import GatewayProcess
from holdfast.testing.slack_client import APP_TOKEN, SIGNING_SECRET, TOKEN, Slack

ANN: Final = "DANN"
NAME: Final = "mybot"
ENVIRON: Final[Mapping[str, str]] = {"TOKEN": TOKEN, "APP_TOKEN": APP_TOKEN, "SECRET": SIGNING_SECRET}


class SlackChat:
    """See `contracts.chat.Chat`."""

    def __init__(self, slack: Slack) -> None:
        self.slack = slack
        self.place = Place(ANN)
        self._last = ""

    async def write(self, text: str) -> None:
        """Nobody can write `/status` in Slack: the app's own command has it behind it."""
        if text.startswith("/"):
            await self.slack.write(ANN, f"!{text[1:]}")
        else:
            self._last = await self.slack.write(ANN, text)

    async def edit(self, text: str) -> None:
        await self.slack.order("edit", chat=ANN, ts=self._last, text=text)

    async def attach(self, name: str, data: bytes) -> None:
        await self.slack.write(ANN, files=[await self.slack.upload(name, data)])

    async def press(self, option: str) -> None:
        asked = (await self.slack.shown(ANN))[-1]
        await self.slack.order("press", chat=ANN, ts=asked.ts, option=option)

    async def shown(self) -> list[str]:
        return await self.slack.said(ANN)

    async def files(self) -> list[bytes]:
        return await self.slack.sent_files(ANN)

    async def block(self) -> None:
        await self.slack.order("refuse", chat=ANN)

    async def limit(self, seconds: int) -> None:
        await self.slack.fault("limit", "chat.postMessage", value=seconds)

    async def revoke(self) -> None:
        await self.slack.order("become", name="revoked", value="token")

    async def leave(self) -> None:
        self.slack.kill()


class SlackService:
    """See `contracts.through_gateway.Service`. `called`: by the Events API, else by Socket Mode."""

    def __init__(self, slack: Slack, *, called: bool = False) -> None:
        self.slack, self._called = slack, called
        self.chat: Chat = SlackChat(slack)
        self.traits: Traits = TRAITS
        self.table = table(slack, called=called)
        self.environ: Mapping[str, str] = ENVIRON

    async def come_back(self) -> None:
        await self.slack.start()

    async def listens(self, gateway: GatewayProcess) -> None:
        """Where Slack calls, it is told where."""
        if self._called:
            await self.slack.order("listen", url=f"http://127.0.0.1:{await gateway.hooks_port()}/hooks/slack/{NAME}")


def table(slack: Slack, *, called: bool = False, token: str = "TOKEN") -> str:  # noqa: S107 - where it is
    way = 'signing_secret = "env:SECRET"' if called else 'app_token = "env:APP_TOKEN"'
    listener = "[webhooks]\nport = 0\n" if called else ""
    return f'\n{listener}[platforms.slack.{NAME}]\ntoken = "env:{token}"\n{way}\nbase_url = "{slack.api_url}"\n'
