"""What of iLink's JSON we read. What is not here is not looked at, so it can't be wrong."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

BOT_TYPE: Final = 3
"""The kind of bot that a picture signs in: one of a personal account."""

USER: Final = 1
BOT: Final = 2
FINISHED: Final = 2
TYPING: Final = 1
NO_LONGER_TYPING: Final = 2

TEXT: Final = 1
PICTURE: Final = 2
VOICE: Final = 3
FILE: Final = 4
VIDEO: Final = 5
TOOL_BEGINS: Final = 11
TOOL_ENDS: Final = 12
"""The types of items."""

UPLOAD_TYPES: Final = {PICTURE: 1, VIDEO: 2, FILE: 3}
"""The same, as who asks where to put a file says them."""

SESSION_ENDED: Final = -14
DECLINED: Final = -2
BUSY: Final = -1


class Envelope(msgspec.Struct, frozen=True):
    """Every answer: whatever is not 0 is a refusal, and some say it in the one place, some in the other."""

    ret: int = 0
    errcode: int = 0
    errmsg: str = ""


class Media(msgspec.Struct, frozen=True):
    """Where the bytes of a file are, encrypted, and its key."""

    encrypt_query_param: str = ""
    aes_key: str = ""
    full_url: str = ""


class Text(msgspec.Struct, frozen=True):
    text: str = ""


class Picture(msgspec.Struct, frozen=True):
    """`aeskey` is in hexadecimal digits, and counts before that of `media`."""

    media: Media = Media()
    aeskey: str = ""


class Voice(msgspec.Struct, frozen=True):
    """`text` is what WeChat heard in it, if it listened."""

    media: Media = Media()
    encode_type: int = 0
    text: str = ""


class File(msgspec.Struct, frozen=True):
    media: Media = Media()
    file_name: str = ""


class Video(msgspec.Struct, frozen=True):
    media: Media = Media()


class Item(msgspec.Struct, frozen=True):
    """A piece of a message."""

    type: int = 0
    text_item: Text = Text()
    image_item: Picture = Picture()
    voice_item: Voice = Voice()
    file_item: File = File()
    video_item: Video = Video()
    ref_msg: Quoted | None = None


class Quoted(msgspec.Struct, frozen=True):
    """What a message replies to."""

    title: str = ""
    message_item: Item | None = None


class Message(msgspec.Struct, frozen=True):
    """`message_id` is missing at times. `context_token` is what lets us answer."""

    from_user_id: str = ""
    message_id: int | str = 0
    seq: int = 0
    create_time_ms: int = 0
    group_id: str = ""
    message_type: int = 0
    item_list: tuple[Item, ...] = ()
    context_token: str = ""


class Updates(msgspec.Struct, frozen=True):
    msgs: tuple[Any, ...] = ()
    get_updates_buf: str = ""
    longpolling_timeout_ms: int = 0


class Sent(msgspec.Struct, frozen=True):
    message_id: int | str = 0


class Settings(msgspec.Struct, frozen=True):
    """What getconfig says of a person."""

    typing_ticket: str = ""


class Upload(msgspec.Struct, frozen=True):
    """Where a file is to be put."""

    upload_param: str = ""
    upload_full_url: str = ""


class Code(msgspec.Struct, frozen=True):
    """A picture to be scanned: its name, and what it holds."""

    qrcode: str
    qrcode_img_content: str


class Scanned(msgspec.Struct, frozen=True):
    """How a picture fares; once it is `confirmed`, with the login."""

    status: Literal[
        "wait",
        "scaned",
        "confirmed",
        "expired",
        "need_verifycode",
        "verify_code_blocked",
        "scaned_but_redirect",
        "binded_redirect",
    ]
    redirect_host: str = ""
    bot_token: str = ""
    ilink_bot_id: str = ""
    ilink_user_id: str = ""
    baseurl: str = ""
