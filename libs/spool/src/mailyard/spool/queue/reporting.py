"""The columns of an outcome, and whether the sender gets a report of the outcome: pure (RFC 3461, section 4.1).

| outcome | report |
|---|---|
| bounced, expired | failed, unless NOTIFY says otherwise; without a sender it is a double bounce |
| delivered, quarantined | delivered, if NOTIFY has SUCCESS: a copy in Junk is a copy in a mailbox |
| relayed | relayed, if NOTIFY has SUCCESS and the next host did not take over the DSN parameters |
| discarded, redirected | none |
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from mailyard.message.notify import Event, wants
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.spool.outcome import Outcome, Result
from mailyard.store.client import Row


def is_due(sender: str, notify: str, outcome: Outcome) -> bool:
    """Return whether the router has something to do about an outcome."""
    if outcome.result.failed:
        return not sender or wants(notify, Event.FAILURE)
    return bool(sender) and wants(notify, Event.SUCCESS) and _is_success(outcome)


def delay_is_due(sender: str, targets: Iterable[Recipient]) -> bool:
    """Return whether the sender wants to hear of a delay of any of the targets."""
    return bool(sender) and any(wants(target.notify, Event.DELAY) for target in targets)


def outcome_rows(
    sender: str, targets: Iterable[Recipient], outcomes: Mapping[int, Outcome], now: datetime
) -> dict[str, Row]:
    """Write down the outcomes of those targets that have one, by target number."""
    return {
        str(target.index): _outcome_row(sender, outcomes[target.index], target, now)
        for target in targets
        if target.index in outcomes
    }


def any_due(rows: Iterable[Row]) -> bool:
    """Return whether a report is due for any of these outcomes."""
    return any(row.get("report") for row in rows)


def _is_success(outcome: Outcome) -> bool:
    if outcome.result is Result.RELAYED:
        return not outcome.dsn_passed
    return outcome.result in (Result.DELIVERED, Result.QUARANTINED)


def _outcome_row(sender: str, outcome: Outcome, target: Recipient, now: datetime) -> Row:
    row: Row = {
        "result": outcome.result,
        "status": outcome.status,
        "address": target.address,
        "tenant": target.tenant,
        "at": now,
    }
    due = is_due(sender, target.notify, outcome)
    optional: Row = {"text": outcome.text, "place": outcome.place}
    if due or outcome.result.failed:
        optional |= {"notify": target.notify, "orcpt": target.orcpt, "report": due}
    return row | {name: value for name, value in optional.items() if value}
