"""Password hashes of other systems: which are understood, and their verification. Pure, and slow: call it in a thread.

| scheme | forms |
|---|---|
| argon2 | `$argon2id$…`, `$argon2i$…` |
| bcrypt | `$2a$`, `$2b$`, `$2y$` |
| sha512-crypt, sha256-crypt, md5-crypt | `$6$`, `$5$`, `$1$` |
| ssha, ssha256, ssha512 | `{SSHA}` and so on, in base64 or, with `.HEX`, in hexadecimal (RFC 2307 and Dovecot) |
| pbkdf2 | `pbkdf2_sha256$…` of Django, `$pbkdf2-sha256$…` of passlib, `{PBKDF2}$1$…` of Dovecot |

Each form may have Dovecot's `{SCHEME}` in front. A hash that would take very long to verify is refused: whoever guesses
at such an account would slow the logins of all.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import bcrypt
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from mailyard.directory.cryptschemes import DEFAULT_ROUNDS, md5_crypt, sha256_crypt, sha512_crypt
from mailyard.directory.errors import Invalid

MAX_CRYPT_ROUNDS: Final = 1_000_000
MAX_PBKDF2_ROUNDS: Final = 5_000_000
MAX_BCRYPT_COST: Final = 15
MAX_ARGON2_KIB: Final = 262_144
MAX_ARGON2_TIME: Final = 32
_MAX_CHARACTERS: Final = 512  # of a hash
_MAX_PASSWORD: Final = 512  # octets that an imported hash is compared with, as in libxcrypt
_MIN_CRYPT_ROUNDS: Final = 1_000  # fewer count as so many
_BCRYPT_OCTETS: Final = 72  # what stands behind them does not count
_DIGESTS: Final = {"": "sha1", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}
_SIZES: Final = {"ssha": ("sha1", 20), "ssha256": ("sha256", 32), "ssha512": ("sha512", 64)}
_HASHER: Final = PasswordHasher()


@dataclass(frozen=True, slots=True)
class ImportedHash:
    """A hash of another system, in the form in which it is stored."""

    text: str
    scheme: str

    def __repr__(self) -> str:
        return f"ImportedHash({self.scheme})"


Verifier = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class _Scheme:
    """A scheme: its name, its form, and what makes a verifier of a match. The latter raises ValueError: not usable."""

    name: str
    form: re.Pattern[str]
    verifier: Callable[[re.Match[str]], Verifier]


def imported_hash(text: str) -> ImportedHash:
    """Read a hash of another system, with or without `{SCHEME}` in front. Raises Invalid."""
    prefix, stored = _stored_form(text.strip())
    try:
        found = _scheme_of(stored)
    except ValueError as error:
        raise Invalid(f"the password hash cannot be used: {error}") from None
    if found is None:
        known = ", ".join(dict.fromkeys(each.name for each in _SCHEMES))
        raise Invalid(
            f"the password hash {'{' + prefix + '} ' if prefix else ''}is of none of the schemes {known}"
        )
    name = found[0].name
    if prefix and name not in _BY_PREFIX.get(prefix, ()):
        raise Invalid(f"the password hash is of scheme {name}, not of {{{prefix}}}")
    return ImportedHash(stored, name)


def verify_imported(hashed: str, password: bytes) -> bool:
    """Return whether a password has this hash; False for a hash of no known scheme."""
    if len(password) > _MAX_PASSWORD:
        return False
    try:
        found = _scheme_of(hashed)
        return found is not None and found[1](password)
    except ValueError:
        return False


def _stored_form(text: str) -> tuple[str, str]:
    """Return Dovecot's scheme and the form that is stored: a prefix stays only where nothing else names the scheme."""
    match = _PREFIX.fullmatch(text)
    if match is None:
        return "", text
    prefix, encoding, rest = match["name"].upper(), (match["encoding"] or "").upper(), match["rest"]
    if prefix.lower() in _SIZES:
        return prefix, f"{{{prefix}}}{_in_base64(rest) if encoding == 'HEX' else rest}"
    if prefix == "PBKDF2":
        return prefix, f"{{PBKDF2}}{rest}" if rest.startswith("$1$") else rest
    return prefix, rest


