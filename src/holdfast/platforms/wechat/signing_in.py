"""How a picture that somebody scans becomes a login, and where that is kept: in a file of the account's folder, which nobody but us can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from holdfast.errors import Request, Temporary
from holdfast.platforms.asking import Failure
from holdfast.platforms.wechat.api import Api, Servers
from holdfast.platforms.wechat.wire import BOT_TYPE, Code, Scanned
from holdfast.ports import Clock, SignIn
from holdfast.secrets import write_private

PICTURES_MAX: Final = 6
"""So many are shown before we take it that nobody is there."""
PICTURE_S_MAX: Final = 5 * 60.0
"""So long a picture can be scanned, if WeChat does not say before that it can't any more."""
LOOK_S_MAX: Final = 45.0
"""How long WeChat may take to say whether a picture was scanned: it waits for that."""
PAUSE_S: Final = 1.0

_SCAN: Final = "Scan this with WeChat on your phone (+, Scan), and allow the bot there."
_ANEW: Final = "That picture is not good any more. Scan this one."


class Login(msgspec.Struct, frozen=True):
    """A session of the bot `bot`, whose person is `user`. It lasts until WeChat ends it, or the person signs in elsewhere."""

    token: str
    bot: str
    user: str
    base_url: str

    def __repr__(self) -> str:
        return f"Login({self.bot})"  # the token is nobody's to see


class LoginFile:
    """The login, as it is on disk."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "login.json"

    def read(self) -> Login | None:
        """None if there is none, or none that can be used."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Login)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, login: Login) -> None:
        """Durable when it returns. Raises `Temporary`."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._path, msgspec.json.encode(login))
        except OSError as error:
            raise Temporary(
                f"The login can't be written to {self._path} ({error.strerror}). Make its folder one that this user may write to, and sign in again."
            ) from error


class Signing:
    """Somebody signs in. `login` is there when it is done; `over` says that somebody began anew."""

    def __init__(self, http: Servers, base_url: str, clock: Clock, *, pause_s: float = PAUSE_S) -> None:
        self._http, self._base_url, self._clock, self._pause_s = http, base_url, clock, pause_s
        self._asked: asyncio.Future[str] | None = None
        self.login: Login | None = None
        self.over = False

    def answer(self, said: str) -> None:
        if self._asked is None or self._asked.done():
            raise Request("WeChat asks for nothing now. If the phone shows a number, wait until you are asked for it here.")
        self._asked.set_result(said.strip())

    async def steps(self) -> AsyncGenerator[SignIn, None]:
        """Until it is done. Raises `Request` or `Temporary`."""
        for number in range(PICTURES_MAX):
            try:
                code = await Api(self._http, self._base_url).call(f"get_bot_qrcode?bot_type={BOT_TYPE}", Code, local_token_list=[])
            except Failure as failure:
                raise Temporary(f"WeChat gives no picture to scan now: {failure}. Try again in a moment.") from None
            yield SignIn(_ANEW if number else _SCAN, picture=code.qrcode_img_content)
            async for step in self._scanned(code):
                yield step
            if self.login is not None:
                return
        raise Request("Nobody scanned any of the pictures. Begin again when your phone is at hand.")

    async def _scanned(self, code: Code) -> AsyncGenerator[SignIn, None]:
        """What comes of one picture."""
        api, told, verify = Api(self._http, self._base_url), False, ""
        until = self._clock.monotonic() + PICTURE_S_MAX
        while (left_s := until - self._clock.monotonic()) > 0:
            now = await self._look(api, code, verify, min(LOOK_S_MAX, left_s))
            match now.status:
                case "scaned":
                    verify = ""
                    if not told:
                        told = True
                        yield SignIn("Scanned. Now confirm it on the phone.")
                case "need_verifycode":
                    wrong = "That was not the number. " if verify else ""
                    self._asked = asyncio.get_running_loop().create_future()
                    yield SignIn(f"{wrong}WeChat shows a number on the phone. Which one?", asks=True)
                    verify = await self._answered(left_s)
                    continue
                case "scaned_but_redirect" if now.redirect_host:
                    api = Api(self._http, f"{urlsplit(self._base_url).scheme}://{now.redirect_host}")
                case "expired" | "verify_code_blocked":
                    return
                case "binded_redirect":
                    raise Request(
                        "WeChat says that this bot is signed in here already, and gave no login. Remove the bot in WeChat, and begin again."
                    )
                case "confirmed":
                    yield self._confirmed(now)
                    return
            await self._clock.sleep(self._pause_s)

    async def _look(self, api: Api, code: Code, verify: str, s_max: float) -> Scanned:
        """How the picture fares. Whatever the network does, it can be scanned all the same."""
        if self.over:
            raise Request("Somebody began to sign in anew: this picture is not good any more.")
        asked = f"get_qrcode_status?qrcode={quote(code.qrcode, safe='')}" + (f"&verify_code={quote(verify, safe='')}" if verify else "")
        try:
            return await api.look(asked, Scanned, s_max)
        except Failure:
            return Scanned("wait")

    async def _answered(self, within_s: float) -> str:
        """What the person says; "" if nothing."""
        assert self._asked is not None
        try:
            async with asyncio.timeout(within_s):
                return await self._asked
        except TimeoutError:
            return ""
        finally:
            self._asked = None

    def _confirmed(self, now: Scanned) -> SignIn:
        if not (now.bot_token and now.ilink_bot_id and now.ilink_user_id):
            raise Temporary("WeChat confirmed it, and gave no login. Begin again.")
        self.login = Login(now.bot_token, now.ilink_bot_id, now.ilink_user_id, now.baseurl or self._base_url)
        return SignIn("Signed in.", done=True, person=now.ilink_user_id)
