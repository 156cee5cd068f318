"""Policies: limits and rules that are a tenant's own business, and that one of its domains may have otherwise. Pure.

A domain's policy goes before its tenant's, that one before its reseller's, and that one before the setting of the
installation: None at one level leaves the decision to the next one. A new field is one entry here, and the code that reads it.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar, get_type_hints

from mailyard.directory.errors import Invalid
from mailyard.directory.sizes import octets
from mailyard.smtp.client import Security
from mailyard.smtp.client.nexthop import NextHop

DEFAULT_LOGIN_SOURCE: Final = "mongodb"
LOGIN_PROTOCOLS: Final = ("imap", "pop3", "smtp")
LOGIN_SOURCES: Final = (DEFAULT_LOGIN_SOURCE,)
_SMALLEST_MESSAGE: Final = 65_536  # octets, as of MAILYARD_SMTP_IN_MESSAGE_SIZE
_LONGEST_DAYS: Final = 3650
_MOST_LOCAL_PARTS: Final = 500

DEFAULT_SEPARATOR: Final = "+"
NO_SEPARATOR: Final = "off"
_SEPARATORS: Final = "+-=_#"  # atext (RFC 5321, section 4.1.2) that other mail servers use for it

E = TypeVar("E", bound=StrEnum)


class AuthorPolicy(StrEnum):
    """What becomes of a submitted message whose author is no address of the login (RFC 6409, section 6.1)."""

    REFUSE = "refuse"
    REWRITE = "rewrite"  # the account's address takes its place, the original goes to X-Original-From
    ALLOW = "allow"


class HygieneMode(StrEnum):
    """What becomes of a message about whose client or sender a check before the queue has a concern."""

    OFF = "off"
    NOTE = "note"  # the message is accepted, and its timeline shows the concern
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Entry:
    """How the text of a policy field is read, which may raise ValueError, and what the field decides."""

    read: Callable[[str], object]
    about: str


def _one_of(kind: type[E]) -> Callable[[str], E]:
    def read(text: str) -> E:
        if text not in set(kind):
            raise ValueError(f"write one of {', '.join(kind)}")
        return kind(text)

    return read


def _login_source(text: str) -> str:
    if text not in LOGIN_SOURCES:
        raise ValueError(f"write one of {', '.join(LOGIN_SOURCES)}")
    return text


def _message_size(text: str) -> int:
    if (found := octets(text)) < _SMALLEST_MESSAGE:
        raise ValueError(f"write at least {_SMALLEST_MESSAGE}")
    return found


def _quota(text: str) -> int:
    if (found := octets(text)) <= 0:
        raise ValueError("write a size above zero")
    return found


def _protocols(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    found = tuple(dict.fromkeys(each.strip() for each in text.split(",")))
    if not set(found) <= set(LOGIN_PROTOCOLS):
        raise ValueError(f"write some of {', '.join(LOGIN_PROTOCOLS)}, comma-separated, or none")
    return found


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) > _LONGEST_DAYS:
        raise ValueError(f"write a number of days from 0 to {_LONGEST_DAYS}")
    return int(text)


def _separator(text: str) -> str:
    if text != NO_SEPARATOR and (len(text) != 1 or text not in _SEPARATORS):
        raise ValueError(f"write one of {' '.join(_SEPARATORS)}, or {NO_SEPARATOR}")
    return text


def _next_hop(text: str) -> str:
    NextHop.parse(text)
    return text


def _local_parts(text: str) -> tuple[str, ...]:
    found = tuple(each.strip().lower() for each in text.split(","))
    if len(found) > _MOST_LOCAL_PARTS or not all(found) or any("@" in each for each in found):
        raise ValueError(f"write *, or at most {_MOST_LOCAL_PARTS} local parts, comma-separated")
    return found


def _addresses(text: str) -> tuple[str, ...]:
    found = [ipaddress.ip_address(each.strip()) for each in text.split(",")]
    if len({address.version for address in found}) < len(found):
        raise ValueError("write at most one IPv4 and one IPv6 address, comma-separated")
    return tuple(map(str, found))


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """The policy of a tenant."""

    author_policy: Annotated[
        AuthorPolicy | None,
        Entry(
            _one_of(AuthorPolicy),
            "Submitted mail whose author is no address of the login: refuse, rewrite or allow. Default:"
            " MAILYARD_SMTP_IN_FOREIGN_AUTHOR.",
        ),
    ] = None
    message_size: Annotated[
        int | None,
        Entry(
            _message_size,
            "The largest message that an account may submit, such as 10M. Default, and upper limit:"
            " MAILYARD_SMTP_IN_MESSAGE_SIZE.",
        ),
    ] = None
    account_quota: Annotated[
        int | None,
        Entry(
            _quota,
            "The quota of accounts that are added without one, such as 5G. Default: no quota.",
        ),
    ] = None
    main_password_off: Annotated[
        tuple[str, ...] | None,
        Entry(
            _protocols,
            "Protocols that only app passwords open: imap, pop3, smtp, comma-separated, or none. Accounts may name"
            " more. Default: none.",
        ),
    ] = None
    removed_mail_days: Annotated[
        int | None,
        Entry(
            _days,
            "Days for which the mail of a removed account is kept. Default: 30.",
        ),
    ] = None
    login_log_days: Annotated[
        int | None,
        Entry(
            _days,
            "Days for which the login log of accounts is kept; 0: it is not kept. Default: the setting"
            " LOGIN_LOG_DAYS of the services with logins.",
        ),
    ] = None
    detail_separator: Annotated[
        str | None,
        Entry(
            _separator,
            "The character that plus-addressing splits local parts at, such as + or -; off: addresses are not split."
            f" Default: {DEFAULT_SEPARATOR}.",
        ),
    ] = None
    relay_route: Annotated[
        str | None,
        Entry(
            _next_hop,
            "The host that outgoing mail is sent to, [scheme://]host[:port][?security=...]. Default:"
            " MAILYARD_RELAY_NEXT_HOP, else the DNS. MAILYARD_RELAY_ROUTES goes first.",
        ),
    ] = None
    relay_security: Annotated[
        Security | None,
        Entry(
            _one_of(Security),
            "The least TLS for outgoing mail: none, may, encrypt or verify. MAILYARD_RELAY_SECURITY may ask for more.",
        ),
    ] = None
    relay_sources: Annotated[
        tuple[str, ...] | None,
        Entry(
            _addresses,
            "Own addresses that outgoing mail is sent from, one IPv4 and one IPv6 at most. Default:"
            " MAILYARD_RELAY_SOURCE_ADDRESSES.",
        ),
    ] = None
    dnsbl: Annotated[
        HygieneMode | None,
        Entry(
            _one_of(HygieneMode),
            "Mail from clients that DNS blocklists list: off, note or refuse. Default: MAILYARD_SMTP_IN_DNSBL.",
        ),
    ] = None
    client_name: Annotated[
        HygieneMode | None,
        Entry(
            _one_of(HygieneMode),
            "Mail from clients whose address has no confirmed name: off, note or refuse. Default:"
            " MAILYARD_SMTP_IN_CLIENT_NAME.",
        ),
    ] = None
    helo_check: Annotated[
        HygieneMode | None,
        Entry(
            _one_of(HygieneMode),
            "Mail from clients whose name in HELO or EHLO is wrong: off, note or refuse. Default:"
            " MAILYARD_SMTP_IN_HELO_CHECK.",
        ),
    ] = None
    early_talker: Annotated[
        HygieneMode | None,
        Entry(
            _one_of(HygieneMode),
            "Mail from clients that speak before they are greeted: off, note or refuse. Default:"
            " MAILYARD_SMTP_IN_EARLY_TALKER.",
        ),
    ] = None
    greylisting: Annotated[
        HygieneMode | None,
        Entry(
            _one_of(HygieneMode),
            "Mail from networks that are not known yet: off, note or refuse, which defers the first attempt. Default:"
            " MAILYARD_SMTP_IN_GREYLISTING.",
        ),
    ] = None
    null_sender: Annotated[
        HygieneMode | None,
        Entry(
            _one_of(HygieneMode),
            "Bounces to addresses that never send: off, note or refuse. Default: MAILYARD_SMTP_IN_NULL_SENDER.",
        ),
    ] = None
    never_sends: Annotated[
        tuple[str, ...] | None,
        Entry(
            _local_parts,
            "Addresses that never send, so that every bounce to them is forged: local parts, comma-separated, or * for"
            " all. Default: none.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class DomainPolicy(TenantPolicy):
    """The policy of a domain."""

    login_source: Annotated[
        str | None,
        Entry(
            _login_source,
            f"What checks the logins of its accounts. Default: {DEFAULT_LOGIN_SOURCE}.",
        ),
    ] = None


P = TypeVar("P", bound=TenantPolicy)


def _entries_of(kind: type[TenantPolicy]) -> Mapping[str, Entry]:
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name].__metadata__[0] for each in fields(kind)}


_ENTRIES: Final = {kind: _entries_of(kind) for kind in (TenantPolicy, DomainPolicy)}


def entries(kind: type[TenantPolicy]) -> Mapping[str, Entry]:
    """Return all fields of a policy by name."""
    return _ENTRIES[kind]


def read_policy(kind: type[P], texts: Mapping[str, str]) -> P:
    """Read a policy as it is stored; fields that a later version wrote do not count. Raises Invalid."""
    found: dict[str, Any] = {}
    for name, entry in entries(kind).items():
        if name in texts:
            try:
                found[name] = entry.read(texts[name])
            except ValueError as error:
                raise Invalid(f"{name}: {texts[name]!r} is not possible: {error}") from None
    return kind(**found)


def changed_texts(
    kind: type[TenantPolicy], texts: Mapping[str, str], changes: Mapping[str, str]
) -> dict[str, str]:
    """Return the stored form after some changes; an empty text removes a field. Raises Invalid."""
    known = entries(kind)
    for name in changes:
        if name not in known:
            raise Invalid(f"there is no policy field {name}: write one of {', '.join(known)}")
    found = {name: text for name, text in {**texts, **changes}.items() if text}
    read_policy(kind, found)
    return found


def effective(*levels: TenantPolicy) -> DomainPolicy:
    """Return the policy that results from these, the closest first: that of a domain, of its tenant, of its reseller."""
    found: dict[str, Any] = {}
    for level in reversed(levels):
        values = {each.name: getattr(level, each.name) for each in fields(level)}
        found |= {name: value for name, value in values.items() if value is not None}
    return DomainPolicy(**found)


NO_POLICY: Final = DomainPolicy()


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy as it is in force, or why it cannot be read."""

    policy: DomainPolicy = NO_POLICY
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PolicyLevels:
    """The policies of a domain, of its tenant and of its reseller, as they are stored."""

    domain: Mapping[str, str]
    tenant: Mapping[str, str]
    reseller: Mapping[str, str]

    def in_force(self) -> PolicyInForce:
        """Return what results from them."""
        try:
            inherited = [read_policy(TenantPolicy, each) for each in (self.tenant, self.reseller)]
            return PolicyInForce(effective(read_policy(DomainPolicy, self.domain), *inherited))
        except Invalid as error:
            return PolicyInForce(problem=str(error))

    @property
    def separator(self) -> str:
        """The separator of plus-addressing, empty: off. It is known even where another field cannot be read."""
        levels = (self.domain, self.tenant, self.reseller)
        found = next((each["detail_separator"] for each in levels if "detail_separator" in each), None)
        return "" if found == NO_SEPARATOR else found or DEFAULT_SEPARATOR


NO_LEVELS: Final = PolicyLevels({}, {}, {})
