"""The collector for traces as a check sees it: a request without a span."""

from __future__ import annotations

import importlib.util

import pytest

from holdfast.checks.collector import check_traces
from holdfast.checks.findings import Finding
from holdfast.secrets import Secret
from holdfast.settings import Traces
from holdfast.testing.stub_provider import Reply, StubProvider, http


async def one(endpoint: str) -> Finding:
    (finding,) = await check_traces(Traces(endpoint=endpoint, headers={"x-key": Secret("env:KEY", "secret")}))
    return finding


async def test_where_nothing_is_traced_nothing_is_asked() -> None:
    assert await check_traces(Traces()) == []


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
async def test_a_collector_that_takes_spans_is_well(path: str) -> None:
    async with StubProvider(lambda _: Reply(http(b"", 200, "application/x-protobuf"))) as stub:
        base = stub.base_url.removesuffix("/v1")
        finding = await one(base + path)
        (hit,) = stub.hits
    assert (finding.level, finding.what) == ("ok", f"{base}/v1/traces takes spans.")
    assert (hit.method, hit.path, hit.headers["x-key"]) == ("POST", "/v1/traces", "secret")


async def test_one_that_is_away_is_a_warning_since_nothing_else_is_harmed() -> None:
    finding = await one("http://127.0.0.1:1")
    assert finding.level == "warning" and "Spans are dropped until it is back" in finding.cause


@pytest.mark.parametrize(("status", "mend"), [(401, "headers = "), (404, "endpoint = ")])
async def test_one_that_refuses_is_an_error_with_the_setting(status: int, mend: str) -> None:
    async with StubProvider(lambda _: Reply(http(b"", status, "text/plain"))) as stub:
        finding = await one(stub.base_url)
    assert finding.level == "error" and finding.mend.startswith(mend) and str(status) in finding.what


async def test_without_opentelemetry_it_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert (await one("http://127.0.0.1:1")).mend == "pip install 'holdfast[otel]'"
