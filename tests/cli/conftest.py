from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast.testing.telegram_client import Telegram
from holdfast.testing.terminal import Terminal

HOLDFAST = (sys.executable, "-c", "import sys; from holdfast.cli import main; sys.exit(main())")
TIMEOUT_S = 30


@dataclass
class Home:
    """A configuration, its data folder, and the gateway (a fake one, in a process of its own) that serves it."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def file(self) -> Path:
        return self.folder / "config.toml"

    @property
    def gateway(self) -> subprocess.Popen[bytes]:
        return self.processes[0]

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in {"XDG_RUNTIME_DIR", "NO_COLOR"}}
        return kept | {"HOLDFAST_CONFIG": str(self.folder / "config.toml"), "TZ": "UTC"}

    def start(self, pace_s: float = 0.0) -> subprocess.Popen[bytes]:
        """Start the gateway; returns when its door is open."""
        command = (sys.executable, "-m", "holdfast.testing.fake_gateway", str(self.data_dir), "--pace-s", str(pace_s))
        gateway = subprocess.Popen(command, stdout=subprocess.PIPE, env=self.environ)
        self.processes.append(gateway)
        assert gateway.stdout is not None and gateway.stdout.readline() == b"ready\n"
        return gateway

    def start_real(self, more: str = "") -> subprocess.Popen[bytes]:
        """The same with a real one, with the practice model and whatever more is configured."""
        self.configure(more)
        gateway = subprocess.Popen((*HOLDFAST, "run"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environ)
        self.processes.append(gateway)
        assert gateway.stdout is not None and b"ready" in gateway.stdout.readline()
        return gateway

    def configure(self, more: str = "") -> None:
        """What the next start of a real one reads."""
        self.file.write_text(f'data_dir = "{self.data_dir}"\n[routes.main]\ndialect = "practice"\n[web]\nport = 0\n{more}')

    def end(self) -> None:
        """End all that was begun."""
        for process in self.processes:
            process.kill()
            process.wait(TIMEOUT_S)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def terminal(self, *arguments: str, columns: int = 80, rows: int = 24, command: str = "chat", **environ: str) -> Terminal:
        """`holdfast chat` on a terminal, or another command."""
        return Terminal((*HOLDFAST, command, *arguments), {**self.environ, **environ}, columns, rows)

    def kill(self, gateway: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        gateway.send_signal(number)
        gateway.wait(TIMEOUT_S)

    def holdfast(self, *arguments: str, typed: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run((*HOLDFAST, *arguments), input=typed, capture_output=True, env=self.environ, timeout=TIMEOUT_S, check=False)

    def begin(
        self, *arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, environ: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = subprocess.Popen((*HOLDFAST, *arguments), env=environ or self.environ, stdout=stdout, stderr=stderr)
        self.processes.append(command)
        return command


@pytest.fixture(scope="session")
def new_home() -> Callable[[Path], Home]:
    """For gateways that several tests share; whoever makes one ends it."""

    def new_home(folder: Path) -> Home:
        home = Home(folder)
        home.data_dir.mkdir()
        home.file.write_text(f'data_dir = "{home.data_dir}"\n')
        return home

    return new_home


@pytest.fixture
def home(tmp_path: Path, new_home: Callable[[Path], Home]) -> Iterator[Home]:
    home = new_home(tmp_path)
    yield home
    home.end()


@pytest.fixture
def telegram(tmp_path: Path) -> Iterator[Telegram]:
    server = Telegram(tmp_path)
    server.launch()
    yield server
    server.kill()
