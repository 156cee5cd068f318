"""The lint of tenant scope, on good and bad queries."""

from pathlib import Path

import pytest

from tests.lint.tenant_scope import ROOTS, ScopedPackage, check

SCOPED_PACKAGES = (ScopedPackage("libs/people/src", {"people": "tenant", "dogs": "owner"}),)
INSIDE = "libs/people/src/mailyard/people/people.py"
ROOT = Path(__file__).parents[2]

MODULE = """
COLLECTION = "people"

class People:
    def __init__(self, store):
        self._rows = store.collection(COLLECTION)
        self._dogs = store.db["dogs"]
        self._towns = store.collection("towns")

    @property
    def _late(self):
        return self._store.db.get_collection(COLLECTION, read_concern=MAJORITY)

    async def {name}(self, tenant, id):
        {body}
"""


def faults(body: str, name: str = "get", path: str = INSIDE) -> list[str]:
    return [violation.text for violation in check(path, MODULE.format(name=name, body=body), SCOPED_PACKAGES)]


@pytest.mark.parametrize(
    "body",
    [
        'await self._rows.find_one({"_id": id, "tenant": tenant})',
        'await self._rows.find({"tenant": tenant}, {"password": 0}).sort("_id").to_list()',
        'await self._rows.update_one(filter={"tenant": tenant, "_id": id}, update={})',
        'mine = {"tenant": tenant}; await self._rows.delete_many({**mine, "_id": id})',
        'mine: Row = {"tenant": tenant}; await self._rows.count_documents(mine)',
        'await self._rows.aggregate([{"$match": {"tenant": tenant}}, {"$sort": {"_id": 1}}])',
        'await self._rows.distinct("town", {"tenant": tenant})',
        'await self._rows.bulk_write([UpdateOne({"tenant": tenant, "owner": id}, {})])',
        'await self._dogs.find_one({"owner": id})',
        'await self._late.find_one({"tenant": tenant})',
        'await self._towns.find_one({"_id": id})',
        'await self._rows.insert_one({"_id": id})',
        'return "text".find(id)',
    ],
)
def test_a_query_that_carries_its_scope_passes(body):
    assert faults(body) == []


@pytest.mark.parametrize(
    "body",
    [
        'await self._rows.find_one({"_id": id})',
        "await self._rows.find().to_list()",
        'await self._rows.find({"_id": {"tenant": tenant}}).to_list()',
        'await self._rows.update_many({"_id": id}, {"$set": {"tenant": tenant}})',
        "await self._rows.delete_many(make_filter(tenant))",
        'mine = {"tenant": tenant}; mine = {}; await self._rows.find_one(mine)',
        'await self._rows.aggregate([{"$sort": {"_id": 1}}, {"$match": {"tenant": tenant}}])',
        'await self._rows.aggregate([{"$match": {"_id": id}}])',
        'await self._rows.distinct("tenant")',
        'await self._late.find_one({"_id": id})',
        'rows = store.collection("people"); await rows.find_one({"_id": id})',
        'await self._rows.bulk_write([DeleteOne({"_id": id})])',
        'await store.collection(COLLECTION).find_one_and_update({"_id": id}, {})',
    ],
)
def test_a_query_that_does_not_is_caught(body):
    assert len(faults(body)) == 1


def test_the_scope_is_that_of_the_collection():
    assert faults('await self._dogs.find_one({"tenant": tenant})') == [
        "get: the filter does not visibly carry 'owner'"
    ]


def test_a_way_in_may_ask_for_the_tenant():
    assert faults('await self._rows.find_one({"_id": id})', name="entry_by_id") == []


def test_a_query_on_an_unseen_collection_is_caught():
    assert faults('await passed_in.find_one({"tenant": tenant})') == [
        "get: cannot see which collection find_one asks"
    ]


@pytest.mark.parametrize(
    "use", ['store.collection("people")', 'store.db["people"]', 'x.db.get_collection("dogs")']
)
def test_nobody_outside_the_package_touches_its_collections(use):
    [violation] = check("services/imap/src/mailyard/imap_server/main.py", f"\n{use}\n", SCOPED_PACKAGES)
    assert str(violation).startswith(
        "services/imap/src/mailyard/imap_server/main.py:2: only libs/people/src may touch"
    )


def test_the_directorys_repositories_are_really_read():
    path = "libs/directory/src/mailyard/directory/accounts.py"
    source = (ROOT / path).read_text()
    assert check(path, source) == []
    scoped = '{"tenant": tenant, "key": address.key}'
    assert len(check(path, source.replace(scoped, '{"key": address.key}'))) == source.count(scoped) > 0


def test_the_whole_repository_keeps_the_rule():
    files = [path for root in ROOTS for path in (ROOT / root).glob("*/src/**/*.py")]
    assert len(files) > 50
    violations = [
        str(each) for path in files for each in check(path.relative_to(ROOT).as_posix(), path.read_text())
    ]
    assert violations == []


def test_a_collections_name_may_come_from_another_module_of_the_package(tmp_path):
    rows = tmp_path / "libs/people/src/mailyard/people/rows.py"
    rows.parent.mkdir(parents=True)
    rows.write_text('PEOPLE = "people"\n')
    source = (
        "from mailyard.people.rows import PEOPLE\n"
        "async def get(store, id):\n"
        '    await store.collection(PEOPLE).find_one({"_id": id})\n'
    )
    [violation] = check(INSIDE, source, SCOPED_PACKAGES, tmp_path)
    assert violation.text == "get: the filter does not visibly carry 'tenant'"
