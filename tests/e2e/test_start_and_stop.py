"""How the process starts, refuses to start, and goes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from holdfast.testing.gateway_rig import Parts
from holdfast.testing.process import GatewayProcess

PRACTICE = '[routes.main]\ndialect = "practice"\n'


async def refused(folder: Path, config: str) -> tuple[int, str]:
    """The exit code and the words of a gateway that does not start."""
    gateway = GatewayProcess(folder, config)
    await gateway.start()
    try:
        return await gateway.ended(), gateway.said()
    finally:
        await gateway.end()


async def test_a_second_one_on_the_same_folder_is_refused_and_the_first_goes_on(parts: Parts) -> None:
    """H-08, H-35, part I row 10: the lock is the kernel's, so it is never stale, and nobody has to remove it."""
    gateway = await parts.gateway(PRACTICE)
    second = await gateway.run("run")
    assert second.exit == 75
    assert "Another Holdfast is running" in second.err
    assert (await gateway.run("chat", "-q", "Thanks")).exit == 0
    await gateway.restart()
    assert (await gateway.run("chat", "-q", "Thanks")).exit == 0


async def test_a_busy_port_stops_nothing_but_the_page(parts: Parts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        gateway = await parts.gateway(f"{PRACTICE}[web]\nport = {other.getsockname()[1]}\n")
        assert (await gateway.run("chat", "-q", "Thanks")).exit == 0

        async def says_so() -> bool:
            return "another program has this port" in gateway.said()

        await gateway.eventually(says_so)
        assert await gateway.stop() == 0


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("[agnet]\n", "agnet"),
        ('[routes.main]\ndialect = "practise"\n', "practice"),
        ('[agent]\nchain = ["mian"]\n', "mian"),
        ('[routes.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\napi_key = "env:NO_SUCH_KEY"\n', "NO_SUCH_KEY"),
        ("[routes.main\n", "TOML"),
    ],
)
async def test_a_wrong_configuration_ends_the_start_with_a_sentence(tmp_path: Path, config: str, sentence: str) -> None:
    exit_code, said = await refused(tmp_path / "gateway", config)
    assert exit_code == 78
    assert said.startswith("holdfast: ")
    assert sentence in said


async def test_a_data_folder_that_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    folder.mkdir()
    (folder / "data").write_text("a file")
    exit_code, said = await refused(folder, PRACTICE)
    assert exit_code == 78
    assert "data_dir" in said
