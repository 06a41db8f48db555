"""Opening a model is free, and the library is loaded only when it is wanted (also `models/__init__.py` and `models/openai_chat.py`)."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest

from holdfast.errors import Config
from holdfast.models import Endpoint, open_model
from holdfast.models.practice import PracticeModel

HEAVY = ("pydantic_ai", "pydantic", "openai", "httpx2", "anyio")

OPENING = f"""
import sys
from holdfast.models import Endpoint, open_model
open_model("openai-chat", Endpoint(name="main", base_url="http://127.0.0.1:1/v1", model="m"))
open_model("practice", Endpoint(name="practice"))
print(*[name for name in {HEAVY} if name in sys.modules])
"""

WARMING = """
import asyncio, sys
from holdfast.models import Endpoint, open_model
asyncio.run(open_model("openai-chat", Endpoint(name="main", base_url="http://127.0.0.1:1/v1", model="m")).warm())
print(*[name for name in ("anthropic", "mcp", "aiohttp", "logfire", "numpy", "starlette") if name in sys.modules])
"""


@pytest.mark.parametrize("program", [OPENING, WARMING], ids=["opening loads nothing", "warming loads nothing else"])
def test_what_is_loaded(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", [])


def test_a_dialect_names_its_model() -> None:
    assert isinstance(open_model("practice", Endpoint(name="practice")), PracticeModel)


def test_a_dialect_of_a_later_version_says_which_there_are() -> None:
    with pytest.raises(Config, match=r"'main' asks for the dialect 'anthropic'.*Set its dialect to openai-chat or to practice"):
        open_model("anthropic", Endpoint(name="main"))


def test_an_endpoint_does_not_show_its_key() -> None:
    assert "sk-" not in repr(Endpoint(name="main", api_key="sk-secret"))


async def test_the_loop_goes_on_while_the_library_is_loaded_and_collections_do_not_walk_it() -> None:
    model = open_model("openai-chat", Endpoint(name="main", base_url="http://127.0.0.1:1/v1", model="m"))
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
