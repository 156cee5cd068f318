"""The check of query plans: recording, substitution of values, and rules."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo import ASCENDING, MongoClient
from pymongo.monitoring import CommandListener

from mailyard.local.shapes import ShapeRecorder, shape_key, single
from mailyard.spool.watch.backlog import count_backlog
from mailyard.store.client import LISTENERS, Store
from tests.plans.__main__ import listed, main, read_shapes
from tests.plans.plan import findings
from tests.plans.substitution import Samples

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[ShapeRecorder]:
    listener = ShapeRecorder(tmp_path)
    LISTENERS.append(listener)
    yield listener
    LISTENERS.remove(listener)


async def test_only_what_product_code_sends_is_recorded_and_each_shape_once(
    recorder: CommandListener, mongo_url: str, database: str, tmp_path: Path
) -> None:
    store = Store(mongo_url, database)
    await store.start()
    await store.collection("spool").find_one({"sender": "a test's own question"})
    for _ in range(2):
        await count_backlog(store, 1000)
    await store.close()
    assert [(each.location, each.name, each.collection) for each in read_shapes(tmp_path)] == [
        ("mailyard/spool/watch/backlog.py:count_backlog", "aggregate", "spool")
    ]


def test_shapes_differ_by_fields_operators_and_state_and_not_by_values() -> None:
    def of(condition: dict[str, Any], collection: str = "spool") -> str:
        return shape_key({"find": collection, "filter": condition})

    assert of({"_id": "a"}) == of({"_id": "b"})
    assert of({"_id": {"$in": ["a"]}}) == of({"_id": {"$in": ["a", "b", "c"]}})
    assert len({of({"_id": "a"}), of({"tenant": "a"}), of({"_id": {"$gt": "a"}}), of({"_id": 1})}) == 4
    assert of({"state": "active"}) != of({"state": "deferred"})
    assert of({"_id": "a"}) != of({"_id": "a"}, "messages")


def test_a_batch_of_changes_is_looked_at_change_by_change_without_its_envelope() -> None:
    command = {"update": "spool", "updates": [{"q": {"a": 1}}, {"q": {"b": 1}}], "lsid": 1, "$db": "x"}
    assert list(single(command)) == [
        {"update": "spool", "updates": [{"q": {"a": 1}}]},
        {"update": "spool", "updates": [{"q": {"b": 1}}]},
    ]


def test_conditions_get_values_of_one_document_and_ranges_end_within_the_data() -> None:
    rows = [{"_id": f"r{n}", "tenant": f"t{n}", "due_at": NOON.replace(hour=n), "n": n} for n in range(20)]
    adapted = Samples(rows).adapted(
        {"_id": "gone", "tenant": "gone", "state": "active", "due_at": {"$lte": NOON}, "n": {"$in": [77, 78]}}
    )
    assert adapted == {
        "_id": "r0",
        "tenant": "t0",
        "state": "active",
        "due_at": {"$lte": NOON.replace(hour=10)},
        "n": {"$in": [0, 1]},
    }


@pytest.mark.parametrize(
    ("find", "kinds"),
    [
        ({"filter": {"b": 1}}, {"scan", "examined"}),
        ({"filter": {"a": {"$gte": 0}}, "sort": {"b": 1}}, {"sort"}),
        ({"filter": {"a": {"$gte": 0}, "b": 1}}, {"examined"}),
        ({"filter": {"a": {"$lt": 50}}, "sort": {"a": 1}}, set()),
    ],
    ids=["collection scan", "sort in memory", "too many documents", "sound"],
)
def test_what_is_wrong_with_a_plan_is_found(
    mongo_url: str, database: str, find: dict[str, Any], kinds: set[str]
) -> None:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        rows = client[database]["rows"]
        rows.create_index([("a", ASCENDING)])
        rows.insert_many([{"a": number, "b": number} for number in range(500)])
        command = {"find": "rows", **find}
        explained = client[database].command("explain", command, verbosity="executionStats")
    assert {each.kind for each in findings(explained)} == kinds


def test_documents_named_by_id_may_be_read_even_if_the_rest_matches_none(
    mongo_url: str, database: str
) -> None:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        client[database]["rows"].insert_many([{"_id": number, "b": number} for number in range(500)])
        command = {"find": "rows", "filter": {"_id": {"$in": list(range(200))}, "b": -1}}
        explained = client[database].command("explain", command, verbosity="executionStats")
    assert listed(command) == 200
    assert findings(explained, listed(command)) == []
    assert {each.kind for each in findings(explained, 100)} == {"examined"}


def test_a_query_without_an_index_fails_the_check_and_no_recording_at_all_does_too(
    mongo_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path), "--mongo-url", mongo_url, "--scale", "0.0005"]
    assert main(arguments) == 2
    line = {"location": "mailyard/some.py:question", "command": {"find": "spool", "filter": {"sender": "x"}}}
    (tmp_path / "shapes-1.jsonl").write_text(json_util.dumps(line) + "\n")
    assert main(arguments) == 1
    assert "mailyard/some.py:question: it reads the whole collection" in capsys.readouterr().out
    line["command"] = {"find": "spool", "filter": {"_id": "x"}}
    (tmp_path / "shapes-1.jsonl").write_text(json_util.dumps(line) + "\n")
    assert main(arguments) == 0
