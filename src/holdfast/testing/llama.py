"""A real llama.cpp that says what a script says: an unmodified server with a tiny model whose weights are a table of what follows what.

    with Llama(folder) as llama:                     # `folder` takes the model's file, 2 MB
        ... llama.base_url ...

It speaks all three dialects at that address, as real ones do. Needs the packages xllamacpp and gguf (`unavailable` says so). How it works: one layer without attention, one-hot embeddings, and an output matrix
that is a bigram table, so the model walks the table from whatever token comes last. The chat template ends the prompt with a token chosen from
the last message: a tool's result or anything else makes it say `text`; TOOL in it, with tools given, makes it call `tool` with `arguments`; LONG
in it makes it talk for ever.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Self

START_S_MAX: Final = 20.0

_WORK_S: Final = 0.002
_IDLE_S: Final = 0.05
"""So long it may do less than that, for want of a request, before it is stopped again."""

_LOOP: Final = ("la ", "lo ")
_CONTROL: Final = ("<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>", "<|go_text|>", "<|go_tool|>", "<|go_long|>")


def unavailable() -> str:
    """Why it can't be started here: a sentence that says what to install. Empty if it can."""
    missing = [name for name in ("xllamacpp", "gguf") if importlib.util.find_spec(name) is None]
    return f"The real model server needs {' and '.join(missing)}: pip install {' '.join(missing)}" if missing else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the model says. In `text` no word may occur twice: the table knows one follower for each. `strict` refuses orphan tool results and
    two messages of the user in a row, as the templates of several families of models do."""

    text: str = "Hello from a scripted llama"
    tool: str = "get_time"
    arguments: str = '{"tz": "UTC"}'
    template: Literal["scripted", "strict"] = "scripted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How it is served. `slow_ms` stops the process that long after every 2 ms of work, so that an answer lasts, until `Llama.hurry`.

    Of work, not of time: on a busy machine it would get nothing done.
    """

    context_tokens: int = 4096
    api_key: str = ""
    slow_ms: float = 0.0


