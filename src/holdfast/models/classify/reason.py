"""The sentence that people read about a failure: short, and without secrets."""

from __future__ import annotations

import re
from typing import Final

REASON_CHARS_MAX: Final = 200

_SECRETS: Final = re.compile(
    r"\b(?:sk|pk|rk|gsk|hf|xai|r8|nvapi|pplx|mnfst|ghp|gho|ghs|github_pat|fw|csk|tgp|dapi|ak|sess|glsa|xox[abp]|key)[-_][A-Za-z0-9*._\-]{4,}"
    r"|\bAIza[\w\-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{8,}|\beyJ[\w\-]+(?:\.[\w\-]+)*|\b[A-Fa-f0-9]{32,}\b|\b(?=[A-Za-z0-9+/_\-]*\d)(?=[A-Za-z0-9+/_\-]*[A-Za-z])[A-Za-z0-9+/_\-]{40,}={0,2}"
    r"|(?i:\bbearer\s+)[^\s\"',]+|(?i:[?&](?:key|token|api[_-]?key|access_token)=)[^\s&\"']+|(?<=://)[^\s/@]+:[^\s/@]+(?=@)"
)


def sentence(why: str, detail: str) -> str:
    """Why ("": what was said tells it), and what was said of it."""
    detail = " ".join(_SECRETS.sub("***", detail[:1_000]).split()).rstrip(".")
    text = ": ".join(filter(None, (why, detail)))
    text = text if text.endswith(("?", "!")) else f"{text}."
    return text if len(text) <= REASON_CHARS_MAX else text[: REASON_CHARS_MAX - 1] + "…"