def _in_base64(text: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError:
        raise Invalid("the password hash is not in hexadecimal") from None


def _scheme_of(hashed: str) -> tuple[_Scheme, Verifier] | None:
    if len(hashed) > _MAX_CHARACTERS:
        return None
    for scheme in _SCHEMES:
        if (match := scheme.form.fullmatch(hashed)) is not None:
            return scheme, scheme.verifier(match)
    return None


def _at_most(what: str, text: str, most: int) -> int:
    if len(text) > len(str(most)) or int(text) > most:
        raise ValueError(f"its {what} is {text[:20]}, and at most {most} is possible")
    if int(text) == 0:
        raise ValueError(f"its {what} is 0")
    return int(text)


def _same(found: str | bytes, expected: str | bytes) -> bool:
    first, second = (each.encode() if isinstance(each, str) else each for each in (found, expected))
    return hmac.compare_digest(first, second)


def _argon2(match: re.Match[str]) -> Verifier:
    hashed = match[0]
    try:
        used = extract_parameters(hashed)
    except InvalidHashError:
        raise ValueError("it is no argon2 hash") from None
    _at_most("memory in KiB", str(used.memory_cost), MAX_ARGON2_KIB)
    _at_most("time cost", str(used.time_cost), MAX_ARGON2_TIME)

    def verify(password: bytes) -> bool:
        try:
            return _HASHER.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    return verify


def _bcrypt(match: re.Match[str]) -> Verifier:
    _at_most("cost", match["cost"], MAX_BCRYPT_COST)
    hashed = match[0].encode()
    return lambda password: bcrypt.checkpw(password[:_BCRYPT_OCTETS], hashed)


def _sha_crypt(digest: Callable[[bytes, bytes, int], str]) -> Callable[[re.Match[str]], Verifier]:
    def verifier(match: re.Match[str]) -> Verifier:
        given = match["rounds"]
        rounds = DEFAULT_ROUNDS if given is None else _at_most("number of rounds", given, MAX_CRYPT_ROUNDS)
        salt = match["salt"].encode()
        return lambda password: _same(digest(password, salt, max(rounds, _MIN_CRYPT_ROUNDS)), match["digest"])

    return verifier


def _md5_crypt(match: re.Match[str]) -> Verifier:
    return lambda password: _same(md5_crypt(password, match["salt"].encode()), match["digest"])


def _salted(match: re.Match[str]) -> Verifier:
    name, size = _SIZES[match["name"].lower()]
    octets = _decoded(match["octets"])
    if len(octets) <= size:
        raise ValueError("it has no salt")
    digest, salt = octets[:size], octets[size:]
    return lambda password: _same(hashlib.new(name, password + salt).digest(), digest)


def _pbkdf2_of_django(match: re.Match[str]) -> Verifier:
    return _pbkdf2(match["digest"], match["rounds"], match["salt"].encode(), _decoded(match["octets"]))


def _pbkdf2_of_passlib(match: re.Match[str]) -> Verifier:
    salt, octets = (_decoded(match[each].replace(".", "+")) for each in ("salt", "octets"))
    return _pbkdf2(match["digest"] or "", match["rounds"], salt, octets)


def _pbkdf2_of_dovecot(match: re.Match[str]) -> Verifier:
    return _pbkdf2("sha1", match["rounds"], match["salt"].encode(), bytes.fromhex(match["octets"]))


def _pbkdf2(name: str, rounds: str, salt: bytes, octets: bytes) -> Verifier:
    count = _at_most("number of iterations", rounds, MAX_PBKDF2_ROUNDS)
    if not 16 <= len(octets) <= 64:
        raise ValueError("its digest is too short or too long")
    digest = _DIGESTS[name]
    return lambda password: _same(hashlib.pbkdf2_hmac(digest, password, salt, count, len(octets)), octets)


def _decoded(text: str) -> bytes:
    """Decode base64 with or without its padding."""
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("it is not in base64") from None


_PREFIX: Final = re.compile(
    r"\{(?P<name>[A-Za-z0-9-]+)(?:\.(?P<encoding>b64|base64|hex))?\}(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_B64: Final = r"[A-Za-z0-9+/]+={0,2}"
_H64: Final = r"[./0-9A-Za-z]"
_SCHEMES: Final = (
    _Scheme("argon2", re.compile(r"\$argon2(?:id|i)\$[A-Za-z0-9+/=,$]+"), _argon2),
    _Scheme("bcrypt", re.compile(rf"\$2[aby]\$(?P<cost>[0-9]{{2}})\${_H64}{{53}}"), _bcrypt),
    _Scheme(
        "sha512-crypt",
        re.compile(
            rf"\$6\$(?:rounds=(?P<rounds>[0-9]+)\$)?(?P<salt>[!-#%-9;-~]{{0,16}})\$(?P<digest>{_H64}{{86}})"
        ),
        _sha_crypt(sha512_crypt),
    ),
    _Scheme(
        "sha256-crypt",
        re.compile(
            rf"\$5\$(?:rounds=(?P<rounds>[0-9]+)\$)?(?P<salt>[!-#%-9;-~]{{0,16}})\$(?P<digest>{_H64}{{43}})"
        ),
        _sha_crypt(sha256_crypt),
    ),
    _Scheme(
        "md5-crypt", re.compile(rf"\$1\$(?P<salt>[!-#%-9;-~]{{0,8}})\$(?P<digest>{_H64}{{22}})"), _md5_crypt
    ),
    *(
        _Scheme(name, re.compile(rf"\{{(?P<name>{name.upper()})\}}(?P<octets>{_B64})"), _salted)
        for name in _SIZES
    ),
    _Scheme(
        "pbkdf2",
        re.compile(
            rf"pbkdf2_(?P<digest>sha1|sha256|sha512)\$(?P<rounds>[0-9]+)\$(?P<salt>[!-#%-~]+)\$(?P<octets>{_B64})"
        ),
        _pbkdf2_of_django,
    ),
    _Scheme(
        "pbkdf2",
        re.compile(
            r"\$pbkdf2(?:-(?P<digest>sha1|sha256|sha512))?\$(?P<rounds>[0-9]+)\$(?P<salt>[A-Za-z0-9./]*)"
            r"\$(?P<octets>[A-Za-z0-9./]+)"
        ),
        _pbkdf2_of_passlib,
    ),
    _Scheme(
        "pbkdf2",
        re.compile(r"\{PBKDF2\}\$1\$(?P<salt>[!-#%-~]+)\$(?P<rounds>[0-9]+)\$(?P<octets>(?:[0-9a-f]{2})+)"),
        _pbkdf2_of_dovecot,
    ),
)
_CRYPT: Final = ("bcrypt", "sha512-crypt", "sha256-crypt", "md5-crypt")
_BY_PREFIX: Final[Mapping[str, tuple[str, ...]]] = {
    "ARGON2": ("argon2",),
    "ARGON2I": ("argon2",),
    "ARGON2ID": ("argon2",),
    "BLF-CRYPT": ("bcrypt",),
    "BCRYPT": ("bcrypt",),
    "SHA512-CRYPT": ("sha512-crypt",),
    "SHA256-CRYPT": ("sha256-crypt",),
    "MD5-CRYPT": ("md5-crypt",),
    "MD5": ("md5-crypt",),
    "CRYPT": _CRYPT,
    "PBKDF2": ("pbkdf2",),
    **{name.upper(): (name,) for name in _SIZES},
}