class Llama:
    """One server on the loopback, as a child process. After `kill` it can be started again, on the same port."""

    def __init__(self, folder: Path, script: Script | None = None, options: Options | None = None) -> None:
        self._model = folder / "scripted.gguf"
        self._script = script or Script()
        self._options = options or Options()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._throttle_pid = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Returns when it answers. Raises `TimeoutError` if it doesn't in 20 s, `RuntimeError` if it ends instead."""
        if not self._model.exists():
            build(self._model, self._script, self._options.context_tokens)
        options = ["--context-tokens", str(self._options.context_tokens), "--slow-ms", str(self._options.slow_ms)]
        if self._options.api_key:
            options += ["--api-key", self._options.api_key]
        command = [sys.executable, "-m", __name__, str(self._model), str(self._port), *options]
        self._process = subprocess.Popen(  # noqa: S603 -- this very module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            address, throttle_pid = _line(self._process).split()
            self._port, self._throttle_pid = int(address.rpartition(b":")[2]), int(throttle_pid)
        except BaseException:
            self.kill()
            raise

    def hurry(self) -> None:
        """Be slow no longer, nor after another start: what had to be seen in mid-answer was seen."""
        self._options = replace(self._options, slow_ms=0.0)
        if self._process is not None and self._throttle_pid:
            os.kill(self._throttle_pid, signal.SIGKILL)
            os.kill(self._process.pid, signal.SIGCONT)
            self._throttle_pid = 0

    def kill(self) -> None:
        """End it as a crash does, with its throttle: streams break off in mid-answer."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _line(process: subprocess.Popen[bytes]) -> bytes:
    """The first line it prints."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_S_MAX):
            raise TimeoutError(f"llama.cpp did not answer within {START_S_MAX:g} s of its start")
    line = process.stdout.readline()
    if not line.startswith(b"http"):
        raise RuntimeError(f"llama.cpp did not start: {line.decode()!r}")
    return line


# --- the model ----------------------------------------------------------------------------------------------------------------------


def build(out: Path, script: Script, context_tokens: int = 4096) -> None:
    """Write the model's file."""
    import gguf  # noqa: PLC0415 -- a package for tests, not there in an installed gateway

    text = [word if number == 0 else " " + word for number, word in enumerate(script.text.split(" "))]
    call = ["<tool_call>", f'\n{{"name": "{script.tool}", ', f'"arguments": {script.arguments}}}', "\n</tool_call>"]
    pieces = [*text, *call, *_LOOP]
    if len(set(pieces)) < len(pieces):
        raise ValueError(f"No word may occur twice in what the model says: {script}")
    pieces = [piece for piece in pieces if len(piece.encode()) > 1]
    printable = _printable_bytes()
    tokens = [*printable, *_CONTROL, *("".join(printable[byte] for byte in piece.encode()) for piece in pieces)]
    kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * len(_CONTROL) + [gguf.TokenType.NORMAL] * len(pieces)
    ids = {chr(byte): byte for byte in range(128)} | {name: 256 + number for number, name in enumerate([*_CONTROL, *pieces])}
    chains = (["<|go_text|>", *text, "<|eos|>"], ["<|go_tool|>", *call, "<|eos|>"], ["<|go_long|>", *_LOOP, _LOOP[0]])
    follows = {ids[here]: ids[there] for chain in chains for here, there in pairwise(chain)}

    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name("scripted")
    writer.add_context_length(context_tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(ids["<|bos|>"])
    writer.add_eos_token_id(ids["<|eos|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(files("holdfast.testing").joinpath(f"templates/{script.template}.jinja").read_text().strip())
    _add_weights(writer, len(tokens), follows, ids["<|eos|>"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_weights(writer: Any, vocabulary: int, follows: dict[int, int], end: int) -> None:
    """One layer that does nothing between one-hot embeddings and the table of followers."""
    import gguf  # noqa: PLC0415 -- see `build`
    import numpy as np  # noqa: PLC0415 -- comes with gguf

    heads, feed_forward = 4, 32
    width = (vocabulary + 31) // 32 * 32
    embedding = np.zeros((vocabulary, width), np.float32)
    embedding[np.arange(vocabulary), np.arange(vocabulary)] = 1
    output = np.zeros((vocabulary, width), np.float32)
    for token in range(vocabulary):
        output[follows.get(token, end), token] = 50.0
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((width, width), np.float32))
    for name, rows, columns in (("ffn_gate", feed_forward, width), ("ffn_up", feed_forward, width), ("ffn_down", width, feed_forward)):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((rows, columns), np.float32))


def _printable_bytes() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


# --- the server: what the child process runs ------------------------------------------------------------------------------------------


def serve(model: str, port: int, options: Options) -> None:
    """Serve the model until standard input ends. Prints the address when it answers."""
    xllamacpp: Any = importlib.import_module("xllamacpp")  # untyped, and a package for tests
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.port = port
    params.hostnames = ["127.0.0.1"]
    params.n_ctx = options.context_tokens
    params.n_parallel = 1
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.use_jinja = True
    if options.api_key:
        params.api_keys = [options.api_key]
    ready_r, ready_w = os.pipe()
    server_pid = os.getpid()
    throttle_pid = os.fork() if options.slow_ms else None  # before the server has threads
    if throttle_pid == 0:
        os.read(ready_r, 1)
        _throttle(server_pid, options.slow_ms / 1000)
        os._exit(0)
    server = xllamacpp.Server(params)
    print(server.listening_address, throttle_pid or 0, flush=True)  # noqa: T201 -- this is how its user learns the port, and whom to end in `hurry`
    os.write(ready_w, b"x")
    sys.stdin.buffer.read()  # ends when whoever started this has closed it, or is gone
    os._exit(0)


def _throttle(server_pid: int, stop_s: float) -> None:
    clock = (~server_pid << 3) | 2  # what it has worked: Linux' number for that clock of that process
    while os.getppid() == server_pid:
        os.kill(server_pid, signal.SIGSTOP)
        time.sleep(stop_s)
        os.kill(server_pid, signal.SIGCONT)
        worked_s, until = time.clock_gettime(clock), time.monotonic() + _IDLE_S
        time.sleep(_WORK_S)
        while time.clock_gettime(clock) - worked_s < _WORK_S and time.monotonic() < until:
            time.sleep(_WORK_S)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Serve a model with llama.cpp on the loopback.")
    parser.add_argument("model")
    parser.add_argument("port", type=int)
    parser.add_argument("--context-tokens", type=int, default=4096)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--slow-ms", type=float, default=0.0)
    args = parser.parse_args()
    serve(args.model, args.port, Options(context_tokens=args.context_tokens, api_key=args.api_key, slow_ms=args.slow_ms))


if __name__ == "__main__":
    _main()
