"""What each platform can promise, as a table for people, made of the adapters' own data.

`python -m holdfast.platforms.promises` prints what stands in `docs/promises.md`.
"""

from __future__ import annotations

import importlib
from math import inf
from typing import Final

from holdfast.core.words import span
from holdfast.ports import Traits

NAMES: Final = {
    "telegram": "Telegram",
    "matrix": "Matrix",
    "discord": "Discord",
    "slack": "Slack",
    "feishu": "Feishu, Lark",
    "wechat": "WeChat",
    "wecom": "WeCom",
    "official": "Official Accounts",
    "webhook": "your program",
    "xmpp": "XMPP",
}
"""The kinds, as people call them."""

HEAD: Final = (
    "| | written while Holdfast is away | an answer, when Holdfast is killed in mid-send | corrections of theirs | shown as it grows | buttons |\n"
    "|---|---|---|---|---|---|"
)


def table() -> str:
    """A row for each kind, in Markdown."""
    rows = [_row(kind, importlib.import_module(f"holdfast.platforms.{kind}").TRAITS) for kind in NAMES]
    return "\n".join([HEAD, *rows])


def _row(kind: str, traits: Traits) -> str:
    what = (_missed(traits), _repeated(traits), *("yes" if one else "no" for one in (traits.corrections, traits.edits, traits.buttons)))
    return f"| [{NAMES[kind]}](platforms/{kind}.md) | {' | '.join(what)} |"


def _missed(traits: Traits) -> str:
    long = "is received, however long that was" if traits.missed_s == inf else f"is received, if that was at most {span(traits.missed_s)}"
    return f"{long}; what was just handed over when it was killed may be lost" if traits.forgets else long


def _repeated(traits: Traits) -> str:
    if traits.key_holds_s == inf:
        return "arrives once"
    if traits.history:
        known = f"recognised for {span(traits.key_holds_s)}, then " if traits.key_holds_s else ""
        return f"arrives once ({known}looked for in the chat)"
    again = "may arrive twice; the second is marked"
    return f"arrives once, if Holdfast is back within {span(traits.key_holds_s)}; else {again}" if traits.key_holds_s else again


if __name__ == "__main__":
    print(table())  # noqa: T201 -- this is the command's output
