"""The DNS records of DKIM keys: those of customers, and those in the provider's zone. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mailyard.directory.dkim.keys import SLOTS, Algorithm, DkimKey, KeyState, key_record, selector_of
from mailyard.directory.errors import Invalid

_LONGEST_NAME = 253  # RFC 1035, section 2.3.4, without the final dot
_LONGEST_STRING = 255  # RFC 1035, section 3.3
_PUBLISHED = frozenset({KeyState.PENDING, KeyState.ACTIVE, KeyState.RETIRING})


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record; names are absolute, without the final dot."""

    name: str
    kind: str  # CNAME or TXT
    value: str

    def zone_line(self, seconds: int) -> str:
        """Return the line of a zone file (RFC 1035, section 5)."""
        value = f"{self.value}." if self.kind == "CNAME" else " ".join(_strings(self.value))
        return f"{self.name}. {seconds} IN {self.kind} {value}"


def key_name(domain: str, selector: str) -> str:
    """Return where verifiers look a key up (RFC 6376, section 3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def target_name(domain: str, selector: str, zone: str) -> str:
    """Return where the key stands in the provider's zone. Raises Invalid: the name would be too long."""
    name = f"{selector}.{domain}.{zone}"
    if len(name) > _LONGEST_NAME:
        raise Invalid(
            f"{name} has {len(name)} characters, more than {_LONGEST_NAME}: use a shorter MAILYARD_DKIM_ZONE"
        )
    return name


def customer_records(domain: str, prefix: str, algorithms: Iterable[Algorithm], zone: str) -> list[DnsRecord]:
    """Return the CNAME records that the customer publishes once: two for each algorithm. Raises Invalid."""
    selectors = [selector_of(prefix, slot, algorithm) for algorithm in algorithms for slot in SLOTS]
    return [DnsRecord(key_name(domain, each), "CNAME", target_name(domain, each, zone)) for each in selectors]


def provider_records(keys: Iterable[DkimKey], zone: str) -> Iterator[DnsRecord]:
    """Return the TXT records of the provider's zone for all keys, of all states. Raises Invalid.

    A selector without a published key gets an empty one, so that the customer's CNAME leads somewhere.
    """
    public: dict[tuple[str, str], tuple[Algorithm, str]] = {}
    for key in keys:
        for slot in SLOTS:
            place = (key.domain, selector_of(key.prefix, slot, key.algorithm))
            if slot == key.slot and key.state in _PUBLISHED:
                public[place] = (key.algorithm, key.public)
            else:
                public.setdefault(place, (key.algorithm, ""))
    for (domain, selector), (algorithm, text) in sorted(public.items()):
        yield DnsRecord(target_name(domain, selector, zone), "TXT", key_record(algorithm, text))


def _strings(text: str) -> Iterator[str]:
    """Divide a text into quoted strings; readers join them (RFC 6376, section 3.6.2.2)."""
    for start in range(0, len(text), _LONGEST_STRING):
        yield f'"{text[start : start + _LONGEST_STRING]}"'
