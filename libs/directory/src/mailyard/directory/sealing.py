"""Secrets at rest: private keys and passwords of other systems, encrypted before they are stored.

AES-256 in Galois/Counter Mode (NIST SP 800-38D) with a random nonce of 96 bits. A sealed text names its key:

    v1.<key id>.<base64url of nonce, ciphertext and tag>

The context (for instance "dkim example.org s1") is authenticated with it, so that a sealed text is of no use in another
place. Keys are lines, `<key id> <base64 of 32 octets>`: the first one seals, all of them open. To replace a key, put a new
one first, seal everything again, and remove the old one.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailyard.directory.errors import DirectoryError
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.settings import CommonSettings

_VERSION: Final = "v1"
_KEY_OCTETS: Final = 32
_NONCE_OCTETS: Final = 12
_KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class SealingError(DirectoryError):
    """A secret cannot be sealed or opened; the text says why."""


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """The keys of an installation by their ids; the first one seals. Without keys, both methods raise SealingError."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def seal(self, secret: bytes, context: str) -> str:
        """Encrypt a secret for one place. Raises SealingError: there is no key."""
        if not self.keys:
            raise SealingError("there is no key to seal secrets with: set MAILYARD_SEALING_KEYS_FILE")
        name, key = next(iter(self.keys.items()))
        nonce = os.urandom(_NONCE_OCTETS)
        sealed = nonce + AESGCM(key).encrypt(nonce, secret, _bound(name, context))
        return f"{_VERSION}.{name}.{base64.urlsafe_b64encode(sealed).decode('ascii')}"

    def open(self, sealed: str, context: str) -> bytes:
        """Decrypt what `seal` returned for the same context.

        Raises:
            SealingError: the key is missing, the text is not sealed for this context, or it was changed.

        """
        version, name, octets = _divided(sealed)
        if version != _VERSION:
            raise SealingError(f"this version cannot open secrets of the form {version!r}")
        key = self.keys.get(name)
        if key is None:
            raise SealingError(f"the key {name!r} is not among MAILYARD_SEALING_KEYS")
        try:
            return AESGCM(key).decrypt(octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], _bound(name, context))
        except (InvalidTag, ValueError):
            raise SealingError(
                f"the secret was not sealed as {context!r} with the key {name!r}, or was changed"
            ) from None

    def is_current(self, sealed: str) -> bool:
        """Return whether the key that seals now has sealed this text."""
        return _divided(sealed)[1] == next(iter(self.keys), None)


def sealing_keys_of(settings: CommonSettings) -> SealingKeys:
    """Read the setting. Raises Misconfigured: a line is not a key."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(settings.sealing_keys.get_secret_value().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = _key(words[1]) if len(words) == 2 and _KEY_ID.fullmatch(words[0]) else None
        if key is None or words[0] in keys:  # the line itself is a secret
            raise Misconfigured(
                f"MAILYARD_SEALING_KEYS, line {number}: write a key id and a key, each id once;"
                " `mailyard sealing-key new` makes such a line"
            )
        keys[words[0]] = key
    return SealingKeys(keys)


def new_sealing_key(name: str) -> str:
    """Return a line for the file: an id and a random key. Raises SealingError: the id is not possible."""
    if not _KEY_ID.fullmatch(name):
        raise SealingError("a key id has 1 to 32 characters of a-z, 0-9 and hyphen")
    return f"{name} {base64.b64encode(os.urandom(_KEY_OCTETS)).decode('ascii')}"


def _bound(name: str, context: str) -> bytes:
    return f"{_VERSION}.{name}.{context}".encode()


def _divided(sealed: str) -> tuple[str, str, bytes]:
    pieces = sealed.split(".")
    if len(pieces) != 3:
        raise SealingError("the text is not a sealed secret")
    try:
        return pieces[0], pieces[1], base64.b64decode(pieces[2], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealingError("the text is not a sealed secret") from None


def _key(text: str) -> bytes | None:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return octets if len(octets) == _KEY_OCTETS else None
