"""What a service manager is told reaches it, also where others talk to it at the same time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.runtime.service_manager import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The end of a service manager, which does not read yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(20)
        yield end


def fill(manager: socket.socket) -> int:
    """Say so much to it that nothing more fits in. Returns how many datagrams that were."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        for number in range(100_000):
            try:
                other.sendto(b"STATUS=Busy.", manager.getsockname())
            except BlockingIOError:
                return number
    raise AssertionError("it takes everything")


def test_ready_waits_until_it_is_heard(manager: socket.socket) -> None:
    """Lost, it would be waited for without end: a start may take its time."""
    others = fill(manager)
    telling = threading.Thread(target=ServiceManager({"NOTIFY_SOCKET": manager.getsockname()}).ready, args=("Serving.",))
    telling.start()
    said = [manager.recv(1000) for _ in range(others + 1)]
    telling.join(20)
    assert said[-1] == b"READY=1\nSTATUS=Serving."


def test_a_sign_of_life_waits_for_nothing(manager: socket.socket) -> None:
    others = fill(manager)
    ServiceManager({"NOTIFY_SOCKET": manager.getsockname()}).alive("Serving.")
    said = [manager.recv(1000) for _ in range(others)]
    assert not any(b"WATCHDOG" in one for one in said)


def test_an_abstract_address_begins_with_an_at_sign() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("")  # the kernel chooses one
        end.settimeout(20)
        ServiceManager({"NOTIFY_SOCKET": "@" + end.getsockname()[1:].decode()}).stopping()
        assert end.recv(1000).startswith(b"STOPPING=1\n")


def test_without_one_nothing_is_said() -> None:
    manager = ServiceManager({})
    manager.ready("Serving.")
    assert manager.watchdog_s == 0


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "1"}).watchdog_s == 0
    assert ServiceManager({"WATCHDOG_USEC": "6000000"}).watchdog_s == 6
