"""What of Feishu's events and answers we read; https://open.feishu.cn/document names the fields. What is not here is not looked at, so it can't be wrong.

Feishu leaves fields out, sends them empty, or as null: all mean the same.
"""

from __future__ import annotations

import msgspec

Text = str | None


class Ids(msgspec.Struct, frozen=True):
    """A person. The first is the app's own name of them, the second the same in all apps of one developer."""

    open_id: Text = None
    union_id: Text = None


class Mention(msgspec.Struct, frozen=True):
    """What stands for it in the text is `key`, such as @_user_1."""

    key: Text = None
    name: Text = None
    id: Ids | str | None = None


# --- events -----------------------------------------------------------------------------------------------------------------------------


class Header(msgspec.Struct, frozen=True):
    event_id: Text = None
    event_type: Text = None


class Pushed(msgspec.Struct, frozen=True):
    """Anything that Feishu brings us. `challenge`: it only asks whether we are here."""

    header: Header = Header()
    event: msgspec.Raw = msgspec.Raw(b"{}")
    type: Text = None
    challenge: Text = None


class EventSender(msgspec.Struct, frozen=True):
    sender_id: Ids | None = None
    sender_type: Text = None


class EventMessage(msgspec.Struct, frozen=True):
    message_id: str
    chat_id: str
    chat_type: Text = None
    message_type: Text = None
    content: Text = None
    root_id: Text = None
    parent_id: Text = None
    thread_id: Text = None
    create_time: str | int | None = None
    mentions: tuple[Mention, ...] | None = None


class Received(msgspec.Struct, frozen=True):
    """im.message.receive_v1"""

    message: EventMessage
    sender: EventSender = EventSender()


class Named(msgspec.Struct, frozen=True):
    message_id: str


class Updated(msgspec.Struct, frozen=True):
    """im.message.updated_v1: what it says now has to be asked for."""

    message: Named


class Recalled(msgspec.Struct, frozen=True):
    """im.message.recalled_v1"""

    message_id: str
    chat_id: str


class Action(msgspec.Struct, frozen=True):
    value: msgspec.Raw = msgspec.Raw(b"null")


class Where(msgspec.Struct, frozen=True):
    open_chat_id: Text = None


class Pressed(msgspec.Struct, frozen=True):
    """card.action.trigger"""

    operator: Ids
    action: Action = Action()
    context: Where = Where()


class Carried(msgspec.Struct, frozen=True):
    """What our own buttons carry. `person`: of the conversation, in a group where each has one."""

    question: int
    option: str
    thread: str = ""
    person: str = ""


# --- answers ----------------------------------------------------------------------------------------------------------------------------


class ItemSender(msgspec.Struct, frozen=True):
    id: Text = None
    sender_type: Text = None
    sender_name: Text = None


class Body(msgspec.Struct, frozen=True):
    content: Text = None


class Item(msgspec.Struct, frozen=True):
    """A message, as it is read from a chat's history."""

    message_id: str
    chat_id: Text = None
    msg_type: Text = None
    root_id: Text = None
    parent_id: Text = None
    thread_id: Text = None
    create_time: str | int | None = None
    update_time: str | int | None = None
    deleted: bool | None = None
    sender: ItemSender = ItemSender()
    body: Body = Body()
    mentions: tuple[Mention, ...] | None = None


class Page(msgspec.Struct, frozen=True):
    items: tuple[Item, ...] | None = None
    has_more: bool | None = None
    page_token: Text = None


class Listed(msgspec.Struct, frozen=True):
    data: Page = Page()


class Sent(msgspec.Struct, frozen=True):
    data: Named


class Key(msgspec.Struct, frozen=True):
    image_key: Text = None
    file_key: Text = None


class Uploaded(msgspec.Struct, frozen=True):
    data: Key


class Chat(msgspec.Struct, frozen=True):
    chat_mode: Text = None


class ChatInfo(msgspec.Struct, frozen=True):
    data: Chat = Chat()


class Bot(msgspec.Struct, frozen=True):
    open_id: str
    app_name: Text = None


class BotInfo(msgspec.Struct, frozen=True):
    bot: Bot


class Token(msgspec.Struct, frozen=True):
    tenant_access_token: str
    expire: float


class ClientConfig(msgspec.Struct, frozen=True):
    ping_interval: Text | float = msgspec.field(name="PingInterval", default=None)


class Endpoint(msgspec.Struct, frozen=True):
    url: str = msgspec.field(name="URL")
    config: ClientConfig | None = msgspec.field(name="ClientConfig", default=None)


class Endpoints(msgspec.Struct, frozen=True):
    """Where a long connection begins."""

    data: Endpoint


class Count(msgspec.Struct, frozen=True):
    online_instance_cnt: int = 0


class Connections(msgspec.Struct, frozen=True):
    data: Count = Count()


class Said(msgspec.Struct, frozen=True):
    """What every answer begins with."""

    code: int = 0
    msg: str = ""
