"""The locks: every package pinned by hash, no registry named, and nothing that pyproject.toml asks for left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("run", "all", "dev", "build", "uv", "sqlite", "synapse")


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    return {canonicalize_name(name): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;]+)", text, re.MULTILINE)}


def asked(lock: str) -> list[str]:
    base, extras, groups = PROJECT["project"]["dependencies"], PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    match lock:
        case "run":
            return list(base)
        case "all":
            return [*base, *(one for name, extra in extras.items() if name != "all" for one in extra)]
        case "dev":
            return [*base, *groups["build"], *groups["setup"], *(one for one in groups["dev"] if isinstance(one, str))]
        case "build" | "sqlite" | "synapse":
            return list(groups[lock])
        case _:
            return list(groups["setup"])


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_by_hash(lock: str) -> None:
    logical = (ROOT / f"requirements/{lock}.txt").read_text().replace("\\\n", "")
    lines = [line for line in logical.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    assert all(re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in lines)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_a_host_or_a_place_on_a_machine(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    assert not re.search(r"://|index-url|find-links|(?<![\w.-])/\w", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_all_that_is_asked_for_in_a_version_that_will_do(lock: str) -> None:
    have = pins(lock)
    for requirement in map(Requirement, asked(lock)):
        assert requirement.specifier.contains(have[canonicalize_name(requirement.name)]), f"{requirement}: run make lock"


@pytest.mark.parametrize("lock", ["all", "dev"])
def test_all_locks_agree(lock: str) -> None:
    assert pins("run").items() <= pins(lock).items()


def test_the_extra_all_is_every_extra() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = map(Requirement, extras["all"])
    assert everything.extras == extras.keys() - {"all"}
