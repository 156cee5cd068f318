from pymongo import ASCENDING, MongoClient

from mailyard.spool.row import COLLECTION
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store


async def test_the_index_that_was_replaced_goes_and_the_new_one_is_there(
    mongo_url: str, database: str
) -> None:
    with MongoClient(mongo_url) as client:
        old = [("state", ASCENDING), ("due_at", ASCENDING)]
        client[database][COLLECTION].create_index(
            old, name="due", partialFilterExpression={"due_at": {"$exists": True}}
        )
    store = Store(mongo_url, database)
    await store.start()
    for _ in range(2):  # again changes nothing
        await ensure_schema(store)
        assert set(await store.collection(COLLECTION).index_information()) == {
            "_id_",
            "way",
            "due_at",
            "site_due_at",
            "tenant_due_at",
            "blob",
            "blob_bounce",
            "bounce",
            "bounce_of",
            "dedupe_key",
            "delay",
            "held",
            "held_tenant",
        }
    await store.close()
