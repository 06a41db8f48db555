"""The page: plain, calm, rendered here. It shows names, times and states, and nothing that was said."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from html import escape
from string import Template
from typing import Any, Final

from holdfast.ports import ConversationRow
from holdfast.web.words import state

CONVERSATIONS_MAX: Final = 200

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2.5rem; } p { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; vertical-align: top; }
"""

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast</title>
<style>$style</style>
</head>
<body>
<h1>Holdfast</h1>
<p>As of $now. To talk, use <code>holdfast chat -q "..."</code>; to read, <code>holdfast show</code>.</p>
<h2>Conversations</h2>
$conversations
$health
</body>
</html>
""")

HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}


def page(rows: Sequence[ConversationRow], status: Mapping[str, Any], now: float, when: Callable[[float], str]) -> str:
    """The page as HTML. Of `status` it shows the lists whose items have a name and a state."""
    listed = [(row.key, when(row.last_at), state(row, now, when)) for row in rows]
    conversations = _table(("Name", "Last activity", "State"), listed) if listed else "<p>None yet.</p>"
    sections = [(title, _named(value)) for title, value in status.items()]
    health = "".join(f"<h2>{escape(title.capitalize())}</h2>\n{_table(('Name', 'State'), items)}\n" for title, items in sections if items)
    return _PAGE.substitute(style=_STYLE, now=escape(when(now)), conversations=conversations, health=health)


def _named(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, list | tuple):
        return []
    return [(str(item["name"]), str(item["state"])) for item in value if isinstance(item, Mapping) and "name" in item and "state" in item]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}</table>"
