"""The collection `access_changes`: withdrawals of access (suspension, removal, new password), in the order of their commit.

| field | holds |
|---|---|
| `_id` | revision: 1, 2, 3 … over the whole installation; row 0 holds the last one in `last` |
| `tenant` | slug |
| `scope`, `subject` | account or app-password and its id in hex, domain and its name, tenant and its slug |
| `action` | suspended, removed, password |
| `at` | when; rows are kept for a week |

The row `policies` counts changes of policies in `last`. Its `_id` is a text, which no query for revisions finds.

A revision is taken in the transaction of the change itself. Transactions that take one wait for one another, so
revisions become visible in their order, and a reader that asks for what follows the last one it saw misses none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "access_changes"
KEPT_SECONDS = 7 * 86_400
INDEXES = (IndexModel([("at", ASCENDING)], name="expiry", expireAfterSeconds=KEPT_SECONDS),)
_COUNTER = 0
_POLICIES = "policies"


class Scope(StrEnum):
    """The kind of subject whose access a change withdraws."""

    ACCOUNT = "account"
    DOMAIN = "domain"
    TENANT = "tenant"
    APP_PASSWORD = "app-password"  # noqa: S105  # the word, not one


class Action(StrEnum):
    """The kind of change."""

    SUSPENDED = "suspended"
    REMOVED = "removed"
    PASSWORD = "password"  # noqa: S105  # the word, not one


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject that lost access: an account or app password by its id, a domain by its name, a tenant by its slug."""

    scope: Scope
    name: str
    tenant: str


@dataclass(frozen=True, slots=True)
class AccessChange:
    """One change. Logins that were checked before `revision` no longer count."""

    revision: int
    subject: Subject
    action: Action


@dataclass(frozen=True, slots=True)
class News:
    """Access changes in order, and how often policies have changed; None: it is not known."""

    changes: list[AccessChange]
    policies: int | None


class AccessLog:
    """All queries on access changes."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, subject: Subject, action: Action, now: datetime, session: AsyncClientSession) -> int:
        """Write down a change in its own transaction; return its revision."""
        return await self.add_many([subject], action, now, session)

    async def add_many(
        self, subjects: Sequence[Subject], action: Action, now: datetime, session: AsyncClientSession
    ) -> int:
        """Write down changes of several subjects in their own transaction; return the last revision."""
        counter = await self._rows.find_one_and_update(
            {"_id": _COUNTER},
            {"$inc": {"last": len(subjects)}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        assert counter is not None, "an upsert returns its row"
        last = int(counter["last"])
        rows: list[Row] = [
            {
                "_id": revision,
                "tenant": subject.tenant,
                "scope": subject.scope,
                "subject": subject.name,
                "action": action,
                "at": now,
            }
            for revision, subject in enumerate(subjects, last - len(subjects) + 1)
        ]
        await self._rows.insert_many(rows, session=session)
        return last

    async def add_policy_change(self, session: AsyncClientSession) -> None:
        """Count a change of a policy, in its own transaction."""
        await self._rows.update_one({"_id": _POLICIES}, {"$inc": {"last": 1}}, upsert=True, session=session)

    async def entry_since(self, revision: int, limit: int) -> News:
        """Read the access changes after `revision`, in order, and the count of policy changes. Raises Unavailable."""
        query = {"$or": [{"_id": {"$gt": revision}}, {"_id": _POLICIES}]}
        with unavailable_when_away():
            rows = await self._rows.find(query).sort("_id").limit(limit + 1).to_list()  # numbers before texts
        policies = next((row["last"] for row in rows if row["_id"] == _POLICIES), None)
        changes = [_change_of(row) for row in rows if row["_id"] != _POLICIES][:limit]
        return News(changes, policies)

    async def prepare(self) -> None:
        """Make the counter, so that the first two changes do not race for it. Raises Unavailable."""
        with unavailable_when_away():
            await self._rows.update_one({"_id": _COUNTER}, {"$setOnInsert": {"last": 0}}, upsert=True)


def _change_of(row: Row) -> AccessChange:
    subject = Subject(Scope(row["scope"]), row["subject"], row["tenant"])
    return AccessChange(row["_id"], subject, Action(row["action"]))
