"""Opening a model is free, and what a dialect needs is loaded only when it is wanted (also `models/__init__.py` and `models/lazy.py`)."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest

from holdfast.errors import Config
from holdfast.models import Endpoint, open_model
from holdfast.models.practice import PracticeModel
from holdfast.testing.memory_files import MemoryFiles

HEAVY = ("pydantic_ai", "pydantic", "openai", "anthropic", "httpx2", "mcp", "aiohttp", "logfire", "numpy", "starlette")

LOADS = {"openai-chat": {"pydantic_ai", "pydantic", "openai", "httpx2"}, "openai-responses": {"httpx2"}, "anthropic": {"httpx2"}}
"""What a gateway with a route of this dialect alone has loaded once it is warm."""

PROGRAM = f"""
import asyncio, sys
from holdfast.models import Endpoint, open_model
from holdfast.testing.memory_files import MemoryFiles
models = [open_model(dialect, Endpoint(name="main", base_url="http://127.0.0.1:1/v1", model="m"), MemoryFiles()) for dialect in {sorted(LOADS)}]
open_model("practice", Endpoint(name="practice"), MemoryFiles())
print(*[name for name in {HEAVY} if name in sys.modules])
if sys.argv[1:]:
    asyncio.run(models[{sorted(LOADS)}.index(sys.argv[1])].warm())
print(*[name for name in {HEAVY} if name in sys.modules])
"""


@pytest.mark.parametrize("dialect", sorted(LOADS))
def test_opening_loads_nothing_and_warming_loads_what_the_dialect_needs(dialect: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, dialect], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    opened, warmed = done.stdout.split("\n")[:2]
    assert (opened, set(warmed.split())) == ("", LOADS[dialect])


def test_a_dialect_names_its_model() -> None:
    assert isinstance(open_model("practice", Endpoint(name="practice"), MemoryFiles()), PracticeModel)


def test_a_dialect_of_a_later_version_says_which_there_are() -> None:
    with pytest.raises(
        Config, match=r"'main' asks for the dialect 'gemini'.*Set its dialect to openai-chat, openai-responses, anthropic or practice"
    ):
        open_model("gemini", Endpoint(name="main"), MemoryFiles())


def test_an_endpoint_does_not_show_its_key() -> None:
    assert "sk-" not in repr(Endpoint(name="main", api_key="sk-secret"))


async def test_the_loop_goes_on_while_the_library_is_loaded_and_collections_do_not_walk_it() -> None:
    model = open_model("openai-chat", Endpoint(name="main", base_url="http://127.0.0.1:1/v1", model="m"), MemoryFiles())
    frozen = gc.get_freeze_count()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(others())
    await asyncio.gather(model.warm(), model.warm())
    other.cancel()
    assert turns > 1
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen
    await model.close()
