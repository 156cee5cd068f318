"""No query of a running instance scans a collection that grows with the mail."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.e2e.postbox import fetch_all, send_all
from tests.trial.instance import Instance

GROWING = frozenset(
    {"spool", "mail.files", "mail.chunks", "messages", "ledger", "accounts", "addresses", "mailboxes"}
)
ROUND_SECONDS = 20  # every periodic task of the router has run once
MESSAGE = b"From: a@sender.test\r\nSubject: plain\r\n\r\nhello\r\n"


@pytest.fixture
def profiled(instance: Instance) -> Iterator[Database[dict[str, Any]]]:
    """The instance's database, which notes whole walks through collections meanwhile."""
    with MongoClient[dict[str, Any]](instance.mongo_url) as client:
        database = client["mailyard"]
        database.drop_collection("system.profile")
        database.command("profile", 1, filter={"planSummary": "COLLSCAN"})
        yield database
        database.command("profile", 0, filter="unset")
        database.drop_collection("system.profile")


async def test_no_query_walks_through_a_collection_that_grows(
    instance: Instance, account: str, profiled: Database[dict[str, Any]]
) -> None:
    await send_all(instance, account, [(f"message {number}", MESSAGE) for number in range(50)])
    await fetch_all(instance, account, 50)
    await asyncio.sleep(ROUND_SECONDS)
    walks = {
        f"{row['ns'].removeprefix('mailyard.')}: {row['op']} {shape(row['command'])}"
        for row in profiled["system.profile"].find()
        if row["ns"].removeprefix("mailyard.") in GROWING
    }
    assert walks == set()


def shape(command: dict[str, Any]) -> str:
    """What was looked for, without its values and without what comes with every command."""
    asked = {name: command[name] for name in ("filter", "q", "query", "pipeline", "sort") if name in command}
    return str(without_values(asked))


def without_values(asked: Any) -> Any:
    if isinstance(asked, dict):
        return {name: without_values(value) for name, value in asked.items()}
    return [without_values(each) for each in asked[:3]] if isinstance(asked, list) else "..."
