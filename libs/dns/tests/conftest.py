"""A DNS server of our own, on loopback."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.trial.nameserver import DnsServer


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    """A DNS server whose zone the test fills."""
    transport, found = await asyncio.get_running_loop().create_datagram_endpoint(
        DnsServer, local_addr=("127.0.0.1", 0)
    )
    yield found
    transport.close()
