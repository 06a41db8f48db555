"""Encrypted rooms: the keys of one account's device, in a folder of its own, and the library that knows what to do with them.

The library is heavy, works in steps that block, and keeps its keys in a database: all of it happens in one thread of its own. It has the keys on disk before
the homeserver is asked for what comes next, and so before that forgets that it told them.
"""

from __future__ import annotations

import asyncio
import importlib
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec

from holdfast.errors import Config, Request
from holdfast.platforms.matrix.http import Refused, path
from holdfast.platforms.matrix.reading import Event
from holdfast.platforms.matrix.rooms import Ask
from holdfast.platforms.matrix.writing import KEY

KEYS: Final = ".keys.db"
"""What the file is called that has the keys of a device, behind the device's id."""
PASSPHRASE: Final = "holdfast"  # noqa: S105 it stands beside what it opens: the folder is what keeps others out

_SHUT: Final = "It is encrypted, and this account takes no part in encrypted rooms. Use a room without encryption, or set encrypted = true."
_NO_KEY: Final = "It is encrypted, and the sender's device did not give us the key."

T = TypeVar("T")


class Crypto(Protocol):
    """What encryption asks of an account, and does for it."""

    async def device(self, name: str) -> str:
        """The id of the device that the account is, by this name."""

    async def begin(self, device: str) -> None:
        """The account is signed in, as this device. Raises `Config` if that can't be used."""

    async def heard(self, news: Mapping[str, Any]) -> None:
        """An answer of `/sync`: keys may have come with it."""

    def changed(self, room: str, event: Event) -> None:
        """Something about a room, or who is in it, is different now."""

    async def decrypted(self, room: str, event: Event) -> Event | str:
        """The event inside an encrypted one; or why it can't be read."""

    async def encrypted(self, room: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Kind and content of the event that says this in the room."""

    async def sealed(self, room: str, data: bytes) -> tuple[bytes, dict[str, Any] | None]:
        """A file as it is uploaded for this room; and what is needed to read it, if anything is."""

    async def opened(self, sealed: Mapping[str, Any], data: bytes) -> bytes:
        """A file that came encrypted. Raises `Request` if it is not what it should be."""

    def close(self) -> None: ...


class Plain:
    """Of an account that takes no part in encrypted rooms."""

    async def device(self, name: str) -> str:
        return name

    async def begin(self, device: str) -> None:
        """It needs no keys."""

    async def heard(self, news: Mapping[str, Any]) -> None:
        """There are no keys."""

    def changed(self, room: str, event: Event) -> None:
        """It makes no difference."""

    async def decrypted(self, room: str, event: Event) -> Event | str:  # noqa: ARG002 it can't be read in any room
        return _SHUT

    async def encrypted(self, room: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:  # noqa: ARG002 the same in all
        return "m.room.message", content

    async def sealed(self, room: str, data: bytes) -> tuple[bytes, dict[str, Any] | None]:  # noqa: ARG002 the same in all
        return data, None

    async def opened(self, sealed: Mapping[str, Any], data: bytes) -> bytes:  # noqa: ARG002 it can't be read
        raise Request(_SHUT)

    def close(self) -> None:
        """There is nothing to let go of."""


class Encryption:
    """Of an account that does. Raises `Config` if the library is not installed."""

    def __init__(self, account: str, user: str, folder: Path, ask: Ask) -> None:
        self._account, self._user, self._folder, self._ask = account, user, folder, ask
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=account)
        self._sharing = asyncio.Lock()
        self._shut: dict[str, bool] = {}  # whether rooms are encrypted, as far as that was asked
        self._nio: Any = None
        self._olm: Any = None

    async def _do(self, act: Callable[..., T], *of: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *of)

    def close(self) -> None:
        if self._olm is not None:
            self._thread.submit(self._olm.store.database.close)
            self._olm = None
        self._thread.shutdown()

    # --- our device -----------------------------------------------------------------------------------------------------------------

    async def device(self, name: str) -> str:
        """The one that there are keys of; else a new one: nobody would believe a device that has other keys all of a sudden."""
        found = await self._do(lambda: sorted(self._folder.glob(f"{name}_*{KEYS}")))
        return found[0].name.removesuffix(KEYS) if found else f"{name}_{secrets.token_hex(4)}"

    async def begin(self, device: str) -> None:
        try:
            await self._do(self._open, device)
        except ModuleNotFoundError as missing:
            raise Config(
                f"{self._account} needs {missing.name} for encrypted rooms, which is not installed. "
                "Install it: pip install 'holdfast[matrix-e2e]'. Or set encrypted = false."
            ) from missing
        if not self._olm.account.shared:
            answer = await self._ask("POST", path("keys", "query"), {"device_keys": {self._user: [device]}})
            if answer.get("device_keys", {}).get(self._user, {}).get(device, {}).get("keys", self._identity) != self._identity:
                raise Config(
                    f"{self._account}: the keys of its device {device!r} for encrypted rooms are lost. Sign in for another access_token."
                )
        await self._exchange()

    @property
    def _identity(self) -> dict[str, str]:
        """The keys that our device is known by."""
        return {f"{kind}:{self._olm.device_id}": key for kind, key in self._olm.account.identity_keys.items()}

    def _open(self, device: str) -> None:
        if self._olm is not None:
            return
        self._nio = importlib.import_module("nio")
        crypto, store = importlib.import_module("nio.crypto"), importlib.import_module("nio.store")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._olm = crypto.Olm(self._user, device, store.SqliteStore(self._user, device, str(self._folder), PASSPHRASE, f"{device}{KEYS}"))

    async def heard(self, news: Mapping[str, Any]) -> None:
        await self._do(self._hear, news)
        await self._exchange()

    def _hear(self, news: Mapping[str, Any]) -> None:
        olm, parse = self._olm, self._nio.ToDeviceEvent.parse_event
        for told in news.get("to_device", {}).get("events", []):
            try:
                event = parse(told)
                if isinstance(event, self._nio.OlmEvent):
                    olm.handle_to_device_event(event)
            except (ValueError, KeyError, TypeError):  # anybody may send us anything, and it is gone when it was not for us
                continue
        changed = {*news.get("device_lists", {}).get("changed", []), *news.get("device_lists", {}).get("left", [])}
        if changed:
            olm.add_changed_users(changed & olm.tracked_users)
            olm.outbound_group_sessions.clear()  # who has another device gets, or loses, the keys of what comes next
        count = news.get("device_one_time_keys_count", {}).get("signed_curve25519")
        if isinstance(count, int):
            olm.uploaded_key_count = count

    async def _exchange(self) -> None:
        """Tell the homeserver our keys, and learn those of others, as far as that is due."""
        olm, nio = self._olm, self._nio
        if olm.should_upload_keys:
            answer = await self._ask("POST", path("keys", "upload"), await self._do(self._ours))
            await self._do(olm.handle_response, nio.KeysUploadResponse.from_dict(answer))
        if olm.should_query_keys:
            await self._query(set(olm.users_for_key_query))
        while olm.outgoing_to_device_messages:
            message = olm.outgoing_to_device_messages[0]
            await self._tell(message.type, message.as_dict())
            await self._do(olm.handle_response, nio.ToDeviceResponse(message))

    def _ours(self) -> dict[str, Any]:
        shared: dict[str, Any] = self._olm.share_keys()
        self._olm.save_account()  # what was uploaded once is never another key under the same name
        return shared

    async def _query(self, users: set[str]) -> None:
        answer = await self._ask("POST", path("keys", "query"), {"device_keys": {user: [] for user in users}})
        await self._do(self._olm.handle_response, self._nio.KeysQueryResponse.from_dict(answer))
        self._olm.tracked_users.update(users)
        self._olm.users_for_key_query.difference_update(users)

    async def _tell(self, kind: str, messages: Mapping[str, Any]) -> None:
        await self._ask("PUT", path("sendToDevice", kind, secrets.token_hex(16)), messages)

    # --- rooms ----------------------------------------------------------------------------------------------------------------------

    def changed(self, room: str, event: Event) -> None:
        if event.get("type") == "m.room.encryption":
            self._shut[room] = True
        if self._olm is not None:
            self._thread.submit(self._olm.outbound_group_sessions.pop, room, None)  # whoever came or went: what comes next has another key

    async def _is_shut(self, room: str) -> bool:
        if room not in self._shut:
            try:
                await self._ask("GET", path("rooms", room, "state", "m.room.encryption"))
            except Refused as refused:
                if refused.code != "M_NOT_FOUND":
                    raise
                self._shut[room] = False
            else:
                self._shut[room] = True
        return self._shut[room]

    async def decrypted(self, room: str, event: Event) -> Event | str:
        self._shut[room] = True
        return await self._do(self._decrypt, room, event)

    def _decrypt(self, room: str, event: Event) -> Event | str:
        try:
            found = self._nio.MegolmEvent.from_dict({**event, "room_id": room})
            if not isinstance(found, self._nio.MegolmEvent):
                return _NO_KEY
            inside = self._olm.decrypt_megolm_event(found, room).source
        except (self._nio.EncryptionError, ValueError, KeyError, TypeError):
            return _NO_KEY
        if not isinstance(inside.get("type"), str) or not isinstance(inside.get("content"), dict):
            return _NO_KEY
        return {**event, "type": inside["type"], "content": inside["content"]}

    async def encrypted(self, room: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if not await self._is_shut(room):
            return "m.room.message", content
        async with self._sharing:
            inside = {"type": "m.room.message", "content": content}
            while (outside := await self._do(self._encrypt, room, inside)) is None:
                await self._share(room)
        return "m.room.encrypted", outside | {name: content[name] for name in ("m.relates_to", KEY) if name in content}

    def _encrypt(self, room: str, inside: dict[str, Any]) -> dict[str, Any] | None:
        """None where a key has to be shared first."""
        return None if self._olm.should_share_group_session(room) else self._olm.group_encrypt(room, inside)

    async def _share(self, room: str) -> None:
        """Give a new key to every device of everybody in the room. Nobody's device is verified by us: who is in the room is who may read.

        Where somebody comes or goes meanwhile, it is a key no more.
        """
        olm, nio = self._olm, self._nio
        users = list((await self._ask("GET", path("rooms", room, "joined_members"))).get("joined", {}))
        await self._query({user for user in users if user not in olm.tracked_users or user in olm.users_for_key_query})
        missing = olm.get_missing_sessions(users)
        if missing:
            wanted = {user: dict.fromkeys(devices, "signed_curve25519") for user, devices in missing.items()}
            answer = await self._ask("POST", path("keys", "claim"), {"one_time_keys": wanted})
            await self._do(olm.handle_response, nio.KeysClaimResponse.from_dict(answer, room))
        for shared, messages in await self._do(lambda: list(olm.share_group_session_parallel(room, users, ignore_unverified_devices=True))):
            await self._tell("m.room.encrypted", messages)
            if (session := olm.outbound_group_sessions.get(room)) is not None:
                session.users_shared_with.update(shared)
        if (session := olm.outbound_group_sessions.get(room)) is not None:
            session.shared = True

    # --- files ----------------------------------------------------------------------------------------------------------------------

    async def sealed(self, room: str, data: bytes) -> tuple[bytes, dict[str, Any] | None]:
        if not await self._is_shut(room):
            return data, None
        attachments = importlib.import_module("nio.crypto.attachments")
        sealed, keys = await asyncio.to_thread(attachments.encrypt_attachment, data)
        return bytes(sealed), dict(keys)

    async def opened(self, sealed: Mapping[str, Any], data: bytes) -> bytes:
        attachments = importlib.import_module("nio.crypto.attachments")
        try:
            opened = await asyncio.to_thread(
                attachments.decrypt_attachment, data, sealed["key"]["k"], sealed["hashes"]["sha256"], sealed["iv"]
            )
        except (self._nio.EncryptionError, ValueError, KeyError, TypeError) as error:
            raise Request("An encrypted file is not what its message says.") from error
        return bytes(opened)


def keys_of(source: str) -> dict[str, Any]:
    """What is needed to read an encrypted attachment, out of its source; empty if it is not encrypted."""
    if not source.startswith("{"):
        return {}
    found = msgspec.json.decode(source)
    return found if isinstance(found, dict) else {}
