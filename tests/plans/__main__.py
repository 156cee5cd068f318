"""`python -m tests.plans DIRECTORY`: explain every query shape that was recorded, on large data.

DIRECTORY is what MAILYARD_QUERY_SHAPES named while the tests ran. A plan fails when it reads a whole collection, sorts in
memory, or examines more than twice the documents that it returns and a hundred (and more than it names by `_id`), unless `tests/plans/allowed.py` names the
location that sends the query, with a reason.

Exit code: 0 when no plan fails, 1 when one does, 2 when no shape was recorded.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import json_util
from bson.json_util import CANONICAL_JSON_OPTIONS
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from bench.scale.__main__ import started_mongod
from bench.scale.load import Loader
from bench.scale.meter import run
from bench.scale.size import size_of
from mailyard.local.shapes import shape, shape_key
from tests.plans.allowed import ALLOWED
from tests.plans.plan import Finding, findings
from tests.plans.senders import unsent
from tests.plans.substitution import Samples

DATABASE = "mailyard-plans"
_SAMPLES = 300
_LISTS = {"updates": "q", "deletes": "q"}
_FILTERS = {"find": "filter", "count": "query", "distinct": "query", "findAndModify": "query"}

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One shape: who sends it, and the first command of it."""

    location: str
    command: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the command."""
        return next(iter(self.command))

    @property
    def collection(self) -> str:
        """The collection that it is sent to."""
        return str(self.command[self.name])


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, explain, print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.plans",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, help="where the shapes were recorded")
    parser.add_argument(
        "--scale", type=float, default=0.01, help="of the data, as in bench.scale (default 0.01)"
    )
    parser.add_argument(
        "--unsent", action="store_true", help="also name functions whose queries were not recorded"
    )
    parser.add_argument("--mongo-url", help="a replica set to load; by default one is started")
    options = parser.parse_args(arguments)
    shapes = read_shapes(options.directory)
    if not shapes:
        print(f"plans: no query shape in {options.directory}; set MAILYARD_QUERY_SHAPES", file=sys.stderr)
        return 2
    with contextlib.ExitStack() as stack:
        url = options.mongo_url or stack.enter_context(started_mongod(Path("var/plans-mongod"), 0.25))
        client = stack.enter_context(MongoClient[dict[str, Any]](url, tz_aware=True))
        client.drop_database(DATABASE)
        run(lambda: _load(url, options.scale))
        failed = sum(_show(each, found) for each, found in _judged(client, shapes))
        client.drop_database(DATABASE)
    if options.unsent:
        for location in unsent({each.location for each in shapes}):
            print(f"plans: {location}: no test of this process sends its query")
    print(f"plans: {len(shapes)} query shapes, {failed} failed")
    return 1 if failed else 0


async def _load(url: str, scale: float) -> int:
    await Loader(url, DATABASE, size_of(scale), lambda _: None).load()
    return 0


def read_shapes(directory: Path) -> list[Recorded]:
    """Return each shape that any process recorded, once."""
    found: dict[str, Recorded] = {}
    for file in sorted(directory.glob("shapes-*.jsonl")):
        for line in file.read_text().splitlines():
            record = json_util.loads(line, json_options=CANONICAL_JSON_OPTIONS)
            recorded = Recorded(record["location"], record["command"])
            found.setdefault(shape_key(recorded.command), recorded)
    return sorted(found.values(), key=lambda each: (each.location, each.collection, each.name))


def _judged(
    client: MongoClient[dict[str, Any]], shapes: Sequence[Recorded]
) -> Iterator[tuple[Recorded, list[Finding]]]:
    db = client[DATABASE]
    samples: dict[str, Samples] = {}
    for recorded in shapes:
        name = recorded.collection
        if name not in samples:
            documents = db[name].aggregate([{"$sample": {"size": _SAMPLES}}])
            samples[name] = Samples([dict(each) for each in documents])
        command = adapted(recorded.command, samples[name])
        try:
            explained = db.command("explain", command, verbosity="executionStats")
        except OperationFailure as error:
            yield recorded, [Finding("explain", f"the store cannot explain it: {error}")]
        else:
            yield recorded, findings(explained, listed(command))


def adapted(command: Document, samples: Samples) -> dict[str, Any]:
    """Return a command with values of the loaded data."""
    changed = dict(command)
    name = next(iter(command))
    if name == "aggregate":
        changed["pipeline"] = [
            {"$match": samples.adapted(stage["$match"])} if number == 0 and "$match" in stage else stage
            for number, stage in enumerate(command["pipeline"])
        ]
        changed["cursor"] = {}
    for batch, key in _LISTS.items():
        if batch in command:
            changed[batch] = [{**each, key: samples.adapted(each[key])} for each in command[batch]]
    if (key := _FILTERS.get(name, "")) in command:
        changed[key] = samples.adapted(command[key])
    return changed


def listed(command: Document) -> int:
    """Return how many documents a command names by `_id`."""
    filters = [command.get(key) for key in _FILTERS.values()]
    filters += [each.get(key) for batch, key in _LISTS.items() for each in command.get(batch, ())]
    named = [each.get("_id") for each in filters if isinstance(each, Mapping)]
    return max((len(each["$in"]) for each in named if isinstance(each, Mapping) and "$in" in each), default=0)


def _show(recorded: Recorded, found: Sequence[Finding]) -> int:
    """Print what is wrong and not allowed; return 1 if anything is."""
    wrong = [each for each in found if (recorded.location, each.kind) not in ALLOWED]
    for each in wrong:
        print(f"plans: {recorded.location}: {each.text} ({recorded.name} {recorded.collection})")
        print(f"       {json_util.dumps(shape(recorded.command))[:600]}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
