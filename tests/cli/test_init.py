"""`holdfast init` in a pseudo-terminal, as a new user meets it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast import config
from holdfast.testing import model_servers
from holdfast.testing.llama import Llama, Options, unavailable
from holdfast.testing.stub_provider import Reply, StubProvider, http
from holdfast.testing.terminal import Terminal

KEY = "sk-the-right-key-which-nobody-may-see"
COMMAND = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # a key is asked for on the terminal that controls the process
from holdfast.checks import servers
servers.USUAL_PORTS = {int(port): "" for port in sys.argv.pop(1).split(",") if port}  # not those of this machine
from holdfast.cli import main
sys.argv[0] = "holdfast"
sys.exit(main())
"""


@pytest.fixture
def llama(tmp_path: Path) -> Iterator[Any]:
    """`llama(options)`: a real server that ends with the test."""
    if why := unavailable():
        pytest.skip(why)
    (tmp_path / "model").mkdir()
    begun: list[Llama] = []

    def start(options: Options | None = None) -> Llama:
        begun.append(Llama(tmp_path / "model", None, options))
        begun[-1].start()
        return begun[-1]

    yield start
    for one in begun:
        one.kill()


def port(base_url: str) -> str:
    return base_url.split(":")[2].removesuffix("/v1")


class Session(Terminal):
    """The command in an empty home."""

    def __init__(self, home: Path, ports: str = "", *arguments: str, **environ: str) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        own = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        super().__init__((sys.executable, "-c", COMMAND, ports, "init", *arguments), own | environ, columns=200, rows=60)
        self._asked: list[str] = []

    def answers(self, question: str, answer: str) -> None:
        """Wait until this is asked, once more than before, and answer it."""
        self._asked.append(question)
        self.until(lambda _: self.text.endswith(question) and self.text.count(question) >= self._asked.count(question))
        self.type(answer + "\r")

    @property
    def file(self) -> Path:
        return self.home / ".config" / "holdfast" / "config.toml"

    @property
    def route(self) -> config.Route:
        return config.load(self.file, {"HOME": str(self.home)}).routes["main"]


def test_with_a_server_here_enter_is_enough(tmp_path: Path, llama: Any) -> None:
    server = llama(Options(context_tokens=16384))
    with Session(tmp_path / "home", port(server.base_url)) as session:
        session.answers("Which one? [1]", "")
        assert session.ended() == 0
        assert 'It answered "Hello from a scripted llama" in ' in session.text
        assert f"Written: {session.file}" in session.text
        assert "holdfast check" in session.text
    assert (session.route.base_url, session.route.context_tokens) == (server.base_url, 16384)
    assert session.file.stat().st_mode & 0o777 == 0o600


def test_with_nothing_here_enter_gives_the_practice_model(tmp_path: Path) -> None:
    with Session(tmp_path / "home") as session:
        session.answers("Which one? [practice]", "")
        assert session.ended() == 0
        assert "install Ollama" in session.text
    assert session.route.dialect == "practice"


def test_a_key_is_asked_for_unseen_and_written_to_a_file_of_its_own(tmp_path: Path, llama: Any) -> None:
    server = llama(Options(api_key=KEY))
    with Session(tmp_path / "home", port(server.base_url)) as session:
        session.answers("Which one? [1]", "")
        for typed in ("sk-wrong", KEY):
            session.answers("(it is not shown):", typed)
        session.until("It does not accept this key.")
        assert session.ended() == 0
        assert KEY not in session.raw and "sk-wrong" not in session.raw
    key = session.file.with_name("llama-cpp.key")
    assert (key.read_text(), key.stat().st_mode & 0o777) == (KEY + "\n", 0o600)
    assert KEY not in session.file.read_text()


def test_a_key_in_the_environment_is_named_and_never_shown(tmp_path: Path) -> None:
    with Session(tmp_path / "home", OPENAI_API_KEY=KEY) as session:
        session.until("OpenAI  with the key in OPENAI_API_KEY")
        session.until("Which one? [1]")
        session.ended_by(lambda: session.type("\x03"))
        assert session.ended() == 130
        assert KEY not in session.raw
    assert not session.file.exists()


def test_an_address_is_taken_however_much_of_it_is_typed(tmp_path: Path, llama: Any) -> None:
    server = llama()
    for number, typed in enumerate((server.base_url + "/chat/completions", server.base_url[7:-3], server.base_url)):
        with Session(tmp_path / f"home{number}") as session:
            session.answers("Which one? [practice]", typed)
            assert session.ended() == 0
        assert session.route.base_url == server.base_url


def test_what_is_not_understood_is_asked_again(tmp_path: Path) -> None:
    with Session(tmp_path / "home") as session:
        session.answers("Which one? [practice]", "opnai")
        session.until("'opnai' is none of these. Did you mean 'OpenAI'?")
        session.answers("Which one? [practice]", "sk-this-is-a-key-by-mistake")
        session.until("That looks like a key, and now it is on your screen.")
        session.answers("Which one? [practice]", "99")
        session.until("'99' is none of these.")
        session.answers("Which one? [practice]", "practice")
        assert session.ended() == 0


