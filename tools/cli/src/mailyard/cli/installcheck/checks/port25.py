"""Port 25: outbound to a given host, and inbound to the front door."""

from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok, warning


@dataclass(frozen=True, slots=True)
class Greeting:
    """The greeting of a server; `problem` if there was none."""

    server: str
    text: str
    problem: str = ""


def check_way_out(facts: Greeting) -> list[Finding]:
    """Check outgoing port 25, which providers often close."""
    if facts.problem:
        advice = (
            "Ask your provider to open outgoing port 25 for the nodes, or send through a smart host "
            "(MAILYARD_RELAY_NEXT_HOP)."
        )
        return [error(f"{facts.server} cannot be reached: {facts.problem}", advice)]
    if not facts.text.startswith("220"):
        return [warning(f"{facts.server} answers {facts.text!r}", "Use another host in --probe-host.")]
    return [ok(f"{facts.server} greets: {facts.text}")]


def check_way_in(facts: Greeting, hostname: str | None) -> list[Finding]:
    """Check that the front door greets with the name in the MX records."""
    if facts.problem:
        advice = "Check the Service's address, firewalls and security groups; run this from outside the cluster too."
        return [error(f"{facts.server} cannot be reached: {facts.problem}", advice)]
    if not facts.text.startswith("220"):
        return [error(f"{facts.server} answers {facts.text!r}", "The log of smtp-in shows the reason.")]
    if hostname is not None and hostname.lower() not in facts.text.lower().split():
        text = f"{facts.server} greets as another host: {facts.text}"
        return [warning(text, f"Set hostname to {hostname}, or check which server answers there.")]
    return [ok(f"{facts.server} greets: {facts.text}")]
