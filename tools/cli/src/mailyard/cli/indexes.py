"""The indexes of the store: those of every room that keeps something there."""

from mailyard.directory.indexes import ensure_indexes
from mailyard.mailbox.rows import ensure_schema as ensure_mailboxes
from mailyard.spool.schema import ensure_schema as ensure_spool
from mailyard.store.client import Store


async def ensure_all(store: Store) -> None:
    """Create the indexes that are missing; what is there stays as it is. Raises Unavailable."""
    await ensure_indexes(store)
    await ensure_mailboxes(store)
    await ensure_spool(store)
