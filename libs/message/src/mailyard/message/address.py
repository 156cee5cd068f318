"""A mail address of the SMTP envelope: `Mailbox` of RFC 5321, section 4.1.2, with RFC 6531's UTF-8.

An `Address` holds what the text means, not how it was written: the local part without quoting, the
domain in lower case with A-labels. Addresses of header fields, which allow more, are in `addresslist`.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Self

import idna

_MAX_OCTETS = 512  # RFC 5321, section 4.5.3.1 asks for 64 + 255; VERP and SRS senders are longer
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\x80-\U0010ffff"
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)"')
_ESCAPED = re.compile(r"\\(.)")


class AddressError(ValueError):
    """The text is not a mail address; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """One mail address.

    `local` is free of quoting and keeps its case; `domain` is in lower case, with A-labels (RFC 5890),
    or an address literal with its brackets.
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `local@domain`, without angle brackets. Raises AddressError."""
        local, at, domain = text.rpartition("@")
        if not at:
            raise AddressError("an address needs a local part, an @ and a domain")
        if len(text) > _MAX_OCTETS:
            raise AddressError(f"the address is longer than {_MAX_OCTETS} octets")
        return cls(_parse_local(local), _parse_domain(domain))

    def __str__(self) -> str:
        return f"{quote_local(self.local)}@{self.domain}"

    @property
    def key(self) -> str:
        """The key of the address in directories: case and quoting make no difference."""
        if self.local.isascii():
            return f"{self.local.lower()}@{self.domain}"
        lowered = unicodedata.normalize("NFC", self.local).lower()
        return f"{unicodedata.normalize('NFC', lowered)}@{self.domain}"  # five Greek letters lower to no NFC

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the local part is beyond ASCII; domains are A-labels (RFC 6531, section 3.2)."""
        return not self.local.isascii()

    def base_and_detail(self, sep: str = "+") -> tuple[str, str]:
        """Split the local part at the first separator (RFC 5233); no separator: no detail.

        A local part that begins with the separator has no base to split off and is kept whole.
        """
        base, found, detail = self.local.partition(sep)
        return (base, detail) if found and base else (self.local, "")


def quote_local(local: str) -> str:
    """Write a local part as dot-string where that is possible, else as quoted-string."""
    if _DOT_STRING.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _parse_local(text: str) -> str:
    if _DOT_STRING.fullmatch(text):
        return text
    if quoted := _QUOTED.fullmatch(text):
        return _ESCAPED.sub(r"\1", quoted[1])
    raise AddressError("the local part is neither a dot-string nor a quoted string (RFC 5321, 4.1.2)")


def _parse_domain(text: str) -> str:
    lowered = text.lower()
    if _DOMAIN.fullmatch(lowered):
        return lowered
    if lowered.startswith("["):
        return _parse_literal(text)
    if not text.isascii():
        return _to_a_labels(text)
    raise AddressError("the domain is not a host name (RFC 5321, 4.1.2)")


def _to_a_labels(text: str) -> str:
    try:
        domain = idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError(f"the domain is not a valid international name: {error}") from None
    if not _DOMAIN.fullmatch(domain):
        raise AddressError("the domain is not a host name (RFC 5321, 4.1.2)")
    return domain


def _parse_literal(text: str) -> str:
    """RFC 5321, section 4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`."""
    if not text.endswith("]"):
        raise AddressError("the address literal lacks its closing bracket")
    inside = text[1:-1]
    try:
        if inside[:5].lower() == "ipv6:":
            return f"[ipv6:{ipaddress.IPv6Address(inside[5:])}]"
        return f"[{ipaddress.IPv4Address(inside)}]"
    except ValueError:
        raise AddressError("the address literal holds no IP address (RFC 5321, 4.1.3)") from None
