"""The resolver: relay believes TLSA records only when it says that it has validated them (RFC 7672, RFC 4035)."""

from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok, warning


@dataclass(frozen=True, slots=True)
class ResolverFacts:
    """What the resolver made of a name in a signed zone; `problem` when it gave no answer."""

    name: str
    authenticated: bool
    problem: str = ""


def check_resolver(facts: ResolverFacts) -> list[Finding]:
    """An answer without the AD bit: no DANE."""
    if facts.problem:
        return [error(f"no answer for {facts.name}: {facts.problem}", "Check the cluster's DNS.")]
    if facts.authenticated:
        return [ok(f"the resolver validates DNSSEC ({facts.name})")]
    advice = (
        "Use a validating resolver (unbound, knot-resolver) for the cluster's DNS; without it DANE is impossible."
    )
    return [warning(f"the resolver does not validate DNSSEC ({facts.name})", advice)]
