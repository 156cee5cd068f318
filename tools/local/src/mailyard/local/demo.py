"""The demo tenant: two domains and four accounts, made once; existing entries are not changed."""

import secrets
from collections.abc import Sequence

from mailyard.directory.errors import AlreadyExists
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.local.access import DemoAccount
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

TENANT = "demo"
DOMAINS = ("alpha.test", "beta.test")
ADDRESSES = ("anna@alpha.test", "amir@alpha.test", "berta@beta.test", "ben@beta.test")


async def ensure_demo(store: Store, known: Sequence[DemoAccount]) -> tuple[DemoAccount, ...]:
    """Makes the tenant, its domains and accounts; keeps the passwords of `known`. Raises Unavailable."""
    hasher = Passwords(HashCost())
    try:
        return await _ensure(Provisioning(store, hasher, now_utc), Mailboxes(store), known)
    finally:
        hasher.close()


async def _ensure(
    directory: Provisioning, mailboxes: Mailboxes, known: Sequence[DemoAccount]
) -> tuple[DemoAccount, ...]:
    passwords = {account.address: account.password for account in known}
    if await directory.tenants.get(TENANT) is None:
        await directory.add_tenant(TENANT, "Demo")
    for domain in DOMAINS:
        if await directory.domains.get(TENANT, domain) is None:
            await directory.add_domain(TENANT, domain)
    accounts = tuple(DemoAccount(one, passwords.get(one) or new_password(), TENANT) for one in ADDRESSES)
    for account in accounts:
        await _ensure_account(directory, mailboxes, account, known)
    return accounts


async def _ensure_account(
    directory: Provisioning, mailboxes: Mailboxes, account: DemoAccount, known: Sequence[DemoAccount]
) -> None:
    """A known account may be missing in a new store, and a store's account may have lost its known password."""
    try:
        added = await directory.add_account(account.tenant, account.address, account.password)
    except AlreadyExists:
        if account not in known:
            await directory.set_password(account.tenant, account.address, account.password)
        return
    await mailboxes.ensure_defaults(added.id)


def new_password() -> str:
    """Return a password of letters and digits only, which can be pasted anywhere."""
    return secrets.token_hex(8)
