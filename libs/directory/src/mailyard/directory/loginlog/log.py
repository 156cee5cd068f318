"""The collection `login_log`: logins to accounts, right and wrong.

| field | holds |
|---|---|
| `tenant`, `domain`, `account` | slug; name of its domain; id in hex |
| `at`, `last` | the first and the last login that the row counts |
| `count` | logins of the row |
| `service` | smtp-in, imap … |
| `client` | the client's address; empty: several |
| `proof`, `name` | what proved the login: password, app-password …; the name of an app password |
| `result` | accepted, or the reason of the refusal |
| `expire_at` | when the row is deleted |

`remove_of_account` and `remove_of_tenant` erase. Rows name no address and no login.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import BulkWriteError

from mailyard.store.client import DUPLICATE_KEY, Row, Store, unavailable_when_away

COLLECTION = "login_log"
INDEXES = (
    IndexModel(
        [("tenant", ASCENDING), ("account", ASCENDING), ("last", DESCENDING)],
        name="account",
    ),
    IndexModel([("expire_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
)


@dataclass(frozen=True, slots=True)
class LoginLine:
    """What the rows of equal logins have in common."""

    tenant: str
    domain: str
    account: str
    service: str
    client: str
    proof: str
    name: str
    result: str


@dataclass(frozen=True, slots=True)
class LoggedLogins:
    """Equal logins between two times."""

    line: LoginLine
    at: datetime
    last: datetime
    count: int


class LoginLog:
    """All queries on the login log."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, logins: Mapping[ObjectId, tuple[LoggedLogins, timedelta]]) -> None:
        """Store rows under ids of the caller, each for its time; rows that are there already stay. Raises Unavailable."""
        rows: list[Row] = [
            {
                "_id": key,
                **asdict(each.line),
                "at": each.at,
                "last": each.last,
                "count": each.count,
                "expire_at": each.last + kept,
            }
            for key, (each, kept) in logins.items()
        ]
        with unavailable_when_away():
            try:
                await self._rows.insert_many(rows, ordered=False)
            except BulkWriteError as error:
                if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                    raise

    async def of_account(self, tenant: str, account: str, limit: int) -> Sequence[LoggedLogins]:
        """Read the logins of an account, the latest first. Raises Unavailable."""
        with unavailable_when_away():
            rows = (
                await self._rows.find({"tenant": tenant, "account": account})
                .sort("last", DESCENDING)
                .limit(limit)
                .to_list()
            )
        return [_logins_of(row) for row in rows]

    async def remove_of_account(self, tenant: str, account: str) -> int:
        """Erase the log of an account; return the number of rows. Raises Unavailable."""
        with unavailable_when_away():
            result = await self._rows.delete_many({"tenant": tenant, "account": account})
        return result.deleted_count

    async def remove_of_tenant(self, tenant: str) -> int:
        """Erase the log of all accounts of a tenant; return the number of rows. Raises Unavailable."""
        with unavailable_when_away():
            result = await self._rows.delete_many({"tenant": tenant})
        return result.deleted_count


def _logins_of(row: Row) -> LoggedLogins:
    line = LoginLine(
        row["tenant"],
        row["domain"],
        row["account"],
        row["service"],
        row["client"],
        row["proof"],
        row["name"],
        row["result"],
    )
    return LoggedLogins(line, row["at"], row["last"], row["count"])
