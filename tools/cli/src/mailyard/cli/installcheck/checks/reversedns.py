"""Reverse DNS of the source address: many hosts require a name that resolves to the address (RFC 1912, section 2.1)."""

from dataclasses import dataclass
from ipaddress import ip_address

from mailyard.cli.installcheck.finding import Finding, error, ok, warning


@dataclass(frozen=True, slots=True)
class ReverseFacts:
    """The source address; `forward`: the addresses of each of its names."""

    address: str
    forward: dict[str, frozenset[str]]


def check_reverse_dns(facts: ReverseFacts, hostname: str | None) -> list[Finding]:
    """Check that the names resolve to the address, and that one is the EHLO name of relay."""
    if not facts.forward:
        advice = f"Ask the provider of the address for a PTR record with {hostname or 'your host name'}."
        return [error(f"{facts.address} has no name (PTR record)", advice)]
    address = ip_address(facts.address)
    confirmed = sorted(
        name for name, addresses in facts.forward.items() if address in map(ip_address, addresses)
    )
    if not confirmed:
        names = ", ".join(sorted(facts.forward))
        advice = f"Add an A or AAAA record of {names} with {facts.address}."
        return [error(f"{facts.address} has the name {names}, which does not resolve to it", advice)]
    if hostname is not None and hostname.lower() not in {name.lower() for name in confirmed}:
        text = f"{facts.address} is {', '.join(confirmed)}, and not {hostname}"
        return [warning(text, f"Set the PTR record to {hostname}: receivers compare it with the EHLO name.")]
    return [ok(f"{facts.address} is {', '.join(confirmed)}, which resolves to it")]
