"""A domain's records: MX, SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489), MTA-STS (RFC 8461)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailyard.cli.installcheck.finding import Finding, error, ok, unknown, warning


@dataclass(frozen=True, slots=True)
class DomainRecords:
    """The DNS records of a domain; `dkim`: the records of each given selector."""

    domain: str
    exchangers: Sequence[str]
    spf: Sequence[str]
    dmarc: Sequence[str]
    mta_sts: Sequence[str]
    dkim: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check_records(records: DomainRecords, hostname: str | None) -> list[Finding]:
    """Check each kind of record."""
    return [_mx(records, hostname), _spf(records), *_dkim(records), _dmarc(records), _mta_sts(records)]


def _mx(records: DomainRecords, hostname: str | None) -> Finding:
    domain, found = records.domain, ", ".join(records.exchangers)
    advice = f"{domain}. MX 10 {hostname or 'your host name'}."
    if not records.exchangers:
        return error(f"{domain} has no MX record", f"Add: {advice}")
    if hostname is None:
        return unknown(f"{domain} has MX {found}", "Use --host to compare.")
    if hostname.lower() not in {name.lower() for name in records.exchangers}:
        return error(f"mail for {domain} goes to {found}, and not to {hostname}", f"Add: {advice}")
    return ok(f"{domain} has MX {found}")


def _spf(records: DomainRecords) -> Finding:
    domain = records.domain
    if not records.spf:
        return warning(
            f"{domain} has no SPF record",
            f'Add: {domain}. TXT "v=spf1 ip4:ADDRESS -all", with the addresses that relay sends from',
        )
    if len(records.spf) > 1:
        return error(f"{domain} has {len(records.spf)} SPF records: receivers ignore them", "Keep only one.")
    if {"all", "+all"} & set(records.spf[0].lower().split()):
        return error(f"the SPF record of {domain} permits every sender", "End it with -all.")
    return ok(f"{domain} has SPF {records.spf[0]}")


def _dkim(records: DomainRecords) -> list[Finding]:
    if not records.dkim:
        text = f"it is unknown whether {records.domain} has DKIM keys"
        return [unknown(text, "Set the signing selector with --dkim-selector.")]
    return [_key(records.domain, selector, found) for selector, found in records.dkim.items()]


def _key(domain: str, selector: str, found: Sequence[str]) -> Finding:
    name = f"{selector}._domainkey.{domain}"
    if not found:
        return error(f"there is no DKIM key at {name}", f'Add: {name}. TXT "v=DKIM1; k=...; p=..."')
    if not any(tags(text).get("p") for text in found):
        return error(
            f"the DKIM key at {name} is revoked or empty", "Publish the key, or sign with another one."
        )
    return ok(f"there is a DKIM key at {name}")


def _dmarc(records: DomainRecords) -> Finding:
    name = f"_dmarc.{records.domain}"
    if not records.dmarc:
        advice = f'Add: {name}. TXT "v=DMARC1; p=none; rua=mailto:postmaster@{records.domain}"'
        return warning(f"{records.domain} has no DMARC record", advice)
    if len(records.dmarc) > 1:
        return error(f"{name} has several DMARC records: receivers ignore them", "Keep only one.")
    if tags(records.dmarc[0]).get("p") not in {"none", "quarantine", "reject"}:
        return error(f"{name} has no policy: {records.dmarc[0]}", "Write p=none, p=quarantine or p=reject.")
    return ok(f"{records.domain} has DMARC {records.dmarc[0]}")


def _mta_sts(records: DomainRecords) -> Finding:
    if not records.mta_sts:
        return ok(f"{records.domain} publishes no MTA-STS policy (optional)")
    if len(records.mta_sts) > 1 or not tags(records.mta_sts[0]).get("id"):
        advice = f'Keep only one: _mta-sts.{records.domain}. TXT "v=STSv1; id=..."'
        return error(f"_mta-sts.{records.domain} is not valid: senders ignore it", advice)
    return ok(f"{records.domain} publishes an MTA-STS policy")


def tags(text: str) -> dict[str, str]:
    """Read `name=value; name=value` (RFC 6376, section 3.2)."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, assigned, value in pairs if assigned}
