"""Interfaces of the libraries that smtp-in uses, as narrow as it uses them; tests have small doubles of them."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.identity import Identity, Refusal
from mailyard.directory.model import Resolution
from mailyard.message.address import Address
from mailyard.smtp.reply import Reply
from mailyard.spool.acceptance import Acceptance
from mailyard.store.body import Body


class AddressLookup(Protocol):
    """The directory."""

    def resolve_cached(self, address: Address) -> Resolution | None:
        """Return the resolution of an address if it is known, None when `resolve` must be awaited."""

    async def resolve(self, address: Address, *, afresh: bool = False) -> Resolution:
        """Return the resolution of an address, `afresh` without the cache; raises Unavailable."""

    async def postmaster(self, hostname: str) -> Address | None:
        """Find the address that takes mail for `<Postmaster>` without a domain; raises Unavailable."""


class Logins(Protocol):
    """The authenticator."""

    async def authenticate(
        self, login: str, password: str, *, client_ip: str, service: str
    ) -> Identity | Refusal:
        """Check a login name and its password."""

    async def may_send_as(self, identity: Identity, address: Address) -> bool:
        """Say whether the account may send from `address`; raises Unavailable."""


class PressureGauge(Protocol):
    """The state of store and router."""

    def refusal(self) -> Reply | None:
        """Return the reply to a sender who should come back later, or None."""


class Sessions(Protocol):
    """The watch over access that is taken away."""

    def open(self, identity: Identity, end: Callable[[], None]) -> OpenSession:
        """Note a session; `end` is called when its login no longer counts."""

    def close(self, session: OpenSession) -> None:
        """Forget a session."""


class BodyStream(Protocol):
    """A body that is too long to be held: the store gets it chunk by chunk."""

    @property
    def held(self) -> int:
        """Octets that are in memory."""

    async def write(self, data: bytes) -> None:
        """Take octets, writing whole chunks; raises Unavailable."""

    async def park(self) -> None:
        """Write everything that is held; raises Unavailable."""

    async def finish(self) -> Body:
        """End the body; raises Unavailable."""

    async def abort(self) -> None:
        """Forget the body."""


class BodyStore(Protocol):
    """Where bodies go."""

    def writer(self) -> BodyStream:
        """Take one new body."""


class AcceptanceQueue(Protocol):
    """The spool."""

    @property
    def backlog(self) -> int:
        """Messages that wait to be stored."""

    def submit(self, acceptance: Acceptance) -> "asyncio.Future[str]":
        """Store a message for good; the future gives its spool id, or raises Unavailable."""
