"""Outcomes of targets, and the report of one attempt at a leg."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Ticket


class Result(StrEnum):
    """How a target ended: a column of the ledger. Routers from 0.4 on also balance results that they do not know."""

    DELIVERED = "delivered"
    RELAYED = "relayed"
    BOUNCED = "bounced"
    DISCARDED = "discarded"
    QUARANTINED = "quarantined"  # kept apart from the mail that its recipient reads: in Junk
    EXPIRED = "expired"
    REDIRECTED = "redirected"  # sent on to another address, as a message of its own

    @property
    def failed(self) -> bool:
        """Whether the sender gets a report of failure (RFC 3464)."""
        return self in (Result.BOUNCED, Result.EXPIRED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one target."""

    result: Result
    status: str = "2.0.0"  # RFC 3463
    text: str = ""  # for the sender: the reply of the remote host, or the reason of Mailyard
    place: str = ""  # mailbox and UID, or the remote host
    dsn_passed: bool = False  # the remote host took over the DSN parameters (RFC 3461, section 5.2.2)


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why and until when the targets without an outcome wait."""

    due_at: datetime
    route: Route | None  # None: it has not been routed
    status: str
    text: str
    tried: bool = True  # False: no attempt was made, and the waiting time does not grow


@dataclass(frozen=True, slots=True)
class Report:
    """One attempt at a ticket: outcomes by target number, and a deferral for the other targets if there are any."""

    ticket: Ticket
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    deferral: Deferral | None = None

    def __post_init__(self) -> None:
        ends_all = all(target.index in self.outcomes for target in self.ticket.recipients)
        if ends_all == (self.deferral is not None):
            raise ValueError("a report ends every target, or says until when the others wait, and not both")


def ended_alike(ticket: Ticket, outcome: Outcome) -> Report:
    """Report the same end for every target of a ticket."""
    return Report(ticket, {target.index: outcome for target in ticket.recipients})
