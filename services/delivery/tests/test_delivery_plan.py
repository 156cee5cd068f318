"""What a verdict means for a recipient, and what an executed plan means for the ledger."""

import pytest
from bson import ObjectId

from mailyard.delivery.plan import (
    KEEP,
    NO_MAILBOX,
    QUARANTINE,
    AutomaticReply,
    DeliveryPlan,
    Discard,
    FileInto,
    Redirect,
    Reject,
    copies,
    copy_key,
    outcome_of,
    plan_for,
    without_loops,
)
from mailyard.imap.wellknown import INBOX
from mailyard.mailbox.insertion import InsertedMessage
from mailyard.mailbox.model import JUNK
from mailyard.proto.v1.ticket_pb2 import Action, Verdict
from mailyard.spool.outcome import Outcome, Result

REFUSED = Reject("5.7.1", "550 5.7.1 refused")
INSERTED = InsertedMessage(ObjectId(), 7, 1, 9)


@pytest.mark.parametrize(
    ("verdict", "plan"),
    [
        (Verdict(), KEEP),
        (Verdict(action=Action.ACTION_PASS), KEEP),
        (Verdict(action=Action.ACTION_TAG), KEEP),
        (Verdict(action=Action.ACTION_QUARANTINE), QUARANTINE),
        (Verdict(action=Action.ACTION_REJECT, status="5.7.1", text="550 5.7.1 refused"), (REFUSED,)),
        (Verdict(action=Action.ACTION_DISCARD), (Discard(),)),
    ],
)
def test_a_plan_follows_from_the_verdict_alone(verdict: Verdict, plan: DeliveryPlan) -> None:
    assert plan_for(verdict) == plan


def test_the_action_of_a_later_version_keeps_the_mail() -> None:
    assert plan_for(Verdict.FromString(b"\x08\x63")) == KEEP  # action = 99


def test_the_first_copy_has_the_key_of_earlier_versions_and_others_have_an_ordinal() -> None:
    assert copy_key("account:id", 0) == "account:id"
    assert copy_key("account:id", 1) == "account:id:1"


@pytest.mark.parametrize(
    ("plan", "result"),
    [
        (KEEP, Result.DELIVERED),
        (QUARANTINE, Result.QUARANTINED),
        ((FileInto(JUNK), FileInto(JUNK, frozenset({"\\Flagged"}))), Result.QUARANTINED),
        ((FileInto(JUNK), FileInto(INBOX)), Result.DELIVERED),
        ((Discard(), FileInto(INBOX)), Result.DELIVERED),
        ((FileInto(INBOX), REFUSED), Result.DELIVERED),
        ((REFUSED,), Result.BOUNCED),
        ((Discard(), REFUSED), Result.BOUNCED),
        ((Redirect("b@two.test"), Discard()), Result.REDIRECTED),
        ((Redirect("b@two.test"), FileInto(INBOX)), Result.DELIVERED),
        ((AutomaticReply("away", b"x"), Discard()), Result.DISCARDED),
        ((Discard(),), Result.DISCARDED),
        ((), Result.DISCARDED),
        (NO_MAILBOX, Result.BOUNCED),
    ],
)
def test_the_outcome_says_what_was_done(plan: DeliveryPlan, result: Result) -> None:
    assert outcome_of(plan, "account:id", {}).result is result


def test_a_stored_copy_is_named_with_its_uid_unless_an_earlier_attempt_stored_it() -> None:
    assert outcome_of(KEEP, "account:id", {"account:id": INSERTED}).place == "INBOX UID 7"
    assert outcome_of(KEEP, "account:id", {"other:id": INSERTED}).place == "INBOX"
    assert outcome_of(QUARANTINE, "account:id", {"account:id": INSERTED}).place == "Junk UID 7"


def test_a_recipient_without_a_mailbox_is_refused_as_smtp_does_it() -> None:
    assert copies(NO_MAILBOX) == []
    assert outcome_of(NO_MAILBOX, "", {}) == Outcome(
        Result.BOUNCED, "5.1.1", "550 5.1.1 no such mailbox here"
    )


def test_a_message_is_redirected_by_one_recipient_once() -> None:
    plan: DeliveryPlan = (Redirect("b@two.test"), FileInto(INBOX))
    again = b"Delivered-To: a@one.test\r\nReceived: by here\r\n"
    assert without_loops(plan, b"Received: by here\r\n", "a@one.test") == plan
    assert without_loops(plan, again, "c@one.test") == plan
    refused, kept = without_loops(plan, again, "a@one.test")
    assert isinstance(refused, Reject)
    assert (refused.status, kept) == ("5.4.6", FileInto(INBOX))
    assert without_loops(KEEP, again, "a@one.test") is KEEP
