"""The crypt(3) hashes of older systems over hashlib: md5-crypt, and Drepper's sha256-crypt and sha512-crypt. Pure.

"Unix crypt using SHA-256 and SHA-512", version 0.6, describes the latter; the names of its steps are kept here. The
caller bounds the rounds and the length of the password.
"""

import hashlib
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Final

DEFAULT_ROUNDS: Final = 5_000
_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MD5_ROUNDS: Final = 1_000

Hash = Callable[[bytes], bytes]

# The octets of a digest in the order of the text, in groups of three.
_MD5_ORDER: Final = (*chain(*((each, each + 6, each + 12) for each in range(4))), 4, 10, 5, 11)
_SHA256_ORDER: Final = (
    *(0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5),
    *(6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29, 31, 30),
)
_SHA512_ORDER: Final = (
    *(0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7),
    *(50, 8, 29, 9, 30, 51, 31, 52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35),
    *(15, 36, 57, 37, 58, 16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41, 63),
)


def md5_crypt(password: bytes, salt: bytes) -> str:
    """Return the digest of `$1$salt$` as text, 22 characters."""
    between = _md5(password + salt + password)
    octets = password + b"$1$" + salt + _repeated(between, len(password))
    octets += b"".join(b"\0" if bit else password[:1] for bit in _bits(len(password)))
    return _text(_stretched(_md5, _md5(octets), password, salt, _MD5_ROUNDS), _MD5_ORDER)


def sha256_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """Return the digest of `$5$rounds=N$salt$` as text, 43 characters."""
    return _text(_sha_crypt(_sha256, password, salt, rounds), _SHA256_ORDER)


def sha512_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """Return the digest of `$6$rounds=N$salt$` as text, 86 characters."""
    return _text(_sha_crypt(_sha512, password, salt, rounds), _SHA512_ORDER)


def _sha_crypt(hashed: Hash, password: bytes, salt: bytes, rounds: int) -> bytes:
    digest_b = hashed(password + salt + password)
    octets = password + salt + _repeated(digest_b, len(password))
    octets += b"".join(digest_b if bit else password for bit in _bits(len(password)))
    digest = hashed(octets)
    sequence_p = _repeated(hashed(password * len(password)), len(password))
    sequence_s = _repeated(hashed(salt * (16 + digest[0])), len(salt))
    return _stretched(hashed, digest, sequence_p, sequence_s, rounds)


def _stretched(hashed: Hash, digest: bytes, password: bytes, salt: bytes, rounds: int) -> bytes:
    """Hash again and again; the three schemes have this in common. The octets around the digest repeat every 42 rounds."""
    around = []
    for number in range(42):
        between = (salt if number % 3 else b"") + (password if number % 7 else b"")
        around.append((password + between, b"") if number & 1 else (b"", between + password))
    whole, rest = divmod(rounds, 42)
    for before, behind in chain(chain.from_iterable(repeat(around, whole)), around[:rest]):
        digest = hashed(before + digest + behind)
    return digest


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()


def _sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def _sha512(octets: bytes) -> bytes:
    return hashlib.sha512(octets).digest()


def _bits(number: int) -> list[int]:
    """Return the bits of a number, the lowest first."""
    return [number >> place & 1 for place in range(number.bit_length())]


def _repeated(octets: bytes, length: int) -> bytes:
    return (octets * (length // len(octets) + 1))[:length]


def _text(digest: bytes, order: Sequence[int]) -> str:
    """Encode a digest: three octets become four characters, the lowest six bits first."""
    found = []
    for start in range(0, len(order), 3):
        octets = bytes(digest[place] for place in order[start : start + 3])
        value = int.from_bytes(octets, "big")
        for _ in range((len(octets) * 8 + 5) // 6):
            found.append(_ALPHABET[value & 63])
            value >>= 6
    return "".join(found)
