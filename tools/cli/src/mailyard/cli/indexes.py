"""All indexes of the store, from every package that has collections."""

from mailyard.directory.indexes import ensure_indexes
from mailyard.mailbox.rows import ensure_schema as ensure_mailboxes
from mailyard.spool.schema import ensure_schema as ensure_spool
from mailyard.store.client import Store


async def ensure_all(store: Store) -> None:
    """Create missing indexes; existing ones are not changed. Raises Unavailable."""
    await ensure_indexes(store)
    await ensure_mailboxes(store)
    await ensure_spool(store)
