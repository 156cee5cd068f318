"""Decide the legs of a message from the destinations of its recipients: pure.

A leg has at most `MOST_LEG_TARGETS` targets: mailboxes of one tenant, or addresses of one remote site for one tenant. A
message with a single leg, which is nearly every message, needs no further row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mailyard.broker.pipeline import Route
from mailyard.directory.model import Destination, LocalAccount, Remote, Unknown
from mailyard.message.notify import Event, union, wants, without_success
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.outcome import Outcome, Result
from mailyard.spool.row import Leg

MOST_LEG_TARGETS: Final = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Single:
    """The message has one leg: it goes on in its own row."""

    leg: Leg
    expanded: int
    renamed: bool  # the targets do not follow from the accepted recipients alone


@dataclass(frozen=True, slots=True)
class Split:
    """The message has several legs, each with a row of its own.

    `failed`: outcomes of undeliverable targets, by position of the leg and target number. `expanded`: aliases whose
    expansion is reported to the sender.
    """

    legs: tuple[Leg, ...]
    failed: tuple[tuple[int, dict[int, Outcome]], ...]
    expanded: tuple[Recipient, ...] = ()


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """No recipient can be reached."""

    outcomes: dict[int, Outcome]


Decision = Single | Split | Undeliverable
Ends = tuple[Destination, ...]


def too_many(most: int) -> Unknown:
    """Return the reason for a recipient that exceeds the bound of targets of a message (RFC 3463, X.5.3)."""
    return Unknown(f"its aliases lead one message to more than {most} addresses", "5.5.3")


def bounded(destinations: Sequence[Ends], most: int) -> list[Ends]:
    """Fail the recipients, in order, whose destinations exceed the bound of targets of the message."""
    if sum(map(len, destinations)) <= most:
        return list(destinations)
    left = most
    kept: list[Ends] = []
    for ends in destinations:
        if len(ends) > left:
            kept.append((Destination(ends[0].address, too_many(most)),))
        else:
            kept.append(ends)
            left -= len(ends)
    return kept


def decide(ticket: Ticket, destinations: Sequence[Sequence[Destination]]) -> Decision:
    """Decide the legs of a message.

    Args:
        ticket: a message as accepted.
        destinations: for each of its recipients, in order, the final destinations after expansion of aliases.

    """
    legs, unknown = _gather(ticket, destinations)
    expanded = _expanded(ticket, destinations)
    if not legs and all(len(ends) == 1 for ends in destinations):
        return Undeliverable({target.index: _failure(reason) for target, reason in unknown})
    if len(legs) == 1 and not unknown and not expanded and _plain(ticket, legs[0]):
        added = len(legs[0].targets) - len(ticket.recipients)
        return Single(legs[0], added, renamed=_renamed(ticket, legs[0]))
    failed = []
    for part in _parts(unknown):
        outcomes = {number: _failure(reason) for number, (_, reason) in enumerate(part)}
        legs.append(Leg(Route.LOCAL, ticket.tenant, "", _numbered([target for target, _ in part])))
        failed.append((len(legs) - 1, outcomes))
    return Split(tuple(legs), tuple(failed), expanded)


def _gather(
    ticket: Ticket, destinations: Sequence[Sequence[Destination]]
) -> tuple[list[Leg], list[tuple[Recipient, Unknown]]]:
    """Sort the targets into legs, each account and each remote address once; return undeliverable targets apart."""
    groups: dict[tuple[Route, str, str], dict[str, Recipient]] = {}
    named: set[int] = set()  # targets that the sender named, not an alias
    unknown: list[tuple[Recipient, Unknown]] = []
    for number, (recipient, ends) in enumerate(zip(ticket.recipients, destinations, strict=True)):
        for end in ends:
            target = _target(recipient, number, end, several=len(ends) > 1)
            match end.resolution:
                case LocalAccount(tenant=tenant):
                    group, key = (Route.LOCAL, tenant, ""), target.account
                case Remote(domain=domain):
                    group, key = (Route.REMOTE, recipient.tenant or ticket.tenant, domain), target.address
                case Unknown() as reason:
                    unknown.append((target, reason))
                    continue
            known = groups.setdefault(group, {}).setdefault(key, target)
            if known is not target:
                _join(known, target, named, direct=len(ends) == 1)
            if len(ends) == 1:
                named.add(id(known))
    legs = [
        Leg(route, tenant, site, _numbered(part))
        for (route, tenant, site), targets in groups.items()
        for part in _parts(list(targets.values()))
    ]
    return legs, unknown


def _join(known: Recipient, other: Recipient, named: set[int], *, direct: bool) -> None:
    """Merge two recipients with the same target: reports are about the recipient that the sender named."""
    if not direct:
        return
    if id(known) in named:
        known.notify = union(known.notify, other.notify)
    else:
        known.notify, known.orcpt = other.notify, other.orcpt


def _target(recipient: Recipient, origin: int, end: Destination, *, several: bool) -> Recipient:
    target = Recipient(
        address=str(end.address),
        origin=origin,
        index=origin,
        tenant=recipient.tenant,
        notify=without_success(recipient.notify) if several else recipient.notify,
        orcpt=recipient.orcpt,
    )
    if isinstance(end.resolution, LocalAccount):
        target.tenant = end.resolution.tenant
        target.account = str(end.resolution.account.id)
        target.detail = end.resolution.detail
    return target


def _expanded(ticket: Ticket, destinations: Sequence[Sequence[Destination]]) -> tuple[Recipient, ...]:
    """Return the aliases with several members whose sender asked for success (RFC 3461, section 5.2.7.3)."""
    if not ticket.sender or not any(recipient.notify for recipient in ticket.recipients):
        return ()
    return tuple(
        Recipient(address=alias.address, index=number, notify=alias.notify, orcpt=alias.orcpt)
        for number, (alias, ends) in enumerate(zip(ticket.recipients, destinations, strict=True))
        if len(ends) > 1 and wants(alias.notify, Event.SUCCESS)
    )


def _numbered(targets: list[Recipient]) -> tuple[Recipient, ...]:
    for number, target in enumerate(targets):
        target.index = number
    return tuple(targets)


def _parts(items: list[T]) -> Iterator[list[T]]:
    """Cut a list into parts of the size of a leg."""
    for start in range(0, len(items), MOST_LEG_TARGETS):
        yield items[start : start + MOST_LEG_TARGETS]


def _plain(ticket: Ticket, leg: Leg) -> bool:
    """Return whether the row alone shows the ledger the outcome of each accepted recipient."""
    return (
        len(leg.targets) >= len(ticket.recipients)
        and leg.tenant == ticket.tenant
        and all(recipient.tenant == leg.tenant for recipient in ticket.recipients)
        and all(target.tenant == leg.tenant for target in leg.targets)
    )


def _renamed(ticket: Ticket, leg: Leg) -> bool:
    """Return whether the targets of a leg differ from the recipients in the row."""
    accepted = [recipient.address for recipient in ticket.recipients]
    return [target.address for target in leg.targets] != accepted


def _failure(reason: Unknown) -> Outcome:
    return Outcome(Result.BOUNCED, reason.status, f"550 {reason.status} {reason.reason}")
