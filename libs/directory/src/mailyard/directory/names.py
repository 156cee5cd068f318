"""Names that the directory accepts: tenant slugs and domain names. Pure."""

import re
import unicodedata

import idna

from mailyard.directory.errors import Invalid
from mailyard.message.address import Address, AddressError

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(?:-[a-zA-Z0-9]{2,8}){0,4}")
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
    """Read an address, with its local part in NFC (RFC 6532, section 3.1). Raises Invalid."""
    try:
        parsed = Address.parse(text)
    except AddressError as error:
        raise Invalid(f"{text!r} is not a mail address: {error}") from None
    return Address(unicodedata.normalize("NFC", parsed.local), parsed.domain)


def language_tag(text: str) -> str:
    """Check a language tag (RFC 5646): a language, with script, region or variants behind it. Raises Invalid."""
    if not _LANGUAGE.fullmatch(text):
        raise Invalid(f"{text!r} is not a language tag: write one such as en, de or pt-BR")
    return text


def display_address(address: Address) -> str:
    """Write an address for people: its domain with U-labels where it has any."""
    return f"{str(address).rpartition('@')[0]}@{display_domain(address.domain)}"


def display_domain(name: str) -> str:
    """Write a domain for people: with U-labels (RFC 5890) where it has any, else as it is."""
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name
