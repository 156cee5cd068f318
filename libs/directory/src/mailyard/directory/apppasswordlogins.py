"""Logins by app password, for the accounts of every credential source.

A password that has the form of an app password is looked up by its digest, with one query and no slow hash; any other
costs nothing here. Uses are noted in memory and written in batches; a process that ends loses those of the last seconds.
"""

from datetime import datetime
from enum import StrEnum

from bson import ObjectId

from mailyard.directory.apppasswords import (
    AppPassword,
    AppPasswords,
    AppPasswordUse,
    digest_of,
    is_in_networks,
    scope_of,
    secret_in,
)
from mailyard.directory.identity import Identity, LoginClient, Proof, ProofKind
from mailyard.directory.model import LoginEntry
from mailyard.runtime.clock import Clock
from mailyard.runtime.logs import get_logger
from mailyard.store.client import Store

WRITE_SECONDS = 15.0
_USES_OF_A_WRITE = 1_000
_MAX_USES = 50_000  # in memory: app passwords that were used and not written; the first ones go
_log = get_logger(__name__)


class AppPasswordRefusal(StrEnum):
    """Why an app password that exists does not open a service."""

    EXPIRED = "expired"
    SCOPE = "scope"
    NETWORK = "network"


class AppPasswordLogins:
    """Verifies app passwords and notes their uses."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._rows = AppPasswords(store)
        self._clock = clock
        self._uses: dict[ObjectId, AppPasswordUse] = {}

    async def verify(self, entry: LoginEntry | None, password: str, client: LoginClient) -> Proof | None:
        """Return what an app password proves for a client, None: nothing; without an entry, None takes as long.

        Raises:
            Unavailable: the store is unreachable.

        """
        secret = secret_in(password)
        if secret is None:
            return None
        tenant, account = ("", ObjectId()) if entry is None else (entry.account.tenant, entry.account.id)
        found = await self._rows.find(tenant, account, digest_of(account, secret))
        if found is None or entry is None:
            return None
        if reason := refusal_of(found, client, self._clock()):
            _log.info(
                "login.app_password_refused",
                account=str(account),
                tenant=tenant,
                app_password=found.name,
                reason=reason.value,
                client_ip=client.address,
                login_service=client.service,
            )
            return None
        return Proof(
            ProofKind.APP_PASSWORD,
            found.name,
            frozenset(map(str, found.scopes)),
            id=str(found.id),
            networks=found.networks,
            until=found.expires_at,
        )

    def note_use(self, identity: Identity, client: LoginClient) -> None:
        """Note that an identity logged in, if an app password proved it."""
        proof = identity.proof
        if proof.kind is not ProofKind.APP_PASSWORD:
            return
        used = ObjectId(proof.id)
        self._uses.pop(used, None)
        if len(self._uses) >= _MAX_USES:
            del self._uses[next(iter(self._uses))]
        self._uses[used] = AppPasswordUse(used, identity.tenant, self._clock(), client.address)

    async def write_uses(self) -> bool:
        """Write the uses since the last call; return whether there may be more. Raises Unavailable, and keeps them."""
        uses = [self._uses[each] for each in list(self._uses)[:_USES_OF_A_WRITE]]
        if not uses:
            return False
        await self._rows.note_uses(uses)
        for use in uses:
            if self._uses.get(use.id) is use:
                del self._uses[use.id]
        return len(uses) == _USES_OF_A_WRITE


def refusal_of(found: AppPassword, client: LoginClient, now: datetime) -> AppPasswordRefusal | None:
    """Return why an app password does not open a service to a client now; None: it does. Pure."""
    if found.expires_at is not None and found.expires_at <= now:
        return AppPasswordRefusal.EXPIRED
    if scope_of(client.service) not in found.scopes:
        return AppPasswordRefusal.SCOPE
    if not is_in_networks(client.address, found.networks):
        return AppPasswordRefusal.NETWORK
    return None