def test_a_failure_is_explained_and_another_model_can_be_named(tmp_path: Path) -> None:
    async def talk() -> None:
        async with StubProvider(model_servers.ollama({}, ("qwen3:8b", "llama3.2:1b"), missing=("qwen",))) as stub:
            await asyncio.to_thread(answer, stub.base_url)

    def answer(base_url: str) -> None:
        with Session(tmp_path / "home") as session:
            session.answers("Which one? [practice]", base_url)
            session.answers("Which model? [qwen3:8b]", "qwen")
            session.until("Ollama has no model 'qwen'.")
            session.until('-> model = "qwen3:8b" or ollama pull qwen')
            session.answers("address. [again]", "qwen3:8b")
            assert session.ended() == 0
            assert "It reads only 4096 tokens at once, which is little" in session.text
        assert (session.route.model, session.route.context_tokens) == ("qwen3:8b", 4096)

    asyncio.run(talk())


def test_another_address_is_looked_at_like_the_first_one(tmp_path: Path, llama: Any) -> None:
    server = llama()
    with Session(tmp_path / "home") as session:
        session.answers("Which one? [practice]", "127.0.0.1:1")
        session.answers("Which model?", "m")
        session.answers("[again]", server.base_url.removesuffix("/v1"))
        assert session.ended() == 0
    assert session.route.base_url == server.base_url
    assert session.route.model.endswith("scripted.gguf")
    assert f"# llama.cpp at 127.0.0.1:{port(server.base_url)}" in session.file.read_text()


def test_a_server_that_is_still_loading_is_waited_for(tmp_path: Path) -> None:
    body = json.dumps({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}).encode()
    loading = Reply(http(body, 503, "application/json", {"server": "llama.cpp"}))
    loaded = model_servers.ollama({}, ("qwen3:8b",))

    async def talk() -> None:
        begun = asyncio.Event()
        async with StubProvider(lambda hit: loaded(hit) if begun.is_set() else loading) as stub:
            with Session(tmp_path / "home") as session:
                session.answers("Which one? [practice]", stub.base_url)
                await asyncio.to_thread(session.until, "is still loading its model; waiting for it")
                begun.set()
                assert await asyncio.to_thread(session.ended) == 0
        assert session.route.model == "qwen3:8b"

    asyncio.run(talk())


def test_a_failure_can_be_written_all_the_same_or_stopped_at(tmp_path: Path) -> None:
    with Session(tmp_path / "one") as session:
        session.answers("Which one? [practice]", "127.0.0.1:1")
        session.answers("Which model?", "m")
        session.until("Nothing answers at 127.0.0.1:1.")
        session.answers("[again]", "stop")
        assert session.ended() == 2
        assert "Nothing was written." in session.text
    assert not session.file.exists()
    with Session(tmp_path / "two") as session:
        session.answers("Which one? [practice]", "127.0.0.1:1")
        session.answers("Which model?", "m")
        session.answers("[again]", "write")
        assert session.ended() == 0
    assert session.route.base_url == "http://127.0.0.1:1/v1"


def test_a_configuration_that_is_there_is_replaced_only_when_told_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "home" / ".config" / "holdfast" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\n")
    with Session(tmp_path / "home") as session:
        session.answers("Which one? [practice]", "")
        session.answers("(yes or no) [no]", "")
        assert session.ended() == 0
        assert "Nothing was written." in session.text
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
    assert file.read_text() == "# mine\n"
    with Session(tmp_path / "home") as session:
        session.answers("Which one? [practice]", "")
        session.answers("(yes or no) [no]", "yes")
        assert session.ended() == 0
        assert f"What stood there before is in {file}.1." in session.text
    assert file.with_name("config.toml.1").read_text() == "# mine\n"


def test_another_place_is_named_in_what_to_do_next(tmp_path: Path) -> None:
    with Session(tmp_path / "home", "", "--config", str(tmp_path / "other.toml")) as session:
        session.answers("Which one? [practice]", "")
        assert session.ended() == 0
        assert f"holdfast run --config {tmp_path}/other.toml" in session.text
    assert (tmp_path / "other.toml").exists() and not session.file.exists()


def test_a_place_that_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Session(tmp_path / "home", "", "--config", str(tmp_path / "file" / "config.toml")) as session:
        session.answers("Which one? [practice]", "")
        assert session.ended() == 78
        assert "can't be written" in session.text


def test_the_end_of_the_input_writes_nothing(tmp_path: Path) -> None:
    with Session(tmp_path / "home") as session:
        session.until("Which one?")
        session.type("\x04")
        assert session.ended() == 2
    assert not session.file.exists()


def test_without_a_terminal_it_says_what_to_do_instead(tmp_path: Path) -> None:
    own = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    code = "import sys; from holdfast.cli import main; sys.exit(main(['init']))"
    done = subprocess.run((sys.executable, "-c", code), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=own, check=False)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr and "README.md" in done.stderr
