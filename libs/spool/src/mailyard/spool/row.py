"""The spool row: the truth about one message, or one leg of it.

| field | holds |
|---|---|
| `_id` | spool id, with `.n` for a leg beyond the first |
| `state` | `active`: it has a ticket; `deferred`: waits for `due_at`; `held`: waits for a decision (`mailyard.spool.queue.held`); `split`: its legs are rows of their own; `done`: every target has its outcome |
| `due_at` | when work on it is or was due; for `active` rows the release that its ticket carries; for `held` rows the acceptance, and nothing is due; absent once it has ended |
| `epoch` | raised by each release: a ticket with a lower one is void |
| `route` | `local` or `remote` once it is routed and that is written; `edge` before: it is in the router's queue, or on its way to mailboxes, because the router writes `remote` before it publishes; absent in rows of 0.2.0, which may be anywhere |
| `source`, `origin`, `client` | how and from whom the message came in (`mailyard.spool.origin`); a leg has `origin` instead of `source`, which marks the row of the message itself |
| `findings` | of checks in the SMTP dialogue |
| `dedupe_key` | of generated mail: unique, so that it is accepted once; `bounce_of` has the same value, and is all that rows of 0.3.0 have |
| `recipients` | as accepted; none in the rows of legs |
| `pending` | targets without an outcome, once they are written; before, they follow from `recipients` |
| `expansions` | by tenant: how many more targets than accepted recipients there are |
| `outcomes` | by target number: result, status, text, time; `report`: a report to the sender is due |
| `expanded` | by recipient number: aliases with several targets whose expansion is reported to the sender |
| `sum` | of a message that ended at once, all targets alike: their tenant, result and number |
| `lease` | of a remote leg: who may send it, and until when |
| `bounce_at` | when a report to the sender is due, or when the claim of the router that makes it ends |
| `bouncing` | keys of `outcomes` and `expanded` in the report that is being made |
| `bounced` | keys that have been reported |
| `bounce_claim`, `bounce_tries` | token of the claim; how many claims there were since a report was made |
| `delay_at` | of a deferred row: since when it is late, for the delay report; in the year 9999 once that is made |
| `timeline` | what happened, oldest first |

Fields that only repeat a default are left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bson import ObjectId

from mailyard.broker.pipeline import Route
from mailyard.proto.v1 import ticket_pb2 as pb
from mailyard.proto.v1.ticket_pb2 import MailClass, Recipient, Ticket, TimelineEntry, Verdict
from mailyard.runtime.clock import from_ms, to_ms
from mailyard.spool.acceptance import Acceptance
from mailyard.spool.finding import finding_message
from mailyard.spool.ids import row_id
from mailyard.spool.origin import client_row, client_row_of, origin_of, origin_of_row
from mailyard.store.client import Row

COLLECTION = "spool"
OPEN_INDEX = "way"  # name of the index of open rows
# Names of the indexes of held rows, by account and by tenant.
HELD_INDEX, HELD_TENANT_INDEX = "held", "held_tenant"
HELD_STATUS = "4.7.0"  # RFC 3463, X.7.0: a rule, not the recipient's host, keeps the message


class RowState(StrEnum):
    """The state of a row."""

    ACTIVE = "active"
    DEFERRED = "deferred"
    HELD = "held"
    SPLIT = "split"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Leg:
    """One way of a message: a tenant's mailboxes, or a remote site."""

    route: Route
    tenant: str
    site: str
    targets: tuple[Recipient, ...]


def row_of(
    acceptance: Acceptance, spool_id: str, batch: ObjectId, accepted_at: datetime, prefix: bytes
) -> Row:
    """Write down an accepted message."""
    row: Row = {
        "_id": spool_id,
        "state": RowState.HELD if acceptance.hold else RowState.ACTIVE,
        "due_at": accepted_at,
        "epoch": 0,
        "route": Route.EDGE,
        "batch": batch,
        "tenant": acceptance.tenant,
        "source": acceptance.source,
        "sender": acceptance.sender,
        "recipients": recipient_rows(acceptance.recipients),
        "blob": acceptance.body.blob_id,
        "size": acceptance.body.size,
        "prefix": prefix,
        "accepted_at": accepted_at,
        "client": client_row(acceptance.client),
    }
    optional = _options(acceptance, acceptance.body_type)
    optional["findings"] = [finding_message(each).SerializeToString() for each in acceptance.findings]
    optional["dedupe_key"] = acceptance.dedupe_key
    optional["bounce_of"] = acceptance.dedupe_key  # so that 0.3.0 makes no second report during an upgrade
    steps = acceptance.steps
    if acceptance.hold:
        steps = (*steps, ("message.held", acceptance.hold))
        optional["reason"] = {"status": HELD_STATUS, "text": acceptance.hold}
    optional["timeline"] = [
        {"at": accepted_at, "stage": "smtp-in", "event": event, "detail": detail} for event, detail in steps
    ]
    return _with(row, optional)


