"""Certificates of the listeners: chain, name and time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailyard.cli.installcheck.finding import Finding, error, ok, warning

SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """The certificate of a listener; `problem`: there was no handshake; `distrust`: why clients do not trust it.

    `authority`: the file of those that were trusted instead of the system's.
    """

    listener: str
    problem: str = ""
    distrust: str = ""
    names: tuple[str, ...] = ()
    expires: datetime | None = None
    authority: str = ""


def check_certificate(facts: ListenerFacts, now: datetime) -> list[Finding]:
    """Check handshake, expiry, trust and remaining time, the worst first."""
    if facts.problem or facts.expires is None:
        advice = "Check that the listener is reachable, offers TLS, and has a certificate in tls."
        return [error(f"{facts.listener} offers no TLS: {facts.problem}", advice)]
    names = ", ".join(facts.names) or "no name"
    if facts.expires <= now:
        return [error(f"the certificate of {facts.listener} expired on {facts.expires:%Y-%m-%d}", _RENEW)]
    if facts.distrust:
        advice = (
            "Get a certificate for the host name, with its whole chain, from an authority that clients trust."
        )
        return [error(f"clients do not trust {facts.listener} (for {names}): {facts.distrust}", advice)]
    if facts.expires - now < SOON:
        return [warning(f"the certificate of {facts.listener} expires on {facts.expires:%Y-%m-%d}", _RENEW)]
    trusted = f", by the authorities in {facts.authority}" if facts.authority else ""
    return [ok(f"{facts.listener}: {names}, until {facts.expires:%Y-%m-%d}{trusted}")]


_RENEW = "Renew it; with cert-manager: kubectl describe certificate. The listeners use it without a restart."
