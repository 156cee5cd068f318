"""A domain's DKIM keys as values. Pure.

Each algorithm of a domain has two selectors, which the customer publishes once, as CNAME records to the zone of the
provider. Keys use the two in turn, so that a rotation changes the provider's zone only:

    pending    generated; becomes active when the DNS shows it
    active     signs
    retiring   signs no more; still published, because signed messages are on their way
    retired    its private key is deleted; its selector is published as revoked (RFC 6376, section 3.6.1)
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

DEFAULT_PREFIX = "mailyard"
SLOTS = (1, 2)
_RSA_BITS = 2048  # RFC 8301, section 3.2
_RSA_EXPONENT = 65537


class Algorithm(StrEnum):
    """How a key signs (RFC 6376, section 3.3; RFC 8463)."""

    RSA = "rsa"
    ED25519 = "ed25519"


class KeyState(StrEnum):
    """The state of a key."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key: `public` is the value of the tag p= (RFC 6376, section 3.6.1), `private` is PKCS #8 in DER."""

    public: str
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key of a domain; `private` is sealed, and empty after the key was retired."""

    id: ObjectId
    tenant: str
    domain: str
    prefix: str  # of the selector
    slot: int  # 1 or 2
    algorithm: Algorithm
    state: KeyState
    public: str
    private: str = field(repr=False)
    created_at: datetime
    checks: int = 0  # how often the DNS did not show it

    @property
    def selector(self) -> str:
        """The selector that the key is published under."""
        return selector_of(self.prefix, self.slot, self.algorithm)

    @property
    def sealing_context(self) -> str:
        """The place that the private key is sealed for."""
        return f"dkim {self.domain} {self.selector} {self.id}"


def new_key_pair(algorithm: Algorithm) -> KeyPair:
    """Generate a key: about 0.1 s for RSA."""
    if algorithm is Algorithm.RSA:
        rsa = generate_private_key(public_exponent=_RSA_EXPONENT, key_size=_RSA_BITS)
        public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        private = rsa.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    else:
        ed25519 = Ed25519PrivateKey.generate()
        public = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)  # RFC 8463, section 4.2
        private = ed25519.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(base64.b64encode(public).decode("ascii"), private)


def selector_of(prefix: str, slot: int, algorithm: Algorithm) -> str:
    """Return the selector of a slot: `mailyard1`, `mailyard1-ed25519`."""
    return f"{prefix}{slot}" if algorithm is Algorithm.RSA else f"{prefix}{slot}-{algorithm}"


def other_slot(slot: int) -> int:
    """Return the slot that the next key of the same algorithm uses."""
    return SLOTS[0] if slot == SLOTS[1] else SLOTS[1]


def key_record(algorithm: Algorithm, public: str) -> str:
    """Return the text of a TXT record (RFC 6376, section 3.6.1); an empty `public` says that the key was revoked."""
    return f"v=DKIM1; k={algorithm}; p={public}"


def is_published(key: DkimKey, records: Iterable[str]) -> bool:
    """Return whether the TXT records of a selector are this key's and no other's (RFC 6376, section 3.6.2.2)."""
    found = [_tags(record) for record in records]
    return len(found) == 1 and found[0].get("p") == key.public and found[0].get("k", "rsa") == key.algorithm


def _tags(record: str) -> dict[str, str]:
    """Read a tag list (RFC 6376, section 3.2); white space in values does not count."""
    pairs = (each.partition("=") for each in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}
