"""Which outcomes a sender hears of (RFC 3461, section 4.1 and 5.2), and what a row keeps of an outcome."""

from datetime import UTC, datetime

import pytest

from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.spool.outcome import Outcome, Result
from mailyard.spool.queue.reporting import any_due, delay_is_due, is_due, outcome_rows

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SENDER = "s@x.test"
FAILURES = (Result.BOUNCED, Result.EXPIRED)
IN_A_MAILBOX = (Result.DELIVERED, Result.QUARANTINED)
SILENT = (Result.DISCARDED, Result.REDIRECTED)


def target(notify: str = "", index: int = 0) -> Recipient:
    return Recipient(
        address="ann@one.test", tenant="one", notify=notify, orcpt="rfc822;Ann@one.test", index=index
    )


def test_every_result_is_in_one_of_the_groups() -> None:
    assert {*FAILURES, *IN_A_MAILBOX, *SILENT, Result.RELAYED} == set(Result)


@pytest.mark.parametrize("result", FAILURES)
@pytest.mark.parametrize(
    ("notify", "due"),
    [("", True), ("FAILURE", True), ("SUCCESS,FAILURE", True), ("SUCCESS", False), ("NEVER", False)],
)
def test_a_failure_is_reported_unless_notify_leaves_it_out(result: Result, notify: str, due: bool) -> None:
    assert is_due(SENDER, notify, Outcome(result)) == due


@pytest.mark.parametrize("result", FAILURES)
@pytest.mark.parametrize("notify", ["", "NEVER", "SUCCESS"])
def test_a_failure_of_mail_without_a_sender_is_a_double_bounce_that_the_router_must_see(
    result: Result, notify: str
) -> None:
    assert is_due("", notify, Outcome(result))


@pytest.mark.parametrize("result", IN_A_MAILBOX)
@pytest.mark.parametrize(
    ("sender", "notify", "due"),
    [
        (SENDER, "SUCCESS", True),
        (SENDER, "FAILURE,SUCCESS", True),
        (SENDER, "", False),
        (SENDER, "FAILURE,DELAY", False),
        (SENDER, "NEVER", False),
        ("", "SUCCESS", False),
    ],
)
def test_a_copy_in_a_mailbox_is_reported_if_success_is_asked_for(
    result: Result, sender: str, notify: str, due: bool
) -> None:
    assert is_due(sender, notify, Outcome(result)) == due


def test_relayed_mail_is_reported_only_if_the_next_host_does_not_report_itself() -> None:
    assert is_due(SENDER, "SUCCESS", Outcome(Result.RELAYED))
    assert not is_due(SENDER, "SUCCESS", Outcome(Result.RELAYED, dsn_passed=True))
    assert not is_due(SENDER, "FAILURE", Outcome(Result.RELAYED))


@pytest.mark.parametrize("result", SILENT)
@pytest.mark.parametrize("notify", ["", "SUCCESS", "SUCCESS,FAILURE,DELAY"])
def test_discarded_and_redirected_mail_is_never_reported(result: Result, notify: str) -> None:
    assert not is_due(SENDER, notify, Outcome(result))


@pytest.mark.parametrize("result", list(Result))
def test_whoever_says_never_hears_nothing(result: Result) -> None:
    assert not is_due(SENDER, "NEVER", Outcome(result))
    assert not delay_is_due(SENDER, [target("NEVER")])


def test_an_outcome_is_written_with_its_target_and_time() -> None:
    outcome = Outcome(Result.DELIVERED, "2.1.5", "", "INBOX UID 7")
    assert outcome_rows(SENDER, [target(index=3)], {3: outcome}, NOW) == {
        "3": {
            "result": "delivered",
            "status": "2.1.5",
            "address": "ann@one.test",
            "tenant": "one",
            "at": NOW,
            "place": "INBOX UID 7",
        }
    }


def test_an_outcome_that_is_reported_keeps_what_the_report_must_quote() -> None:
    [row] = outcome_rows(
        SENDER, [target("FAILURE")], {0: Outcome(Result.BOUNCED, "5.1.1", "550 no")}, NOW
    ).values()
    assert (row["report"], row["notify"], row["orcpt"], row["text"]) == (
        True,
        "FAILURE",
        "rfc822;Ann@one.test",
        "550 no",
    )


def test_a_failure_that_nobody_hears_of_keeps_the_reason_why() -> None:
    [row] = outcome_rows(SENDER, [target("NEVER")], {0: Outcome(Result.BOUNCED, "5.1.1")}, NOW).values()
    assert ("report" in row, row["notify"], any_due([row])) == (False, "NEVER", False)


def test_targets_without_an_outcome_and_outcomes_of_other_targets_are_left_out() -> None:
    targets = [target(index=0), target(index=2)]
    rows = outcome_rows(SENDER, targets, {2: Outcome(Result.RELAYED), 5: Outcome(Result.RELAYED)}, NOW)
    assert list(rows) == ["2"]


def test_a_report_is_due_if_any_outcome_needs_one() -> None:
    rows = outcome_rows(
        SENDER,
        [target(index=0), target(index=1)],
        {0: Outcome(Result.DELIVERED), 1: Outcome(Result.EXPIRED, "5.4.7")},
        NOW,
    )
    assert any_due(rows.values())
    assert not any_due([rows["0"]])
    assert not any_due([])
