"""Passwords become argon2id hashes (RFC 9106), in threads of their own, because one takes tens of milliseconds.

Hashes of other systems are verified too (`passwordschemes`); they count as weak, so a login replaces them.

Each hash under way takes `memory_kib`; `threads` bounds how many are.
"""

import asyncio
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from mailyard.directory.errors import Invalid
from mailyard.directory.passwordschemes import verify_imported
from mailyard.runtime.errors import Unavailable

MIN_CHARACTERS = 8
MAX_OCTETS = 1024
_SALT_OCTETS = 16
_HASH_OCTETS = 32
_ARGON2 = "$argon2"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one hash costs; the defaults take about 20 ms and 19 MiB."""

    time: int = 2
    memory_kib: int = 19_456
    parallelism: int = 1


class Passwords:
    """Hashes and verifies off the event loop."""

    def __init__(self, cost: HashCost, *, threads: int = 2, max_waiting: int = 200) -> None:
        """Prepare the threads.

        Args:
            cost: of new hashes; weaker ones are renewed when their owner logs in.
            threads: how many hashes may be under way.
            max_waiting: how many calls may wait for a thread before more are refused.

        """
        self._hasher = PasswordHasher(
            time_cost=cost.time,
            memory_cost=cost.memory_kib,
            parallelism=cost.parallelism,
            hash_len=_HASH_OCTETS,
            salt_len=_SALT_OCTETS,
            type=Type.ID,
        )
        self._cost = cost
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._slots = asyncio.Semaphore(threads)
        self._max_waiting = max_waiting
        self._waiting = 0
        self.of_nobody = _unmatchable(cost)

    async def hash(self, password: str) -> str:
        """Hash a password, in PHC form with its parameters and a random salt. Raises Unavailable: overloaded."""
        return await self._off_loop(lambda: self._hasher.hash(prepared(password)))

    async def verify(self, hashed: str, password: str) -> bool:
        """Return whether it is the password of this hash. Raises Unavailable: too many others wait."""
        if hashed.startswith(_ARGON2):
            return await self._off_loop(lambda: self._verify(hashed, prepared(password)))
        return await self._off_loop(lambda: self._verify_imported(hashed, password))

    def is_weak(self, hashed: str) -> bool:
        """Return whether a hash is cheaper to break than new ones are; stronger ones are left alone."""
        if not hashed.startswith(_ARGON2):
            return True
        used = extract_parameters(hashed)
        return used.type is not Type.ID or (used.time_cost, used.memory_cost) < (
            self._cost.time,
            self._cost.memory_kib,
        )

    def close(self) -> None:
        """End the threads; what waits for them is cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, hashed: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    def _verify_imported(self, hashed: str, password: str) -> bool:
        """Verify a hash of another system, which may have been made of other octets than `prepared` gives.

        A wrong password takes at least as long as one of an unknown login.
        """
        octets = dict.fromkeys((prepared(password), password.encode("utf-8", "surrogatepass")))
        if any(verify_imported(hashed, each) for each in octets):
            return True
        return self._verify(self.of_nobody, prepared(password))

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._max_waiting:
            raise Unavailable("too many passwords wait to be checked")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def prepared(password: str) -> bytes:
    """Make the same password typed elsewhere the same octets: OpaqueString of RFC 8265, section 4.2."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced).encode("utf-8", "surrogatepass")


def checked_password(password: str) -> str:
    """Return a new password that is neither too short nor too long. Raises Invalid."""
    if len(password) < MIN_CHARACTERS:
        raise Invalid(f"a password needs at least {MIN_CHARACTERS} characters")
    if len(prepared(password)) > MAX_OCTETS:
        raise Invalid(f"a password has at most {MAX_OCTETS} octets")
    return password


def _unmatchable(cost: HashCost) -> str:
    """Make a hash of no password: verifying it takes as long as any other and never succeeds."""
    salt, digest = (
        b64encode(secrets.token_bytes(octets)).decode().rstrip("=") for octets in (_SALT_OCTETS, _HASH_OCTETS)
    )
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.time},p={cost.parallelism}${salt}${digest}"
