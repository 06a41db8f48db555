"""The wheel carries everything it needs: it is built, installed into an empty environment with the locked packages, and used there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src"

IMPORT_ALL = """
import importlib, pkgutil, holdfast
EXTRAS = {"aiohttp", "cryptography", "nio", "segno", "slack_sdk", "slixmpp", "websockets"}
MISSING = {"holdfast.platforms.": EXTRAS, "holdfast.testing.": EXTRAS | {"gguf", "hypothesis", "numpy", "pytest", "xllamacpp"}}
for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        # a platform comes with its extra, the suites for tests of others with their test runner
        assert any(module.name.startswith(where) and error.name.partition(".")[0] in names for where, names in MISSING.items()), (module.name, error)
"""

pytestmark = pytest.mark.timeout(300)  # the first run on a machine fetches packages


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and what requirements/run.txt names, and nothing else."""
    environment = tmp_path_factory.mktemp("installed")
    python = environment / "bin/python"
    uv = find_uv_bin()
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    run(uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", ROOT / "requirements/run.txt", cwd=environment)
    run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--offline", wheel, cwd=environment)
    run(uv, "pip", "check", "--quiet", "--python", python, cwd=environment)
    return python.parent


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    sources = {
        str(path.relative_to(SOURCES)) for path in (SOURCES / "holdfast").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == sources
    assert any(name.endswith(".sql") for name in packed)


def test_the_wheel_names_its_licence_and_its_extras(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
    text = archive.read(metadata).decode()
    assert "License-Expression: MIT" in text
    assert {f"Provides-Extra: {extra}" for extra in ("telegram", "matrix", "discord", "slack", "feishu", "wechat", "all")} <= set(
        text.splitlines()
    )
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_every_module_can_be_imported_where_only_the_wheel_is_installed(installed: Path, tmp_path: Path) -> None:
    run(installed / "python", "-W", "error", "-I", "-c", IMPORT_ALL, cwd=tmp_path)


def test_the_command_line_answers_where_only_the_wheel_is_installed(installed: Path, tmp_path: Path) -> None:
    assert "chat" in run(installed / "holdfast", "--help", cwd=tmp_path)


def test_a_message_is_answered_where_only_the_wheel_is_installed(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('data_dir = "data"\n[web]\nport = 0\n')
    with (tmp_path / "log").open("w") as log:
        gateway = subprocess.Popen([installed / "holdfast", "run", "--config", config], cwd=tmp_path, stdout=log, stderr=log)
    try:
        assert "practice model" in run(installed / "holdfast", "chat", "-q", "Hello", "--config", config, cwd=tmp_path)
        assert "terminal" in run(installed / "holdfast", "show", "--config", config, cwd=tmp_path)
    finally:
        gateway.terminate()
        code = gateway.wait(20)
    assert code == 0, (tmp_path / "log").read_text()
