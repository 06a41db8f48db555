"""What the running gateway says of itself."""

from __future__ import annotations

import socket
from typing import Any

from holdfast.checks.findings import verdict
from holdfast.checks.running import check_metrics, check_running, in_use
from holdfast.settings import Metrics

WELL: dict[str, Any] = {
    "version": "0.1.0",
    "started": 1_790_000_000.0,
    "gates": [{"name": "route:main", "state": "open", "why": ""}],
    "tool servers": [{"name": "clock", "state": "ready", "why": "", "tools": 2}],
    "parts": [{"name": "page", "state": "ready", "why": ""}],
}


def test_a_gateway_that_is_well_is_well() -> None:
    found = list(check_running(WELL, 8420, 0.0))
    assert {finding.level for finding in found} == {"ok"}
    assert found[0].what.startswith("It runs, version 0.1.0, since 2026-")


def test_what_is_away_there_is_told_in_its_own_words() -> None:
    status = WELL | {
        "gates": [{"name": "route:main", "state": "closed", "why": "the server refuses the connection"}],
        "tool servers": [{"name": "clock", "state": "down", "why": "it ended"}],
    }
    told = {(finding.what, finding.cause, finding.mend) for finding in check_running(status, 8420, 0.0) if finding.level == "warning"}
    assert told == {
        ("route main is closed there.", "the server refuses the connection", "holdfast routes retry main    (tries it now)"),
        ("Its tool server clock is down.", "it ended", "holdfast tools retry clock    (starts it now)"),
    }


def test_tools_that_no_model_is_shown_there_are_told_unless_it_knows_an_older_configuration() -> None:
    status = WELL | {"tool servers": [{"name": "clock", "state": "ready", "why": "", "tools": 125, "left_out": 5}]}
    (warning,) = [one for one in check_running(status, 8420, 0.0) if one.level == "warning"]
    assert (warning.check, warning.about) == ("tools.left_out", "tools.clock")
    assert warning.what == "5 of its tools are shown to no model: all servers together have more than 120."
    later = WELL["started"] + 1
    assert [one.check for one in check_running(status, 8420, later) if one.level == "warning"] == ["gateway.stale"]


def test_a_page_that_has_no_port_has_to_be_given_another() -> None:
    found = list(check_running(WELL | {"parts": [{"name": "page", "state": "waiting", "why": "another program has this port"}]}, 8420, 0.0))
    assert verdict(found) == "change"
    assert found[-1].mend == "port = 8421    (in [web])"


def test_a_tool_server_that_works_there_is_not_started_a_second_time() -> None:
    assert in_use(WELL, 0.0) == {"clock"}
    assert ("tools.clock", "The running gateway uses it: 2 tools.") in {(one.about, one.what) for one in check_running(WELL, 8420, 0.0)}


def test_what_was_configured_after_it_started_it_does_not_know() -> None:
    later = WELL["started"] + 1
    assert in_use(WELL, later) == set()
    assert [one.check for one in check_running(WELL, 8420, later) if one.level == "warning"] == ["gateway.stale"]
    assert in_use(None, 0.0) == set()


def test_the_numbers_are_served_there_or_could_be_or_it_says_why_not() -> None:
    assert list(check_metrics(Metrics(), WELL)) == []
    part = {"name": "metrics", "state": "ready", "why": ""}
    (one,) = check_metrics(Metrics(port=9464), {"parts": [part]})
    assert (one.level, one.what) == ("ok", "The numbers are served by the running gateway, at port 9464.")
    (one,) = check_metrics(Metrics(port=9464), {"parts": [part | {"state": "waiting", "why": "another program has this port"}]})
    assert (one.level, one.cause, one.mend) == ("error", "another program has this port", "port = 9465    (in [metrics])")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (one,) = check_metrics(Metrics(port=port), None)
    assert one.what == f"Another program has port {port} already; everything but the numbers would work."
    (one,) = check_metrics(Metrics(port=port), WELL)
    assert (one.level, one.what) == ("ok", f"The numbers can have 127.0.0.1:{port}.")
