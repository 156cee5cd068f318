"""Accounts for trials, made through the directory library as the command-line tool does."""

from collections.abc import Sequence
from datetime import timedelta

from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.spool.ledger.ledger import Ledger, hour_of
from mailyard.store.client import Store

PASSWORD = "correct-horse-battery"
CHEAP = HashCost(time=1, memory_kib=1024)


async def add_accounts(mongo_url: str, tenant: str, domain: str, logins: Sequence[str]) -> list[str]:
    """Make a tenant with one domain and its accounts; return their addresses. All have PASSWORD."""
    store = Store(mongo_url, "mailyard")
    await store.start()
    try:
        await ensure_indexes(store)
        provisioning = Provisioning(store, Passwords(CHEAP), now_utc)
        mailboxes = Mailboxes(store)
        await provisioning.add_tenant(tenant)
        await provisioning.add_domain(tenant, domain)
        addresses = [f"{login}@{domain}" for login in logins]
        for address in addresses:
            account = await provisioning.add_account(tenant, address, PASSWORD)
            await mailboxes.ensure_defaults(account.id)
    finally:
        await store.close()
    return addresses


async def unaccounted(mongo_url: str) -> int:
    """By how many recipients the two books of the ledger differ now, over the last day."""
    store = Store(mongo_url, "mailyard")
    try:
        until = hour_of(now_utc()) + timedelta(hours=1)
        lines = await Ledger(store).hourly_lines(until - timedelta(days=1), until)
    except Unavailable as error:
        raise OSError("the ledger cannot be read now") from error
    finally:
        await store.close()
    return sum(abs(line.unaccounted) for line in lines)
