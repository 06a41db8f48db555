"""Chat systems that call: what their fakes share. What people do waits in a table until whoever is called says that it has it, as often as the system tries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from math import inf
from pathlib import Path
from typing import Final

import httpx2
from starlette.applications import Starlette
from starlette.routing import Route

from holdfast.testing.fake_server import Truth, control

_SCHEMA: Final = """
create table if not exists hook(url text);
create table if not exists pending(n integer primary key autoincrement, chat text, body text, tries int default 0);
create table if not exists lost(n integer primary key, chat text, body text);
"""
ORDERS: Final = ("calls", "fault", "listen", "lost", "reset", "unconfirmed")
"""What every one of them can be ordered."""


class Bringing(Truth):
    """What was done in a chat is brought in its order: the next only when the one before was taken, or given up after so many tries."""

    def __init__(self, path: Path, schema: str, tries_max: float = inf, retry_s: float = 0.2, answer_s: float = 5.0) -> None:
        super().__init__(path, schema + _SCHEMA, self._wake)
        self._tries_max, self._retry_s, self._answer_s = tries_max, retry_s, answer_s
        self._news = asyncio.Event()

    def request(self, body: str) -> tuple[str, dict[str, str], bytes]:
        """How this is brought now: the query, the headers, the body."""
        raise NotImplementedError

    def takes(self, answer: httpx2.Response) -> bool:
        """Does it say that it has it?"""
        return answer.is_success

    def reset(self) -> None:
        self.forget()

    def listen(self, url: str) -> None:
        """Call there from now on."""
        self.rows("delete from hook")
        self.rows("insert into hook values (?)", url)
        self._wake()

    def bring(self, chat: str, body: str) -> None:
        self.rows("insert into pending(chat, body) values (?, ?)", chat, body)
        self._wake()

    def unconfirmed(self) -> int:
        return len(self.rows("select 1 from pending"))

    def lost(self) -> int:
        return len(self.rows("select 1 from lost"))

    def _wake(self) -> None:
        self._news.set()

    async def run(self) -> None:
        """Bring whatever there is, until cancelled."""
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=self._answer_s) as http:
            while True:
                self._news.clear()
                hook = self.row("select url from hook")
                heads = self.rows("select min(n) n, chat from pending group by chat") if hook else []
                taken = await asyncio.gather(*(self._bring(http, hook["url"] if hook else "", one["n"]) for one in heads))
                wait_s = None if all(taken) else self._retry_s
                if not any(taken):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), wait_s)

    async def _bring(self, http: httpx2.AsyncClient, url: str, number: int) -> bool:
        row = self.row("select * from pending where n = ?", number)
        if row is None:
            return True  # everything was forgotten meanwhile
        query, headers, body = self.request(row["body"])
        try:
            done = self.takes(await http.post(f"{url}{query}", content=body, headers=headers))
        except httpx2.HTTPError:
            done = False
        if not done:
            self.rows("update pending set tries = tries + 1 where n = ?", number)
            if row["tries"] + 1 < self._tries_max:
                return False
            self.rows("insert or ignore into lost select n, chat, body from pending where n = ?", number)
        self.rows("delete from pending where n = ?", number)
        return True

    def app(self, orders: Collection[str], *routes: Route) -> Starlette:
        """The server: these routes, what can be ordered, and bringing."""

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            bringing = asyncio.create_task(self.run())
            yield
            bringing.cancel()

        return Starlette(routes=[*routes, control(self, (*ORDERS, *orders))], lifespan=lifespan)
