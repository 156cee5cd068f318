"""Held mail by command: it is listed, released or discarded, and the account is blocked."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from mailyard.cli import held as verb
from mailyard.directory.sending.rows import Change, Sender, SendingRows, SubjectKind
from mailyard.directory.sending.windows import SendingTally
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.runtime.clock import now_utc
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.ids import new_spool_id
from mailyard.spool.row import COLLECTION, row_of
from mailyard.store.body import Body
from mailyard.store.client import Store

WHY = "account anna@example.org: 11 recipients within a day, 10 are permitted"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process has to learn anything."""
    monkeypatch.setattr(verb, "_LEARNED_SECONDS", 0)
    monkeypatch.setattr(verb, "_ENDED_SECONDS", 0)


@pytest.fixture
def hijacked(example, mongo_url: str, database: str) -> Callable[..., str]:
    """Hold messages of anna@example.org, and mark the account; return its id."""

    def hold(messages: int = 3, *, mark: bool = True) -> str:
        made = example.json("account", "add", "anna@example.org", "--generate")
        account = made[0]["id"]

        async def insert() -> None:
            store = Store(mongo_url, database)
            rows = []
            for _ in range(messages):
                now = now_utc()
                acceptance = Acceptance(
                    sender="anna@example.org",
                    recipients=(Recipient(address="bob@far.test", tenant="acme"),),
                    tenant="acme",
                    source=Source.SUBMISSION,
                    client=TransferringClient(address="192.0.2.7", account=account, login="anna@example.org"),
                    body=Body(ObjectId(), 5, b"hello"),
                    hold=WHY,
                )
                rows.append(row_of(acceptance, new_spool_id(now), ObjectId(), now, b""))
            await store.collection(COLLECTION).insert_many(rows)
            if mark:
                sender = Sender(SubjectKind.ACCOUNT, account, "acme", "anna@example.org")
                await SendingRows(store).add([Change(sender, SendingTally(), WHY)])
            await store.close()

        asyncio.run(insert())
        return account

    return hold


def states(mongo_url: str, database: str) -> list[str]:
    async def read() -> list[str]:
        store = Store(mongo_url, database)
        rows: list[dict[str, Any]] = await store.collection(COLLECTION).find({}).to_list()
        await store.close()
        return [row["state"] for row in rows]

    return asyncio.run(read())


def test_held_mail_is_listed_by_account_and_shown_message_by_message(example, hijacked) -> None:
    hijacked()
    (line,) = example.json("held", "list")
    assert line.pop("since").endswith("Z")
    assert line == {
        "tenant": "acme",
        "held": "anna@example.org",
        "messages": 3,
        "recipients": 3,
        "reason": WHY,
    }
    messages = example.json("held", "show", "anna@example.org", "--limit", "2")
    assert [(each["client"], each["recipients"]) for each in messages] == [
        ("192.0.2.7", ["bob@far.test"])
    ] * 2
    (last,) = example.json("held", "show", "anna@example.org", "--after", messages[-1]["id"])
    assert last["reason"] == WHY


@pytest.mark.parametrize("whose", [("anna@example.org",), ("--tenant", "acme"), ("--all",)])
def test_released_mail_goes_its_way_and_the_account_is_marked_no_longer(
    example, hijacked, mongo_url: str, database: str, whose: tuple[str, ...]
) -> None:
    hijacked()
    (line,) = example.json("held", "release", *whose)
    assert (line["tenant"], line["messages"]) == ("acme", 3)
    assert states(mongo_url, database) == ["deferred"] * 3
    assert example.json("held", "list") == []
    assert example.json("held", "release", "anna@example.org")[0]["messages"] == 0


def test_discarded_mail_of_a_blocked_account_is_ended(
    example, hijacked, mongo_url: str, database: str
) -> None:
    hijacked()
    refused = example("held", "discard", "anna@example.org", "--block")
    assert (refused.exit_code, "repeat with --yes" in refused.stderr) == (1, True)
    assert example.json("account", "list")[0]["status"] == "active"
    (line,) = example.json("held", "discard", "anna@example.org", "--block", "--yes")
    assert line["messages"] == 3
    assert states(mongo_url, database) == ["done"] * 3
    assert example.json("account", "list")[0]["status"] == "suspended"


def test_a_mark_without_held_mail_is_listed_too(example, hijacked, mongo_url: str, database: str) -> None:
    account = hijacked(1)
    example.json("held", "discard", "anna@example.org", "--yes")

    async def mark() -> None:
        store = Store(mongo_url, database)
        await SendingRows(store).add(
            [Change(Sender(SubjectKind.ACCOUNT, account, "acme"), SendingTally(), WHY)]
        )
        await store.close()

    asyncio.run(mark())
    (line,) = example.json("held", "list")
    assert (line["held"], line["messages"], line["reason"]) == ("anna@example.org", 0, WHY)


def test_mail_of_an_account_that_was_removed_can_still_be_decided(example, hijacked) -> None:
    hijacked()
    assert example("account", "remove", "anna@example.org", "--yes").exit_code == 0
    (line,) = example.json("held", "discard", "anna@example.org", "--yes")
    assert line["messages"] == 3
    refused = example("held", "show", "nobody@example.org")
    assert "has no account nobody@example.org, and no mail of it is held" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [("release",), ("release", "a@example.org", "--all"), ("discard", "--tenant", "acme", "--block")],
)
def test_a_decision_names_whose_mail_it_is_about(example, arguments: tuple[str, ...]) -> None:
    assert example("held", *arguments).exit_code == 2


def test_an_account_gets_limits_of_its_own_and_loses_them(example, hijacked) -> None:
    hijacked(1)
    limit = ("held", "limit", "anna@example.org")
    assert example.json(*limit) == [
        {"account": "anna@example.org", "recipients": "as the policy says", "jump": True}
    ]
    (line,) = example.json(*limit, "--recipients", "50000/day", "--no-jump")
    assert (line["recipients"], line["jump"]) == ("50000/day", False)
    (line,) = example.json(*limit, "--jump")
    assert (line["recipients"], line["jump"]) == ("50000/day", True)
    (line,) = example.json(*limit, "--default")
    assert (line["recipients"], line["jump"]) == ("as the policy says", True)
    assert "write 500/minute" in example(*limit, "--recipients", "many").stderr
