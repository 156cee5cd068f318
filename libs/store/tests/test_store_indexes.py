"""Indexes are created once, and those that they replace are dropped only after that."""

import pytest
from pymongo import ASCENDING, IndexModel
from pymongo.errors import OperationFailure

from mailyard.runtime.errors import Unavailable
from mailyard.store import indexes
from mailyard.store.client import Store
from mailyard.store.indexes import builds_under_way, create_indexes, ensure_indexes

BY_A = IndexModel([("a", ASCENDING)], name="by_a")
BY_B = IndexModel([("b", ASCENDING)], name="by_b")


async def names(store: Store, collection: str = "rows") -> set[str]:
    return set(await store.collection(collection).index_information())


async def test_creating_indexes_again_changes_nothing(store: Store) -> None:
    for _ in range(2):
        await create_indexes(store, "rows", [BY_A, BY_B])
    assert await names(store) == {"_id_", "by_a", "by_b"}


async def test_indexes_that_do_not_exist_are_not_dropped_and_others_stay(store: Store) -> None:
    await create_indexes(store, "rows", [BY_A, BY_B])
    await ensure_indexes(store, {}, {"rows": ["by_a", "never_there"]})
    assert await names(store) == {"_id_", "by_b"}


async def test_dropping_indexes_of_a_collection_that_does_not_exist_is_no_error(store: Store) -> None:
    await ensure_indexes(store, {}, {"nothing": ["by_a"]})


async def test_an_index_is_replaced_in_all_collections(store: Store) -> None:
    await create_indexes(store, "rows", [BY_A])
    await ensure_indexes(store, {"rows": [BY_B], "others": [BY_A]}, {"rows": ("by_a",)})
    assert await names(store) == {"_id_", "by_b"}
    assert await names(store, "others") == {"_id_", "by_a"}


async def test_no_index_is_dropped_before_all_are_created(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_indexes(store, "rows", [BY_A])

    async def fails(*_arguments: object) -> None:
        raise Unavailable("the store is unreachable")

    monkeypatch.setattr(indexes, "create_indexes", fails)
    with pytest.raises(Unavailable):
        await ensure_indexes(store, {"rows": [BY_B]}, {"rows": ("by_a",)})
    assert "by_a" in await names(store)


async def test_an_index_that_exists_with_other_keys_is_an_error_and_not_unavailable(store: Store) -> None:
    await create_indexes(store, "rows", [BY_A])
    with pytest.raises(OperationFailure, match="by_a"):
        await create_indexes(store, "rows", [IndexModel([("b", ASCENDING)], name="by_a")])


async def test_where_nothing_is_built_no_build_is_reported(store: Store) -> None:
    await create_indexes(store, "rows", [BY_A])
    assert await builds_under_way(store) == []
