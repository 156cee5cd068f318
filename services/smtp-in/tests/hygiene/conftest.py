"""Hygiene on a listener on loopback, with a DNS server and policies that the test fills."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import MagicMock

import pytest

from mailyard.directory.policy import DomainPolicy
from mailyard.runtime.errors import Unavailable
from mailyard.smtp_in.hygiene.build import HygieneHooks, greeting_delay, hygiene_hooks
from mailyard.smtp_in.hygiene.settings import HygieneSettings
from tests.trial.nameserver import DnsServer

OFF = {"null_sender": "off"}


@dataclass
class FakePolicies:
    """Policies by domain; those of other domains are empty."""

    known: dict[str, DomainPolicy] = field(default_factory=dict)
    is_warm: bool = True
    is_unreachable: bool = False

    def of_domain_cached(self, domain: str) -> DomainPolicy | None:
        return self.known.get(domain, DomainPolicy()) if self.is_warm else None

    async def of_domain(self, domain: str) -> DomainPolicy:
        await asyncio.sleep(0)
        if self.is_unreachable:
            raise Unavailable("the store is unreachable")
        return self.known.get(domain, DomainPolicy())


@pytest.fixture
def policies() -> FakePolicies:
    return FakePolicies()


@pytest.fixture
async def dns_server() -> AsyncIterator[DnsServer]:
    transport, found = await asyncio.get_running_loop().create_datagram_endpoint(
        DnsServer, local_addr=("127.0.0.1", 0)
    )
    yield found
    transport.close()


@pytest.fixture
def settings_of(dns_server: DnsServer) -> Callable[..., HygieneSettings]:
    def make(**given: Any) -> HygieneSettings:
        base = {
            "hygiene_listeners": ("mx",),
            "hygiene_trusted_networks": (),
            "hygiene_dns_servers": ("127.0.0.1",),
            "hygiene_dns_port": dns_server.port,
            "hygiene_dns_seconds": 0.3,
        }
        return HygieneSettings(**{**base, **given})

    return make


@pytest.fixture
def hygiene(service, settings_of, policies) -> Callable[..., HygieneHooks]:
    """Switch hygiene on in `service`."""

    def switch_on(store: Any = None, **given: Any) -> HygieneHooks:
        settings = settings_of(**given)
        hooks = hygiene_hooks(settings, "mail.one.test", policies, store or MagicMock())
        service.first_hooks, service.more_hooks = list(hooks.first), list(hooks.last)
        service.greeting_delay = greeting_delay(settings, "mx")
        return hooks

    return switch_on
