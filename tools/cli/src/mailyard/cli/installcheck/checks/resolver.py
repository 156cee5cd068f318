"""The resolver: TLSA records are used only if it validates them (RFC 7672, RFC 4035)."""

from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok, warning


@dataclass(frozen=True, slots=True)
class ResolverFacts:
    """The answer for a name in a signed zone; `problem` if there was none."""

    name: str
    authenticated: bool
    problem: str = ""


def check_resolver(facts: ResolverFacts) -> list[Finding]:
    """Check that the answer has the AD bit, without which DANE is impossible."""
    if facts.problem:
        return [error(f"no answer for {facts.name}: {facts.problem}", "Check the cluster's DNS.")]
    if facts.authenticated:
        return [ok(f"the resolver validates DNSSEC ({facts.name})")]
    advice = "Use a validating resolver (unbound, knot-resolver) for the cluster's DNS; without it DANE is impossible."
    return [warning(f"the resolver does not validate DNSSEC ({facts.name})", advice)]
