"""The proof that a tenant owns a domain: a token in a TXT record that only its owner can publish. Pure.

The record is at a name of its own below the domain, so that it is not among the records that others read.
"""

import secrets
from collections.abc import Iterable
from typing import Final

LABEL: Final = "_mailyard"
_PREFIX: Final = "mailyard-verification="


def new_token() -> str:
    """Return a token that nobody can guess: 128 bits in hex."""
    return secrets.token_hex(16)


def record_name(domain: str) -> str:
    """Return the name of the record of a domain."""
    return f"{LABEL}.{domain}"


def record_text(token: str) -> str:
    """Return the text of the record for a token."""
    return _PREFIX + token


def proves(texts: Iterable[str], token: str) -> bool:
    """Return whether one of the records at the name of a domain has its token; white space around it does no harm."""
    return bool(token) and any(text.strip() == record_text(token) for text in texts)
