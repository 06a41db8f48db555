"""The collector for traces: does it take what it is sent?"""

from __future__ import annotations

import importlib.util
from typing import Final

import httpx2

from holdfast import environment
from holdfast.checks.findings import Finding
from holdfast.runtime.traces import address
from holdfast.settings import Traces

ABOUT: Final = "traces"
ANSWERS_S_MAX: Final = 10.0
NEEDS: Final = "opentelemetry"


async def check_traces(settings: Traces) -> list[Finding]:
    """Sends it a request without a span; nothing if nothing is traced. `settings` with the secrets."""
    if settings.endpoint is None:
        return []
    if importlib.util.find_spec(NEEDS) is None:
        what = f"[traces] needs {NEEDS}, which is not installed."
        return [Finding("error", "traces.installed", ABOUT, what, mend="pip install 'holdfast[otel]'")]
    url = address(settings.endpoint)
    headers = {name: secret.value for name, secret in settings.headers.items()} | {"content-type": "application/x-protobuf"}
    try:
        async with environment.client(url, timeout=ANSWERS_S_MAX) as http:
            response = await http.post(url, content=b"", headers=headers)
    except environment.Unusable as unusable:
        return [Finding("error", "traces.takes", ABOUT, f"{url} can't be reached.", f"{unusable}.")]
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        why = f"{error or type(error).__name__}. Spans are dropped until it is back; nothing else is harmed.".replace("..", ".")
        return [Finding("warning", "traces.takes", ABOUT, f"{url} can't be reached.", why, _mend())]
    if response.is_success:
        return [Finding("ok", "traces.takes", ABOUT, f"{url} takes spans.")]
    refused = response.status_code in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}
    mend = "headers = ...    (in [traces])" if refused else _mend()
    return [Finding("error", "traces.takes", ABOUT, f"{url} answers with status {response.status_code}.", "Spans are dropped.", mend)]


def _mend() -> str:
    return 'endpoint = "..."    (in [traces]: where a collector takes OTLP over HTTP)'
