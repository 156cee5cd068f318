"""The NOTIFY parameter of RCPT (RFC 3461, section 4.1): which reports a sender wants. Pure.

A value is as RCPT gave it: keywords separated by commas, empty when RCPT gave none.
"""

from enum import StrEnum

NEVER = "NEVER"


class Event(StrEnum):
    """The events that a sender can ask reports of."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


# Without NOTIFY, failures are reported, and delays may be (RFC 3461, section 4.1).
_DEFAULT = frozenset({Event.FAILURE, Event.DELAY})


def wants(notify: str, event: Event) -> bool:
    """Return whether the sender wants a report of an event."""
    return event in (_events(notify) if notify else _DEFAULT)


def without_success(notify: str) -> str:
    """Return the value for the members of an alias that reports `expanded` (RFC 3461, section 5.2.7.3)."""
    if not wants(notify, Event.SUCCESS):
        return notify
    return _value(_events(notify) - {Event.SUCCESS})


def union(first: str, second: str) -> str:
    """Return the value for one target of two recipients: it asks for whatever either of them asks for."""
    if first.upper() == second.upper():
        return first
    events = _events(first) | _events(second)
    return "" if events == _DEFAULT else _value(events)


def _events(notify: str) -> frozenset[Event]:
    said = {each.strip() for each in notify.upper().split(",")} - {""}
    return frozenset(event for event in Event if event in said) if said else _DEFAULT


def _value(events: frozenset[Event]) -> str:
    return ",".join(event for event in Event if event in events) or NEVER
