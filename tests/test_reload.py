"""A new configuration: what is other in it is told as the file writes it, and only that; what is not other is not taken."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from holdfast import errors
from holdfast.config import Config
from holdfast.reload import Reload, differences, examined, rehearsed

ENVIRON = {"HOME": "/home/me", "TOKEN": "abc", "OTHER": "k3y-k3y"}
MAIN = '[routes.main]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def write(file: Path, text: str) -> None:
    file.write_text(text)


def says(file: Path, text: str) -> Config:
    write(file, text)
    return rehearsed(file, ENVIRON)


def other(file: Path, before: str, after: str) -> tuple[str, ...]:
    return differences(says(file, before), says(file, after))


def test_what_is_the_same_is_not_told(file: Path) -> None:
    assert other(file, MAIN, "# mine\n" + MAIN + "calls_at_once_max = 4\n[web]\n") == ("routes.main.calls_at_once_max: not set -> 4",)
    assert other(file, MAIN, "# mine\n" + MAIN + 'dialect = "openai-chat"\n[web]\nport = 8420\n[agent.budget]\nsteps = 100\n') == ()


def test_values_are_told_as_the_file_writes_them(file: Path) -> None:
    after = '[agent]\nbuilt_in_tools = false\ntime_zone = "Europe/Berlin"\nbudget = { steps = 7 }\n[backup]\ndir = "/mnt"\n[chains]\nfast = ["main"]\n'
    assert other(file, "", after) == (
        "agent.budget.steps: 100 -> 7",
        "agent.built_in_tools: true -> false",
        'agent.time_zone: "" -> "Europe/Berlin"',
        'backup.dir: not set -> "/mnt"',
        'chains.fast: not set -> ["main"]',
    )
    (line,) = other(file, '[agent]\ninstructions = "a"\n', '[agent]\ninstructions = """\nb\nc"""\n')
    assert line == r'agent.instructions: "a" -> "b\nc"', "on one line"


def test_a_new_table_is_new_with_what_is_written_in_it_and_one_that_is_gone_is_gone(file: Path) -> None:
    more = '[tools.clock]\ncommand = ["clock"]\ntrust_annotations = true\n[platforms.telegram.bot]\ntoken = "env:TOKEN"\n'
    assert other(file, MAIN, MAIN + more) == (
        '[platforms.telegram.bot] is new: token = "env:TOKEN"',
        '[tools.clock] is new: command = ["clock"], trust_annotations = true',
    )
    assert other(file, MAIN + more, MAIN) == ("[platforms.telegram.bot] is gone", "[tools.clock] is gone")


def test_of_secrets_only_that_they_have_changed_is_told_however_short_they_are(file: Path) -> None:
    def text(key: str, header: str, token: str) -> str:
        tools = f'[tools.t]\ncommand = ["t"]\nenv = {{ T_TOKEN = "{token}", TZ = "UTC" }}\n'
        return f'{MAIN}api_key = "{key}"\nheaders = {{ x-a = "{header}" }}\n{tools}'

    lines = other(file, text("env:TOKEN", "env:TOKEN", "s1"), text("env:OTHER", "env:OTHER", "s2"))
    assert lines == (
        'routes.main.api_key: "env:TOKEN" -> "env:OTHER"',
        "routes.main.headers.x-a: [secret] has changed",
        "tools.t.env.T_TOKEN: [secret] has changed",
    )
    shown = str(other(file, MAIN, text("env:OTHER", "a", "b") + '[agent]\ninstructions = "The key is k3y-k3y."\n'))
    assert "k3y" not in shown and "The key is [secret]." in shown


def test_a_long_text_is_shown_in_part_and_its_change_is_told(file: Path) -> None:
    long = "Be kind. " * 50
    (line,) = other(file, f'[agent]\ninstructions = "{long}a"\n', f'[agent]\ninstructions = "{long}b"\n')
    assert line.startswith('agent.instructions: "Be kind.') and line.endswith("... has changed") and len(line) < 150


def test_other_contents_of_the_files_that_it_names_are_changes(file: Path) -> None:
    for name in ("key", "certificate", "certificate.key"):
        (file.parent / name).write_text("one")
    (file.parent / "instructions.md").write_text("Be kind.")
    text = (
        f'{MAIN}api_key = "file:key"\n[agent]\ninstructions_file = "instructions.md"\n'
        '[web]\ncertificate = "certificate"\ncertificate_key = "certificate.key"\nurl = "https://a.example"\n'
    )
    before = says(file, text)
    assert differences(before, rehearsed(file, ENVIRON)) == ()
    for name in ("key", "certificate", "certificate.key"):
        (file.parent / name).write_text("two")
    (file.parent / "instructions.md").write_text("Be brief.")
    assert differences(before, rehearsed(file, ENVIRON)) == (
        'agent.instructions: "Be kind." -> "Be brief."',
        'routes.main.api_key: the secret at "file:key" has changed',
        "web.certificate: the file has changed",
        "web.certificate_key: the file has changed",
    )


def test_everything_that_is_wrong_is_found_at_once(file: Path) -> None:
    text = f'{MAIN}api_key = "file:none"\n[web]\nprot = 1\n[platforms.telegram.bot]\n[platforms.telegram.other]\ntoken = "env:NOT_SET"\n[agent]\nchain = "x"\n'
    found, mistakes = examined(file, text, ENVIRON)
    assert {mistake.path: mistake.elsewhere for mistake in mistakes} == {
        ("web", "prot"): False,
        ("platforms", "telegram", "bot"): False,
        ("agent", "chain"): False,
        ("routes", "main", "api_key"): False,
        ("platforms", "telegram", "other", "token"): True,
    }
    assert found.routes["main"].model == "m", "what is right is had all the same"
    file.write_text(text)
    with pytest.raises(errors.Config, match="prot"):
        rehearsed(file, ENVIRON)


async def test_another_data_folder_is_not_taken_while_it_runs(file: Path) -> None:
    running, stopping = says(file, 'data_dir = "one"\n'), asyncio.Event()
    reload = Reload(running, file, ENVIRON, stopping)
    write(file, 'data_dir = "two"\n[agent]\ntime_zone = "UTC"\n')
    await reload.on_signal()
    assert "stop it, move the folder there, start it" in reload.refused
    assert not stopping.is_set() and not reload.wanted
    with pytest.raises(errors.Config, match="data_dir can't be changed"):
        await reload.compared()


async def test_nothing_starts_again_for_a_configuration_that_is_the_same(file: Path) -> None:
    running, stopping = says(file, MAIN), asyncio.Event()
    reload = Reload(running, file, ENVIRON, stopping)
    os.utime(file)
    touched, reload.read_at = reload.read_at, 0.0
    await reload.on_signal()
    assert not stopping.is_set() and not reload.wanted
    assert reload.read_at >= touched, "what was touched is known to be the same"
    write(file, MAIN + "tools = maybe\n")
    await reload.on_signal()
    assert reload.refused and not stopping.is_set()
    write(file, MAIN)
    await reload.on_signal()
    assert not reload.refused and not stopping.is_set()
    write(file, MAIN + "tools = false\n")
    await reload.on_signal()
    assert stopping.is_set() and reload.wanted
