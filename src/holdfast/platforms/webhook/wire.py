"""What programs send us, and what they are told."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from holdfast.core.entries import Produced
from holdfast.errors import Request
from holdfast.ports import HookReply

TEXT_BYTES_MAX: Final = 64 * 1024
FILES_MAX: Final = 10
FILE_NAME_CHARS_MAX: Final = 255
WAIT_S_MAX: Final = 20.0
"""How long a question for news is kept that there are none to."""

EXAMPLE: Final = '{"chat": "alerts", "text": "..."}'
_CHAT: Final = re.compile(r"[A-Za-z0-9._@~-]{1,64}")
_AUTHOR: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}")
_SEQ: Final = re.compile(r"[0-9]{1,18}")
_KINDS: Final = {"a": "answer", "n": "notice", "q": "question", "r": "files"}


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a message: its bytes, in base64."""

    name: str
    data: str

    @property
    def decoded(self) -> bytes:
        try:
            return base64.b64decode(self.data, validate=True)
        except (binascii.Error, ValueError):
            raise Request(f"The data of {self.name[:64]!r} is no base64.") from None


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to a chat, from `author` (left out: the chat is a person's own, and called as they are); or the choice of an option of a question."""

    chat: str
    text: str = ""
    author: str = ""
    name: str = ""
    files: tuple[File, ...] = ()
    choose: int = 0
    option: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """Whatever was said in this chat after this."""

    chat: str
    after: int
    wait_s: float


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was said, without its files. `key` names it for ever; `seq` is where it stands in its conversation (0: in none)."""

    key: str
    text: str
    seq: int = 0
    files: tuple[Produced, ...] = ()
    question: int = 0
    options: tuple[str, ...] = ()


def sent(body: bytes) -> Sent:
    """What a request says. Raises `Request`."""
    try:
        said = msgspec.json.decode(body, type=Sent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = " Files come in the request, as {name, data in base64}: nothing is fetched." if "files" in str(error) else ""
        raise Request(f"The request can not be read ({error}). Send {EXAMPLE} as JSON.{hint}") from None
    _check_chat(said.chat)
    if said.author and not _AUTHOR.fullmatch(said.author):
        raise Request("`author` takes 1 to 128 characters without spaces.")
    if bool(said.choose) != bool(said.option):
        raise Request('An answer to a question is {"choose": NUMBER, "option": "..."}, both of them.')
    if said.choose and (said.text or said.files):
        raise Request("Send either a message or the answer to a question.")
    if not said.choose and not said.text.strip() and not said.files:
        raise Request("The message is empty. Write something into `text`.")
    if len(said.text.encode()) > TEXT_BYTES_MAX:
        raise Request(f"The text is longer than {TEXT_BYTES_MAX:,} bytes. Send it in parts, or as a file.")
    if len(said.files) > FILES_MAX or any(len(file.name) > FILE_NAME_CHARS_MAX or not file.name for file in said.files):
        raise Request(f"At most {FILES_MAX} files go with a message, each with a name of at most {FILE_NAME_CHARS_MAX} characters.")
    return said


def wanted(query: str) -> Wanted:
    """What a question for news asks. Raises `Request`."""
    asked = dict(parse_qsl(query))
    _check_chat(asked.get("chat", ""))
    after, wait = asked.get("after", "0"), asked.get("wait", "0")
    if not (_SEQ.fullmatch(after) and _SEQ.fullmatch(wait)):
        raise Request("`after` is the number that the last answer gave, and `wait` a number of seconds.")
    return Wanted(asked["chat"], int(after), min(float(wait), WAIT_S_MAX))


def _check_chat(chat: str) -> None:
    if not _CHAT.fullmatch(chat):
        raise Request("`chat` takes 1 to 64 letters, digits and . _ @ ~ -. You choose it: each is a conversation of its own.")


# --- what they are told -----------------------------------------------------------------------------------------------------------------


def reply(status: int, **said: Any) -> HookReply:
    return HookReply(status, msgspec.json.encode(said), "application/json")


def next_question(chat: str, after: int) -> str:
    """The query that asks for what is said after this."""
    return urlencode({"chat": chat, "after": after})


def shown(chat: str, said: Said, files: list[bytes]) -> dict[str, Any]:
    """What was said, as JSON has it."""
    kind = said.key.rpartition(":")[2].split("/")[1:2]
    return {
        "key": said.key,
        **({"seq": said.seq} if said.seq else {}),
        "chat": chat,
        "kind": _KINDS.get(kind[0][:1], "notice") if kind else "notice",
        "text": said.text,
        **({"question": said.question, "options": said.options} if said.question else {}),
        "files": [
            {"name": file.name, "media_type": file.media_type, "data": base64.b64encode(data).decode()}
            for file, data in zip(said.files, files, strict=True)
        ],
    }
