"""The classifier as a command: a line for a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from holdfast.models.classify.__main__ import judged

EXAMPLES = json.loads((Path(__file__).parent / "failures" / "examples.json").read_text())


def test_the_command_answers_each_line_with_a_line() -> None:
    lines = [*(json.dumps(case) for case in EXAMPLES), "not json", "[]", "{}", json.dumps({"status": "503"}), '{"status": 1e999}']
    command = [sys.executable, "-m", "holdfast.models.classify"]
    done = subprocess.run(command, input="\n".join(lines).encode() + b"\n\xff\xfe\n", capture_output=True, check=True, timeout=50)
    assert done.stderr == b""
    answered = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(one) == {"class", "retry_after_s", "reason"} for one in answered)
    assert [one["class"] for one in answered] == [
        *(case["class"] for case in EXAMPLES),
        *["unknown"] * 3,
        "transient",
        *["unknown"] * 2,
    ]


def test_the_command_takes_every_key_or_none() -> None:
    assert judged('{"status": 502}').kind == "transient"
    assert judged('{"status": null, "exception": "ConnectError: [Errno 111] Connection refused"}').kind == "transient"
    assert judged('{"status": null, "headers": null, "body": null, "transport": "reset"}').kind == "transient"
    assert judged('{"status": 400, "body": {"error": {"message": "prompt is too long"}}, "headers": [["a", "b"], "c"]}').kind == "overflow"
    assert "neither a status nor an exception" in judged('{"body": "x"}').reason


def test_the_command_loads_no_model_library() -> None:
    told = "import sys, holdfast.models.classify.__main__; print([name for name in ('openai', 'pydantic_ai', 'httpx2') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, check=True, timeout=50, text=True)
    assert done.stdout.strip() == "[]"
