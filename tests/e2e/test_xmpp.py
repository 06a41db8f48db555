"""The gateway on XMPP: both are real processes, and both get killed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from holdfast.testing.contracts.through_gateway import Service, ThroughGateway
from holdfast.testing.prosody import PROGRAM, Prosody
from holdfast.testing.xmpp_service import Person, XmppService


@pytest.fixture(scope="module")
def prosody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    if shutil.which(PROGRAM) is None:
        pytest.skip("prosody not installed. On Debian: apt-get install prosody")
    with Prosody(Path(tmp_path_factory.mktemp("prosody"))) as server:
        yield server


@pytest.fixture
async def ann(prosody: Prosody) -> AsyncGenerator[Person]:
    person = Person(prosody.user("ann"))
    yield person
    await person.close()


class TestXmpp(ThroughGateway):
    @pytest.fixture
    def service(self, prosody: Prosody, ann: Person) -> Service:
        return XmppService(prosody, ann, prosody.user("bot"))
