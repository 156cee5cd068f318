"""Building indexes: it may take hours on a large collection, and has to end well however long it takes.

The command that builds has a time-out of its own, of a week. When the connection breaks, or another primary is
elected, the server goes on with the build; the same command again joins it. A member that is down does not hold up a
build: a majority of the members that vote and bear data must have the index.
"""

import re
from collections.abc import Collection as Group
from collections.abc import Mapping, Sequence

import pymongo
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.refusals import UNAUTHORIZED

_QUORUM = "majority"
_LONGEST_BUILD_SECONDS = 7 * 24 * 3600


async def ensure_indexes(
    store: Store, wanted: Mapping[str, Sequence[IndexModel]], replaced: Mapping[str, Group[str]]
) -> None:
    """Create what is missing of each collection, then drop what it replaces: no query is ever without an index.

    Raises:
        Unavailable: the store is unreachable; call again.

    """
    for collection, indexes in wanted.items():
        await create_indexes(store, collection, indexes)
    with unavailable_when_away():
        for collection, names in replaced.items():
            rows = store.collection(collection)
            for name in (await rows.index_information()).keys() & set(names):
                await rows.drop_index(name)


async def create_indexes(store: Store, collection: str, indexes: Sequence[IndexModel]) -> None:
    """Create the indexes that are missing and wait until they are built; again, it changes nothing.

    Raises:
        Unavailable: the store is unreachable; the servers go on with a build that they have begun, call again.

    """
    # The limit takes the place of the client's socket time-out.
    with unavailable_when_away(), pymongo.timeout(_LONGEST_BUILD_SECONDS):
        await store.collection(collection).create_indexes(indexes, commitQuorum=_QUORUM)


async def builds_under_way(store: Store) -> list[str]:
    """Return how far each index build of the database is, as text; none where the user may not see them.

    Raises:
        Unavailable: the store is unreachable.

    """
    stages: list[Row] = [
        {"$currentOp": {"allUsers": True, "idleConnections": False}},
        {"$match": {"ns": {"$regex": f"^{re.escape(store.db.name)}[.]"}, "msg": {"$regex": "^Index Build"}}},
    ]
    with unavailable_when_away():
        try:
            operations = await (await store.client.admin.aggregate(stages)).to_list()
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                return []
            raise
    texts = [f"{each['ns'].partition('.')[2]}: {each['msg']}" for each in operations]
    return sorted(set(texts))
