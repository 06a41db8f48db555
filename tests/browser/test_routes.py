"""Which other models the page offers to a conversation that waits (`routes.js`), asked in a browser that has nothing but the page's files."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.needs("chromium")


def route(name: str, *chains: str, state: str = "open", kind: str = "") -> dict[str, Any]:
    return {"name": name, "state": state, "gate": {"kind": kind}, "chains": list(chains)}


async def offered(scripts: Page, *rows: dict[str, Any], waits: str, chosen: str = "") -> list[str]:
    """Each choice with its state, in the order in which they are offered."""
    found: list[dict[str, Any]] = await scripts.evaluate(
        "async ([rows, waits, chosen]) => (await import('/assets/routes.js')).choicesOf(rows, waits, chosen)",
        [list(rows), [{"name": name} for name in waits.split()], chosen],
    )
    return [f"{one['name']}: {one['state']}" for one in found]


MAIN = route("main", "the agent", "fast", state="closed", kind="transient")


async def test_chains_and_routes_that_lead_elsewhere_are_offered_and_what_is_ready_comes_first(scripts: Page) -> None:
    away = route("old", "slow", state="to be tried", kind="quota")
    rows = (MAIN, away, route("small", "fast"), route("new", state="never tried"))
    assert await offered(scripts, *rows, waits="main") == [
        "fast: ready",
        "small: ready",
        "new: ready",
        "slow: no credit left",
        "old: no credit left",
    ]


async def test_what_is_used_already_is_not_offered(scripts: Page) -> None:
    assert await offered(scripts, MAIN, route("small", "fast"), waits="main", chosen="fast") == ["small: ready"]
    assert await offered(scripts, MAIN, waits="main") == []


async def test_who_has_chosen_may_go_back(scripts: Page) -> None:
    home = route("home", "the agent")
    assert await offered(scripts, MAIN, home, waits="main", chosen="main") == ["default: ready", "home: ready"]


async def test_the_chain_of_the_page_is_what_it_would_go_back_to(scripts: Page) -> None:
    rows = (MAIN, route("page", "web:local", state="closed", kind="loading"))
    assert await offered(scripts, *rows, waits="main", chosen="main") == ["default: loading its model", "page: loading its model"]


async def test_what_a_route_is_used_for_is_no_chain(scripts: Page) -> None:
    rows = (MAIN, route("cheap", "summaries", "scheduled work", "telegram:mine"))
    assert await offered(scripts, *rows, waits="main") == ["cheap: ready"]
