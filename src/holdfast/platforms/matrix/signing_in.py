"""How we come to a token, and which refusals mean that it is of no use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from holdfast import accounts
from holdfast.errors import Config, Temporary
from holdfast.platforms.matrix.http import Homeserver, Lost, Refused, Unreached

DEVICE: Final = "HOLDFAST_"
"""The device of an account is called so, and its name: the same at every signing in, since a homeserver knows our keys of messages by it."""

_OUT: Final = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})
_CLOSED: Final = frozenset({"M_USER_DEACTIVATED", "M_USER_LOCKED", "M_USER_SUSPENDED"})


class Signing:
    """One account's way to a token. It signs in once for each life of the process, and again only after it was signed out."""

    def __init__(self, name: str, settings: accounts.Matrix, server: Homeserver) -> None:
        self.account = f"Matrix account {name!r}"
        self._where = f"[platforms.matrix.{name}]"
        self._settings, self._server = settings, server
        self._name = name

    async def sign_in(self, device: Callable[[str], Awaitable[str]]) -> str:
        """Have a token. Returns the id of the device that we are: as the settings have it, or as `device` makes it of our name for it. Raises `Config`, or
        `Temporary`."""
        try:
            if self._settings.access_token is not None:
                return await self._look(self._settings.access_token.value)
            if self._settings.password is None:
                raise Config(f"{self.account} has neither password nor access_token. Write one of them into {self._where}.")
            name = self._settings.device_id or await device(f"{DEVICE}{self._name}")
            await self._with_password(self._settings.password.value, name)
        except Refused as refused:
            self._server.token = ""
            raise self._cannot(refused) from None
        except (Unreached, Lost) as error:
            self._server.token = ""
            raise Temporary(f"{self.account}: {error}.") from error
        return name

    async def _look(self, token: str) -> str:
        """The device that the token belongs to."""
        self._server.token = token
        found = await self._server.ask("GET", "/account/whoami")
        self._check(str(found.get("user_id")))
        device = str(found.get("device_id", ""))
        if self._settings.device_id not in {"", device}:
            raise Config(f"{self.account}: the access token belongs to the device {device!r}. Write that as device_id into {self._where}.")
        return device

    async def _with_password(self, password: str, device: str) -> None:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self._settings.user},
            "password": password,
            "device_id": device,
            "initial_device_display_name": "Holdfast",
        }
        found = await self._server.ask("POST", "/login", body)
        self._check(str(found.get("user_id")))
        self._server.token = str(found.get("access_token", ""))

    def _check(self, user: str) -> None:
        if user != self._settings.user:
            self._server.token = ""
            raise Config(
                f"{self.account}: the homeserver calls this user {user}, not {self._settings.user}. Correct user in {self._where}."
            )

    def _cannot(self, refused: Refused) -> Config | Temporary:
        """What a refusal of signing in calls for."""
        by_password = self._settings.access_token is None
        if refused.code in _CLOSED:
            return self._closed(refused)
        if refused.code in _OUT:
            return self._out(refused)
        if refused.code == "M_FORBIDDEN" and by_password:
            return Config(f"{self.account}: the homeserver refuses user and password: {refused}. Correct them in {self._where}.")
        if refused.code in {"M_UNRECOGNIZED", "M_UNKNOWN"} and refused.status < 429:
            mend = f"Check homeserver in {self._where}" + (", or use an access_token there." if by_password else ".")
            return Config(f"{self.account} can't sign in at {self._server.url}: {refused}. {mend}")
        return Temporary(f"{self.account} can't sign in at {self._server.url}: {refused}.", refused.retry_after_s)

    def over(self, refused: Refused) -> Config | Temporary | None:
        """What ends the connection, if this refusal of any request does."""
        if refused.code in _CLOSED:
            return self._closed(refused)
        if refused.code not in _OUT:
            return None
        self._server.token = ""
        if refused.soft_logout and self._settings.access_token is None:
            return Temporary(f"{self.account} was signed out, and signs in again.")
        return self._out(refused)

    def _closed(self, refused: Refused) -> Config:
        return Config(
            f"{self.account}: the homeserver has closed this user: {refused}. Ask whoever runs it, then: holdfast platforms retry matrix:{self._name}."
        )

    def _out(self, refused: Refused) -> Config:
        if self._settings.access_token is None:
            then = f"somebody signed its device out. If that was right, take the account out; else: holdfast platforms retry matrix:{self._name}."
        else:
            then = f"write another access_token into {self._where}."
        return Config(f"{self.account}: the homeserver no longer takes its token: {refused}; {then}")
