"""What tool servers offer, and what we make of it: names, repeatability, and the form kept in the journal. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import msgspec

from holdfast.core.request import Tool
from holdfast.ports import OfferedTool
from holdfast.tools.schemas import adapted
from holdfast.tools.settings import Permission, ServerSettings

NAME_CHARS_MAX: Final = 64
DESCRIPTION_CHARS_MAX: Final = 8_000
ABOUT_CHARS_MAX: Final = 200

_valid: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_invalid: Final = re.compile(r"[^a-zA-Z0-9_-]")


class Offered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tool in its server's own words. The hints are the server's claims, believed only where it is trusted."""

    name: str
    description: str = ""
    schema: dict[str, Any]
    read_only_hint: bool = False
    idempotent_hint: bool = False


_decoder: Final = msgspec.json.Decoder(tuple[Offered, ...])
_encoder: Final = msgspec.json.Encoder(order="deterministic")


def encode(offered: tuple[Offered, ...]) -> str:
    """A server's tools as they are kept in the journal."""
    return _encoder.encode(offered).decode()


def decode(body: str) -> tuple[Offered, ...]:
    """What `encode` wrote. Raises `msgspec.ValidationError` (a `ValueError`) for anything else."""
    return _decoder.decode(body)


def tool_name(server: str, tool: str) -> str:
    """The name under which the model knows a tool: `server__tool`; with a mark where that is too long, not valid, or ambiguous.

    It depends on nothing but these two, so that a name in an old transcript means the same tool for ever.
    """
    name = f"{server}__{tool}"
    if _valid.fullmatch(name) and name.partition("__") == (server, "__", tool):
        return name
    mark = "_" + sha256(f"{server}\0{tool}".encode()).hexdigest()[:8]
    return re.sub("^[^a-zA-Z]", "_", _invalid.sub("_", name))[: NAME_CHARS_MAX - len(mark)] + mark


def repeatable(settings: ServerSettings, offered: Offered) -> bool:
    """May an interrupted call be made again? The configuration says, else a trusted server's annotations, else no."""
    match settings.replay.get(offered.name):
        case "always":
            return True
        case "never" | "ask":
            return False
        case None:
            return settings.trust_annotations and (offered.read_only_hint or offered.idempotent_hint)


def permission(settings: ServerSettings, offered: Offered) -> Permission:
    """May it be called? The configuration says, for the tool or for the whole server; else what a trusted server marks as only reading may, and the rest asks."""
    said = settings.tool_policy.get(offered.name) or settings.policy
    return said or ("allow" if settings.trust_annotations and offered.read_only_hint else "ask")


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool as the model sees it, its name at its server, and the server's names of arguments that are called otherwise here."""

    tool: Tool
    own_name: str
    own_names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def at_a_glance(self, *, left_out: bool = False) -> OfferedTool:
        """For whoever looks at a server and its tools."""
        tool = self.tool
        about = " ".join(tool.description.partition("\n\n")[0].split())
        about = about if len(about) <= ABOUT_CHARS_MAX else about[: ABOUT_CHARS_MAX - 1] + "…"
        return OfferedTool(tool.name, self.own_name, about, tool.policy, tool.repeatable, left_out)


def catalogue(servers: Iterable[tuple[ServerSettings, tuple[Offered, ...]]]) -> dict[str, Entry]:
    """All tools by the names the model knows, in the order of the servers and their lists. Of two of one name the first counts."""
    entries: dict[str, Entry] = {}
    for settings, offered in servers:
        for one in offered:
            name = tool_name(settings.name, one.name)
            form = adapted(one.schema)
            description = " ".join(filter(None, (one.description[:DESCRIPTION_CHARS_MAX], form.words)))
            tool = Tool(
                name, description, form.schema, server=settings.name, repeatable=repeatable(settings, one), policy=permission(settings, one)
            )
            entries.setdefault(name, Entry(tool, one.name, form.own_names))
    return entries
