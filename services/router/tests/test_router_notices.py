"""What reports say of the targets of a row: pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from mailyard.message.deliverystatus import DsnAction
from mailyard.proto.v1.ticket_pb2 import MailClass
from mailyard.router.notices import (
    delayed_recipients_of,
    is_double_bounce,
    postmaster_key,
    recipients_of,
    retry_until,
)
from mailyard.spool.outcome import Result
from mailyard.spool.queue.bounces import DueReport
from mailyard.spool.queue.delays import DueDelay

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def outcome(result: str, **more: Any) -> dict[str, Any]:
    return {
        "result": result,
        "status": "5.1.1",
        "address": "a@one.test",
        "tenant": "one",
        "text": "550 no",
        "place": "mx.remote.test",
        "at": NOW,
        **more,
    }


def due(outcomes: dict[str, Any], *, sender: str = "s@x.test", key: str = "", **more: Any) -> DueReport:
    row = {"_id": "a", "sender": sender, "outcomes": outcomes, **more}
    named = (*outcomes, *more.get("expanded", {}))
    return DueReport("a/0", row, named, key, 1, ObjectId(), NOW)


@pytest.mark.parametrize(
    ("result", "action"),
    [
        (Result.BOUNCED, DsnAction.FAILED),
        (Result.EXPIRED, DsnAction.FAILED),
        (Result.RELAYED, DsnAction.RELAYED),
        (Result.DELIVERED, DsnAction.DELIVERED),
        (Result.QUARANTINED, DsnAction.DELIVERED),
    ],
)
def test_each_result_has_its_action_of_rfc_3464(result: Result, action: DsnAction) -> None:
    [recipient] = recipients_of(due({"0": outcome(result)}))
    assert (recipient.outcome, recipient.status, recipient.diagnostic) == (action, "5.1.1", "550 no")
    assert recipient.last_attempt == NOW


def test_only_another_host_is_named_as_the_remote_mta() -> None:
    remote, local = recipients_of(
        due({"0": outcome(Result.RELAYED), "1": outcome(Result.DELIVERED, place="INBOX UID 7")})
    )
    assert (remote.remote_mta, local.remote_mta) == ("mx.remote.test", "")


def test_an_expanded_alias_is_reported_as_expanded() -> None:
    [recipient] = recipients_of(
        due({}, expanded={"x0": {"address": "all@one.test", "notify": "SUCCESS", "at": NOW}})
    )
    assert (recipient.outcome, recipient.address, recipient.notify) == (
        DsnAction.EXPANDED,
        "all@one.test",
        "SUCCESS",
    )


@pytest.mark.parametrize(
    ("sender", "result", "expected"),
    [("", Result.BOUNCED, True), ("", Result.DELIVERED, False), ("s@x.test", Result.BOUNCED, False)],
)
def test_a_failure_without_a_sender_is_a_double_bounce(sender: str, result: Result, expected: bool) -> None:
    assert is_double_bounce(due({"0": outcome(result)}, sender=sender)) is expected


def test_the_copy_for_the_postmaster_has_a_key_and_ends_the_chain() -> None:
    assert postmaster_key(due({})) == "a/0/postmaster"
    assert postmaster_key(due({}, key="b/0")) == "a/0/postmaster"
    assert postmaster_key(due({}, key="b/0/postmaster")) is None


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ({}, 5),
        ({"class": MailClass.MAIL_CLASS_URGENT}, 2),
        ({"class": MailClass.MAIL_CLASS_BULK}, 3),
        ({"class": 99}, 5),
    ],
)
def test_mail_is_tried_for_the_lifetime_of_its_class(fields: dict[str, Any], days: int) -> None:
    assert retry_until({"accepted_at": NOW, **fields}) == NOW + timedelta(days=days)


def test_a_delay_names_those_who_wait_the_reason_and_the_end_of_attempts() -> None:
    row = {
        "_id": "a",
        "state": "deferred",
        "accepted_at": NOW,
        "reason": {"status": "4.4.1", "text": "no answer"},
        "pending": [
            {"address": "a@one.test", "tenant": "one"},
            {"address": "b@one.test", "tenant": "one", "index": 1},
        ],
        "outcomes": {"1": outcome(Result.RELAYED)},
    }
    [recipient] = delayed_recipients_of(DueDelay("a/delay", row))
    assert (recipient.address, recipient.outcome, recipient.status) == (
        "a@one.test",
        DsnAction.DELAYED,
        "4.4.1",
    )
    assert (recipient.diagnostic, recipient.retry_until) == ("no answer", NOW + timedelta(days=5))
    assert delayed_recipients_of(DueDelay("a/delay", row | {"state": "done"})) == []
