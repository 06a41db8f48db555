"""Accounts that a person signs in, with their phone in their hand: see `ports.SignsIn`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from holdfast.core.access import role_of
from holdfast.core.incoming import Place
from holdfast.errors import Request
from holdfast.ports import Person, SignIn, SignsIn
from holdfast.runtime.accounts import Accounts


@dataclass(frozen=True, slots=True)
class SigningIn:
    """All of them."""

    accounts: Accounts

    def has(self, account: str) -> bool:
        """Is this one of them?"""
        return isinstance(self.accounts.platforms.get(account), SignsIn)

    def of(self, account: str) -> SignsIn:
        """Raises `Request` if it is none of them."""
        platform = self.accounts.platforms.get(account)
        if not isinstance(platform, SignsIn):
            known = "it has what it needs in the configuration" if platform is not None else "there is no such account"
            there = ", ".join(filter(self.has, self.accounts.platforms)) or "none"
            raise Request(f"Nobody signs {account!r} in: {known}. Those that a person signs in: {there}.")
        return platform

    async def steps(self, account: str) -> AsyncGenerator[SignIn, None]:
        """Whoever signed in may talk, before it is said to be done: an owner showed them the picture. Raises as `SignsIn.sign_in`."""
        async with contextlib.aclosing(self.of(account).sign_in()) as steps:
            async for step in steps:
                if step.done:
                    await self._let_in(account, step.person)
                yield step

    async def _let_in(self, account: str, person: str) -> None:
        rules, persons = self.accounts.rules[account], self.accounts.persons
        if role_of(rules, person, persons.let_in(account), chat="", group=False) is None:
            one = Person(account, person, "", Place(person).address, since=self.accounts.clock.now())
            await self.accounts.journal.put_person(one)
            persons.know([one])