def ticket_of(row: Row) -> Ticket:
    """Make the ticket for what is left to do of a row."""
    spool_id, _, leg = row["_id"].partition(".")
    origin = origin_of_row(row)
    ticket = Ticket(
        spool_id=spool_id,
        leg=int(leg or 0),
        epoch=row["epoch"],
        tenant=row["tenant"],
        mail_class=row.get("class", MailClass.MAIL_CLASS_NORMAL),
        attempt=row.get("attempt", 0),
        released_at_ms=to_ms(row["due_at"]),
        traceparent=row.get("traceparent", ""),
        accepted_at_ms=to_ms(row["accepted_at"]),
        sender=row["sender"],
        recipients=targets_of(row),
        blob_id=row["blob"].binary,
        size=row["size"],
        prefix=row["prefix"],
        site=row.get("site", ""),
        ret=row.get("ret", ""),
        envid=row.get("envid", ""),
        smtputf8=row.get("smtputf8", False),
        body=row.get("body", "7BIT"),
        source=origin.source,
        origin=origin,
        findings=[pb.Finding.FromString(each) for each in row.get("findings", ())],
        expanded=sum(each["count"] for each in row.get("expansions", ())),
    )
    if "verdict" in row:
        ticket.verdict.CopyFrom(Verdict.FromString(row["verdict"]))
    return ticket


def targets_of(row: Row) -> list[Recipient]:
    """Return who still waits for an outcome: what was written as pending, else everyone who was accepted."""
    if "pending" in row:
        ended = row.get("outcomes", {})
        pending = [Recipient(**each) for each in row["pending"]]
        return [target for target in pending if str(target.index) not in ended]
    targets = [Recipient(**each) for each in row["recipients"]]
    for number, target in enumerate(targets):
        target.index = target.origin = number
    return targets


def leg_row(parent: Ticket, number: int, leg: Leg, now: datetime) -> Row:
    """Write down one leg of a message that is split."""
    origin = origin_of(parent)
    row: Row = {
        "_id": row_id(parent.spool_id, number),
        "state": RowState.ACTIVE,
        "due_at": now,
        "epoch": 0,
        "route": leg.route,
        "tenant": leg.tenant,
        "sender": parent.sender,
        "recipients": [],
        "pending": recipient_rows(leg.targets),
        "blob": ObjectId(parent.blob_id),
        "size": parent.size,
        "prefix": parent.prefix,
        "accepted_at": from_ms(parent.accepted_at_ms),
    }
    optional = _options(parent, parent.body)
    optional["findings"] = [each.SerializeToString() for each in parent.findings]
    optional |= {"site": leg.site, "origin": origin.source, "client": client_row_of(origin)}
    return _with(row, optional)


def recipient_rows(recipients: Iterable[Recipient]) -> list[Row]:
    """Write down recipients, or targets."""
    return [{field.name: value for field, value in each.ListFields()} for each in recipients]


def routed_fields(ticket: Ticket, route: Route) -> Row:
    """Return the fields of the row of a routed ticket: its route, and the targets that the router has found."""
    return {
        "route": route,
        "site": ticket.site,
        "pending": recipient_rows(ticket.recipients),
        **expansion_fields(ticket),
    }


def expansion_fields(ticket: Ticket) -> Row:
    """Return the field that counts the targets which aliases added; no field if they added none."""
    return {"expansions": [{"tenant": ticket.tenant, "count": ticket.expanded}]} if ticket.expanded else {}


def timeline_rows(entries: Iterable[TimelineEntry]) -> list[Row]:
    """Write down a timeline."""
    rows: list[Row] = []
    for entry in entries:
        row = {"at": from_ms(entry.at_ms), "stage": entry.stage, "event": entry.event}
        rows.append(row | {"detail": entry.detail} if entry.detail else row)
    return rows


def appended_timeline(entries: Iterable[TimelineEntry]) -> Row:
    """Return the aggregation expression for the timeline of a row with more entries."""
    return {"$concatArrays": [{"$ifNull": ["$timeline", []]}, {"$literal": timeline_rows(entries)}]}


def _options(message: Acceptance | Ticket, body_type: str) -> Row:
    """Return the fields that only some messages have; the others have empty values."""
    return {
        "ret": message.ret,
        "envid": message.envid,
        "smtputf8": message.smtputf8,
        "traceparent": message.traceparent,
        "body": body_type if body_type != "7BIT" else None,
        "class": message.mail_class if message.mail_class != MailClass.MAIL_CLASS_NORMAL else None,
    }


def _with(row: Row, optional: Row) -> Row:
    """Add the optional fields that are not empty."""
    row.update({name: value for name, value in optional.items() if value})
    return row
