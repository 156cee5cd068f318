"""The usage of accounts and their quotas. Quotas are octets by account; no entry: no limit.

The usage is the sum of the counters of the account's mailboxes. Expunged messages and deleted mailboxes do not count, also
while they can be restored. The caller knows the quotas.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.mailbox.errors import MailboxError
from mailyard.mailbox.model import NewMessage
from mailyard.mailbox.rows import MAILBOXES
from mailyard.store.client import MAJORITY, Row, Store, unavailable_when_away

Quotas = Mapping[ObjectId, int]
NO_QUOTAS: Quotas = {}


class OverQuota(MailboxError):
    """Messages do not fit into the quota of their account (RFC 5530: OVERQUOTA); nothing was stored."""

    def __init__(self, messages: frozenset[str]) -> None:
        super().__init__("The mailbox is full: there is no room for this within the quota")
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Usage:
    """Octets and messages in the mailboxes of an account."""

    octets: int = 0
    messages: int = 0


async def usage_of(
    store: Store, accounts: Collection[ObjectId], session: AsyncClientSession | None = None
) -> dict[ObjectId, Usage]:
    """Return the usage of accounts in one command; an account without mailboxes uses nothing.

    Raises:
        Unavailable: the store is unreachable.

    """
    rows = store.db.get_collection(MAILBOXES, read_concern=None if session else MAJORITY)
    pipeline: list[Row] = [
        {"$match": {"account": {"$in": list(accounts)}}},
        {"$group": {"_id": "$account", "octets": {"$sum": "$octets"}, "messages": {"$sum": "$total"}}},
    ]
    found = dict.fromkeys(accounts, Usage())
    with unavailable_when_away():
        async for row in await rows.aggregate(pipeline, session=session):
            found[row["_id"]] = Usage(row["octets"], row["messages"])
    return found


def fits(usage: Usage, quota: int | None, octets: int) -> bool:
    """Return whether so many octets more are within the quota; None: no limit."""
    return quota is None or usage.octets + octets <= quota


async def require_room(
    store: Store, messages: Collection[Sequence[NewMessage]], quotas: Quotas, session: AsyncClientSession
) -> None:
    """Check the messages of a transaction that has counted them, and that has written the INBOX rows of their accounts.

    Two transactions that add mail to one account conflict at its INBOX row, so the second one sees what the first one
    stored.

    Raises:
        OverQuota: names the messages that do not fit, in the order given; the others do.

    """
    by_account: dict[ObjectId, list[NewMessage]] = {}
    for message in (each for group in messages for each in group):
        if message.account in quotas:
            by_account.setdefault(message.account, []).append(message)
    if not by_account:
        return
    usages = await usage_of(store, by_account, session)
    refused: set[str] = set()
    for account, new in by_account.items():
        used = usages[account].octets - sum(each.size for each in new)
        for each in new:
            if used + each.size > quotas[account]:
                refused.add(each.id)
            else:
                used += each.size
    if refused:
        raise OverQuota(frozenset(refused))
