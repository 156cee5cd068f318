"""Where a message goes: from what the directory says of its recipients to legs. Pure.

A leg is what can be worked on together: the mailboxes of one tenant, or one remote site for one tenant. A message
with a single leg, which is nearly every message, needs no row but its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.directory.model import Destination, LocalAccount, Remote, Unknown
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.outcome import Outcome, Result
from mailyard.spool.row import Leg, Route


@dataclass(frozen=True, slots=True)
class Straight:
    """The message goes on as it is, with these targets."""

    leg: Leg
    expanded: int


@dataclass(frozen=True, slots=True)
class Several:
    """The message is split; `failed` are the outcomes of targets that nobody can reach, by leg and target number."""

    legs: tuple[Leg, ...]
    failed: tuple[tuple[int, dict[int, Outcome]], ...]


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No recipient can be reached."""

    outcomes: dict[int, Outcome]


Decision = Straight | Several | Nowhere


def decide(ticket: Ticket, destinations: Sequence[Sequence[Destination]]) -> Decision:
    """Decide how a message goes on.

    Args:
        ticket: a message as accepted.
        destinations: for each of its recipients, in order, where mail for it ends.

    """
    legs, unknown = _gather(ticket, destinations)
    if not legs and _one_each(destinations):
        return Nowhere({target.index: _failure(reason) for target, reason in unknown})
    if len(legs) == 1 and not unknown and _plain(ticket, legs[0]):
        return Straight(legs[0], len(legs[0].targets) - len(ticket.recipients))
    if not unknown:
        return Several(tuple(legs), ())
    lost = Leg(Route.LOCAL, ticket.tenant, "", _numbered([target for target, _ in unknown]))
    outcomes = {number: _failure(reason) for number, (_, reason) in enumerate(unknown)}
    return Several((*legs, lost), ((len(legs), outcomes),))


def _gather(
    ticket: Ticket, destinations: Sequence[Sequence[Destination]]
) -> tuple[list[Leg], list[tuple[Recipient, Unknown]]]:
    """Sort all targets into legs, each account and each remote address once, and those that nobody can reach."""
    ways: dict[tuple[Route, str, str], dict[str, Recipient]] = {}
    unknown: list[tuple[Recipient, Unknown]] = []
    for number, (recipient, ends) in enumerate(zip(ticket.recipients, destinations, strict=True)):
        for end in ends:
            target = _target(recipient, number, end)
            match end.resolution:
                case LocalAccount(tenant=tenant):
                    ways.setdefault((Route.LOCAL, tenant, ""), {}).setdefault(target.account, target)
                case Remote(domain=domain):
                    way = (Route.REMOTE, recipient.tenant or ticket.tenant, domain)
                    ways.setdefault(way, {}).setdefault(target.address, target)
                case Unknown() as reason:
                    unknown.append((target, reason))
    legs = [
        Leg(route, tenant, site, _numbered(list(targets.values())))
        for (route, tenant, site), targets in ways.items()
    ]
    return legs, unknown


def _target(recipient: Recipient, origin: int, end: Destination) -> Recipient:
    target = Recipient(
        address=str(end.address),
        origin=origin,
        index=origin,
        tenant=recipient.tenant,
        notify=recipient.notify,
        orcpt=recipient.orcpt,
    )
    if isinstance(end.resolution, LocalAccount):
        target.tenant = end.resolution.tenant
        target.account = str(end.resolution.account.id)
        target.detail = end.resolution.detail
    return target


def _numbered(targets: list[Recipient]) -> tuple[Recipient, ...]:
    for number, target in enumerate(targets):
        target.index = number
    return tuple(targets)


def _plain(ticket: Ticket, leg: Leg) -> bool:
    """Say whether the ledger can see from the row alone what became of each accepted recipient."""
    return (
        len(leg.targets) >= len(ticket.recipients)
        and leg.tenant == ticket.tenant
        and all(recipient.tenant == leg.tenant for recipient in ticket.recipients)
        and all(target.tenant == leg.tenant for target in leg.targets)
    )


def _one_each(destinations: Sequence[Sequence[Destination]]) -> bool:
    return all(len(ends) == 1 for ends in destinations)


def _failure(reason: Unknown) -> Outcome:
    return Outcome(Result.BOUNCED, reason.status, f"550 {reason.status} {reason.reason}")
