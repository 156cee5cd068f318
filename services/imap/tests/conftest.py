"""Makes the doubles and drivers of this folder importable by its tests, and runs the real service for some."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from imap_service import ImapService


@pytest.fixture
def imap_service(
    tmp_path: Path, mongo_url: str, database: str, vhost_url: str
) -> Iterator[Callable[..., ImapService]]:
    """Start the service, with an account, and with other settings if there are any."""
    services: list[ImapService] = []

    def start(**variables: str) -> ImapService:
        settings = {f"MAILYARD_IMAP_{name.upper()}": value for name, value in variables.items()}
        service = ImapService(tmp_path, mongo_url, database, vhost_url, settings)
        services.append(service)
        service.provide()
        service.start_on_free_ports()
        return service

    yield start
    for service in services:
        if service.process is not None and service.process.poll() is None:
            service.stop(signal.SIGKILL)
