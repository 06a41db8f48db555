"""Who may do what, as tables (H-60: the sender is checked, before any cost)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.access import (
    CODE_CHARS,
    CODE_SIGNS,
    EVERYBODY,
    GUESTS_MAY,
    NOT_PERMITTED,
    OPEN,
    LetIn,
    Permission,
    Role,
    Rules,
    code,
    group_key,
    handle_of,
    permission,
    permitted,
    plain,
    role_of,
    verdict,
)
from holdfast.core.commands import COMMANDS, HIDDEN, parse
from holdfast.core.entries import Choice, Command, UserMessage
from holdfast.core.incoming import Chose, Deleted, Edited, Incoming, Place, Wrote

RULES = plain(Rules(allow=frozenset({"7", "@Ada"}), owners=frozenset({"1"}), groups=frozenset({"-100"})))


def incoming(author: str = "7", chat: str = "7", did: Wrote | Edited | Deleted | Chose | None = None, **more: object) -> Incoming:
    return Incoming(place=Place(chat), id="m1", author=author, did=did or Wrote("hello"), **more)  # type: ignore[arg-type] # as there


@pytest.mark.parametrize(
    ("person", "let_in", "chat", "group", "role"),
    [
        ("1", {}, "1", False, "owner"),
        ("1", {}, "-100", True, "owner"),
        ("7", {}, "7", False, "user"),
        ("7", {}, "-100", True, "user"),
        ("8", {}, "8", False, None),
        ("8", {}, "-100", True, "guest"),
        ("8", {}, "-200", True, None),
        ("1", {}, "-200", True, None),  # nobody, where no list names the group
        ("8", {"8": ""}, "8", False, "user"),  # an owner approved their code
        ("8", {"8": ""}, "-200", True, None),
        ("8", {"8": "@ada"}, "8", False, "user"),
        ("8", {"8": "@ADA"}, "8", False, "user"),
        ("8", {"8": "@bob"}, "8", False, None),  # no list has that name any more
        ("8", {"9": ""}, "8", False, None),
        ("8", {group_key("-300"): "-100"}, "-300", True, "guest"),  # the group has another id now
        ("8", {group_key("-300"): "-999"}, "-300", True, None),
        ("-100", {}, "-100", False, None),  # a group's id is nobody's
    ],
)
def test_what_a_person_is(person: str, let_in: LetIn, chat: str, group: bool, role: Role | None) -> None:
    assert role_of(RULES, person, let_in, chat=chat, group=group) == role


@pytest.mark.parametrize("group", [False, True])
def test_whoever_gets_to_the_page_is_the_owner(group: bool) -> None:
    assert role_of(OPEN, "anybody", {}, chat="x", group=group) == "owner"


def test_a_star_lets_everybody_in_and_makes_nobody_an_owner() -> None:
    rules = Rules(allow=frozenset({EVERYBODY}), groups=frozenset({EVERYBODY}))
    assert role_of(rules, "8", {}, chat="8", group=False) == "user"
    assert role_of(rules, "8", {}, chat="-5", group=True) == "user"


@pytest.mark.parametrize(
    ("event", "what", "role"),
    [
        (incoming(), "take", "user"),
        (incoming("1", "1"), "take", "owner"),
        (incoming("8", "8"), "pair", None),
        (incoming("8", "8", Edited("x", "1")), "drop", None),
        (incoming("8", "8", Deleted()), "drop", None),
        (incoming("8", "8", Chose(41, "once")), "drop", None),
        (incoming("7", "7", Chose(41, "once")), "take", "user"),
        (incoming("8", "-100", group=True), "take", "guest"),
        (incoming("8", "-100", group=True, to_us=False), "drop", None),
        (incoming("1", "-100", group=True, to_us=False), "drop", None),  # of what is not to us nothing is kept
        (incoming("7", "-100", Edited("x", "1"), group=True, to_us=False), "take", "user"),  # of a message that may have been
        (incoming("1", "-200", group=True), "drop", None),
        (incoming("8", "-200", group=True), "drop", None),  # and no code in a group that nobody named
    ],
)
def test_what_becomes_of_what_came_in(event: Incoming, what: str, role: Role | None) -> None:
    found = verdict(RULES, event, {})
    assert (found.what, found.role) == (what, role)


def test_without_pairing_a_stranger_hears_nothing() -> None:
    assert verdict(replace(RULES, pairing=False), incoming("8", "8"), {}).what == "drop"


@pytest.mark.parametrize(
    ("handles", "found"),
    [((), ""), (("@ada",), "@ada"), (("@ADA",), "@ADA"), (("@bob",), ""), (("@bob", "@ada"), "@ada")],
)
def test_a_list_may_name_a_person_as_others_call_them(handles: tuple[str, ...], found: str) -> None:
    assert handle_of(RULES, incoming("8", "8", handles=handles)) == found


def test_a_star_is_no_name() -> None:
    everybody = Rules(allow=frozenset({EVERYBODY}))
    assert handle_of(everybody, incoming("8", "8", handles=("@bob",))) == ""


# --- commands ---------------------------------------------------------------------------------------------------------------------------

ALL_COMMANDS = [*(known.name for known in COMMANDS), *HIDDEN, "nonsense"]


@pytest.mark.parametrize("name", ALL_COMMANDS)
@pytest.mark.parametrize("role", ["owner", "user", "guest"])
def test_which_commands_may_be_given(name: str, role: Role) -> None:
    body = Command(author="8", id="m1", name=name, args="a b")
    may = name in GUESTS_MAY if role == "guest" else role == "owner" or name != "pair"
    said = permitted(role, body)
    assert said == body if may else said == Command(author="8", id="m1", name=NOT_PERMITTED, args=name)


def test_nobody_can_write_the_command_that_says_that_a_command_is_not_permitted() -> None:
    assert not isinstance(parse(f"/{NOT_PERMITTED} x", "8", "m1"), Command) or parse(f"/{NOT_PERMITTED} x", "8", "m1").name != NOT_PERMITTED  # type: ignore[union-attr] # it is one


@pytest.mark.parametrize(
    "body", [UserMessage(author="8", id="m1", text="/new ideas"), Choice(author="8", id="m1", question=3, option="no")]
)
def test_messages_and_choices_are_everybodys(body: UserMessage | Choice) -> None:
    assert permitted("guest", body) == body


# --- tools ------------------------------------------------------------------------------------------------------------------------------

TOOLS = {
    "*": {"files": "ask", "files.read": "allow"},
    "guest": {"files.read": "deny", "clock": "ask"},
    "owner": {"*": "allow"},
    "-100": {"files.write": "deny", "mail": "ask"},
}


@pytest.mark.parametrize(
    ("chat", "role", "tool", "otherwise", "expected"),
    [
        ("7", "user", "files.read", "deny", "allow"),
        ("7", "user", "files.write", "allow", "ask"),
        ("7", "user", "clock.now", "allow", "allow"),
        ("7", "user", "clock.now", "ask", "ask"),
        ("7", "owner", "files.write", "deny", "allow"),
        ("-100", "owner", "files.write", "allow", "deny"),  # the chat's word counts before the role's
        ("-100", "owner", "files.read", "deny", "allow"),
        ("-100", "guest", "files.read", "allow", "deny"),
        ("-100", "guest", "files.write", "allow", "deny"),
        ("7", "guest", "files.write", "allow", "deny"),  # nobody is asked on behalf of a guest
        ("7", "guest", "web.get", "ask", "deny"),
        ("7", "guest", "web.get", "allow", "allow"),
        ("7", "guest", "clock.now", "deny", "ask"),  # unless a word on guests says so
        ("-100", "guest", "mail.send", "allow", "deny"),
        ("-100", "user", "mail.send", "allow", "ask"),
    ],
)
def test_the_most_particular_word_on_a_tool_counts(chat: str, role: Role, tool: str, otherwise: Permission, expected: Permission) -> None:
    server, _, name = tool.partition(".")
    rules = replace(RULES, tools=TOOLS)  # type: ignore[arg-type] # its words are permissions
    assert permission(rules, chat, role, server, name, otherwise) == expected


def test_without_tables_a_tools_own_word_counts() -> None:
    assert permission(RULES, "7", "user", "files", "read", "ask") == "ask"
    assert permission(RULES, "7", "guest", "files", "read", "ask") == "deny"


# --- pairing ----------------------------------------------------------------------------------------------------------------------------


def test_a_code_has_no_signs_that_look_alike_and_each_sign_is_as_likely() -> None:
    assert len(CODE_SIGNS) == 32 and not set(CODE_SIGNS) & set("01IOlo")
    assert code(range(CODE_CHARS)) == CODE_SIGNS[:CODE_CHARS]
    assert code([31] * CODE_CHARS) == "9" * CODE_CHARS
