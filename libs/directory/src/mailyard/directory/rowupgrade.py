"""Brings rows of earlier versions up to date. `mailyard setup` runs it; a repetition changes nothing.

Until then the code understands these rows, at a cost: it reads more of them, or counts at the first change.
"""

from mailyard.directory.accounts import Accounts
from mailyard.directory.addresses import Addresses
from mailyard.directory.pool import LimitPool
from mailyard.directory.tenants import Tenants
from mailyard.store.client import Store


async def upgrade_rows(store: Store) -> None:
    """Add what is missing, tenant by tenant: the field `domain` of accounts and addresses, and the counts. Raises Unavailable."""
    tenants, pool = Tenants(store), LimitPool(store)
    for tenant in await tenants.list():
        await Accounts(store).add_domains(tenant.id)
        await Addresses(store).add_domains(tenant.id)
        counted = await tenants.counted(tenant.id)
        if counted is not None and counted.used is None:
            await pool.audit(tenant.id)
