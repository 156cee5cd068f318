"""Names that the directory accepts: tenant slugs and domain names. Pure."""

import re

import idna

from mailyard.directory.errors import Invalid
from mailyard.message.address import Address, AddressError

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC = re.compile(r"\d+")


def tenant_slug(text: str) -> str:
    """Check a tenant's id: 1 to 63 of a-z, 0-9 and inner hyphens, so that it fits labels and paths everywhere.

    Raises:
        Invalid: it does not.

    """
    if not _SLUG.fullmatch(text):
        raise Invalid(f"{text!r} is not a tenant name: use 1 to 63 of a-z, 0-9 and inner hyphens")
    return text


def domain_name(text: str) -> str:
    """Normalise a domain name to lower case and A-labels (RFC 5891, mapped as UTS #46 says).

    Raises:
        Invalid: it is no host name with at least two labels (RFC 1123, section 2.1).

    """
    try:
        name = idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise Invalid(f"{text!r} is not a domain name: {error}") from None
    last = name.rpartition(".")[2]
    if "." not in name or not last or _NUMERIC.fullmatch(last):
        raise Invalid(f"{text!r} is not a domain name: it needs two labels, the last one not a number")
    return name


def mail_address(text: str) -> Address:
    """Read an address. Raises Invalid."""
    try:
        return Address.parse(text)
    except AddressError as error:
        raise Invalid(f"{text!r} is not a mail address: {error}") from None


def display_domain(name: str) -> str:
    """Write a domain for people: with U-labels (RFC 5890) where it has any, else as it is."""
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name
