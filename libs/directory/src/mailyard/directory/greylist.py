"""The collections of greylisting: attempts of networks to send, and networks that have shown that they repeat attempts.

`greylist`: one row for each pair of sender and recipient that an unknown network has tried.

| field | holds |
|---|---|
| `_id` | a hash of sender and recipient; the addresses are not stored |
| `tenant` | of the recipient: rows of a tenant are removed by this field |
| `networks` | network → time of its first attempt, at most about `MOST_NETWORKS` |
| `passed` | an attempt was let through |
| `expires` | when the server removes the row |

`greylist_networks`: `_id` a network, `passes` how many pairs it has passed with, `expires`. It names no tenant.

Rows are hints: a lost one costs a sender one more attempt. So writes wait for the primary only, not for a majority.
"""

from collections.abc import Collection as Group
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError

from mailyard.store.client import DUPLICATE_KEY, Collection, Row, Store, unavailable_when_away

COLLECTION: Final = "greylist"
NETWORKS: Final = "greylist_networks"
_EXPIRES: Final = IndexModel([("expires", ASCENDING)], name="expires", expireAfterSeconds=0)
INDEXES: Final = (_EXPIRES, IndexModel([("tenant", ASCENDING)], name="tenant"))
NETWORK_INDEXES: Final = (_EXPIRES,)
MOST_NETWORKS: Final = 16


@dataclass(frozen=True, slots=True)
class PairRow:
    """What is known of one pair of sender and recipient."""

    networks: Mapping[str, datetime] = field(default_factory=dict)
    passed: bool = False


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """How many pairs a network has passed with."""

    passes: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class PairChange:
    """An attempt of `network` to be kept, or that the pair was let through."""

    pair: bytes
    tenant: str
    network: str
    at: datetime
    expires: datetime
    passed: bool
    replaces: bool = False  # the earlier attempt of the network is too old to count


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """`passes` more for a network, or only a later end."""

    network: str
    passes: int
    expires: datetime


class Greylist:
    """All queries on both collections: each is one command for many rows. Every method raises `Unavailable`."""

    def __init__(self, store: Store) -> None:
        concern = WriteConcern(w=1)
        self._pairs = store.collection(COLLECTION).with_options(write_concern=concern)
        self._networks = store.collection(NETWORKS).with_options(write_concern=concern)

    async def pairs(self, ids: Group[bytes]) -> dict[bytes, PairRow]:
        """Return the rows of these pairs."""
        with unavailable_when_away():
            rows = await self._pairs.find({"_id": {"$in": list(ids)}}).to_list()
        return {bytes(row["_id"]): _pair_of(row) for row in rows}

    async def networks(self, names: Group[str]) -> dict[str, NetworkRow]:
        """Return the rows of these networks."""
        with unavailable_when_away():
            rows = await self._networks.find({"_id": {"$in": list(names)}}).to_list()
        return {row["_id"]: NetworkRow(row["passes"], row["expires"]) for row in rows}

    async def change_pairs(self, changes: Sequence[PairChange]) -> None:
        """Keep attempts. The earliest attempt of a network counts, in whatever order the writes come."""
        await _write(self._pairs, [_pair_update(each) for each in changes])

    async def change_networks(self, changes: Sequence[NetworkChange]) -> None:
        """Count what networks have passed with."""
        await _write(self._networks, [_network_update(each) for each in changes])


async def _write(rows: Collection, updates: Sequence[UpdateOne]) -> None:
    """Write all updates. One that meets the insertion of the same row by another process is left out: it is a hint."""
    if not updates:
        return
    try:
        with unavailable_when_away():
            await rows.bulk_write(updates, ordered=False)
    except BulkWriteError as error:
        details: Row = dict(error.details or {})
        errors = details.get("writeErrors", ())
        if not errors or any(each["code"] != DUPLICATE_KEY for each in errors):
            raise


def _key_of(network: str) -> str:
    return network.replace(".", "_")  # a dot separates the fields of a path


def _pair_of(row: Row) -> PairRow:
    networks = {key.replace("_", "."): at for key, at in row.get("networks", {}).items()}
    return PairRow(networks, bool(row.get("passed")))


def _pair_update(change: PairChange) -> UpdateOne:
    update: Row = {
        "$set" if change.replaces else "$min": {f"networks.{_key_of(change.network)}": change.at},
        "$max": {"expires": change.expires},
        "$setOnInsert": {"tenant": change.tenant},
    }
    if change.passed:
        update.setdefault("$set", {})["passed"] = True
    return UpdateOne({"_id": change.pair}, update, upsert=True)


def _network_update(change: NetworkChange) -> UpdateOne:
    update: Row = {"$max": {"expires": change.expires}, "$inc": {"passes": change.passes}}
    return UpdateOne({"_id": change.network}, update, upsert=True)
