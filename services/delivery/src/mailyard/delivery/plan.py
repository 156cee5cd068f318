"""The delivery plan of a message for one recipient: what to do, and what this means for the sender and the ledger. Pure.

A plan is computed from the verdict. It is a tuple of actions, so that a later source of plans (a user's script) can
combine them: several copies, a copy and a reply, a redirect alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailyard.delivery.recipientcopy import delivered_to
from mailyard.imap.wellknown import INBOX
from mailyard.mailbox.insertion import InsertedMessage
from mailyard.mailbox.model import JUNK
from mailyard.proto.v1.ticket_pb2 import Action, Verdict
from mailyard.spool.outcome import Outcome, Result


@dataclass(frozen=True, slots=True)
class FileInto:
    """Store a copy in a mailbox of the recipient."""

    kind: str = INBOX  # INBOX or JUNK
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the message on to another address, with its envelope sender (RFC 5228, section 4.2)."""

    address: str


@dataclass(frozen=True, slots=True)
class AutomaticReply:
    """Send a message to the envelope sender, unless it is the null reverse-path (RFC 3834)."""

    key: str  # one reply for each message, recipient and key
    octets: bytes  # the whole message


@dataclass(frozen=True, slots=True)
class Discard:
    """End the message for this recipient; nobody gets a report."""

    text: str = "discarded by a rule"


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the message for this recipient; the sender gets a bounce."""

    status: str  # RFC 3463
    text: str


Generated = Redirect | AutomaticReply  # actions that make a message of their own
DeliveryPlan = tuple[FileInto | Generated | Discard | Reject, ...]

KEEP: Final[DeliveryPlan] = (FileInto(INBOX),)  # the implicit keep of RFC 5228, section 2.10.2
QUARANTINE: Final[DeliveryPlan] = (FileInto(JUNK),)
NO_MAILBOX: Final[DeliveryPlan] = (Reject("5.1.1", "550 5.1.1 no such mailbox here"),)
_LOOP: Final = Reject("5.4.6", "554 5.4.6 this recipient has redirected the message before")


def plan_for(verdict: Verdict) -> DeliveryPlan:
    """Return the plan for all recipients of a message, from the verdict of the filter."""
    match verdict.action:
        case Action.ACTION_QUARANTINE:
            return QUARANTINE
        case Action.ACTION_REJECT:
            return (Reject(verdict.status, verdict.text),)
        case Action.ACTION_DISCARD:
            return (Discard(),)
        case _:
            return KEEP


def copies(plan: DeliveryPlan) -> list[FileInto]:
    """Return the copies that a plan stores; their position is their ordinal."""
    return [action for action in plan if isinstance(action, FileInto)]


def generated(plan: DeliveryPlan) -> list[Generated]:
    """Return the actions of a plan that make a message of their own."""
    return [action for action in plan if isinstance(action, Redirect | AutomaticReply)]


def without_loops(plan: DeliveryPlan, prefix: bytes, address: str) -> DeliveryPlan:
    """Refuse a redirect of a message that this recipient has redirected before, as its prefix shows."""
    if not generated(plan) or delivered_to(address) not in prefix:
        return plan
    return tuple(_LOOP if isinstance(action, Redirect) else action for action in plan)


def copy_key(delivery_key: str, ordinal: int) -> str:
    """Return the key of a copy: the delivery key of message and recipient for the first, with `:n` for others."""
    return f"{delivery_key}:{ordinal}" if ordinal else delivery_key


def outcome_of(plan: DeliveryPlan, delivery_key: str, inserted: Mapping[str, InsertedMessage]) -> Outcome:
    """Return the outcome of an executed plan by what was done: a stored copy, a redirect, a refusal, a discard.

    Args:
        plan: what was done.
        delivery_key: of the message and this recipient.
        inserted: copies that this attempt stored; an absent copy was stored by an earlier attempt.

    """
    if stored := copies(plan):
        first = inserted.get(copy_key(delivery_key, 0))
        where = f"{stored[0].kind} UID {first.uid}" if first else stored[0].kind
        quarantined = all(each.kind == JUNK for each in stored)
        return Outcome(Result.QUARANTINED if quarantined else Result.DELIVERED, "2.1.5", "", where)
    for action in plan:
        if isinstance(action, Redirect):
            return Outcome(Result.REDIRECTED, "2.1.5", "", action.address)
    for action in plan:
        if isinstance(action, Reject):
            return Outcome(Result.BOUNCED, action.status, action.text)
    text = next((action.text for action in plan if isinstance(action, Discard)), "")
    return Outcome(Result.DISCARDED, "2.0.0", text)
