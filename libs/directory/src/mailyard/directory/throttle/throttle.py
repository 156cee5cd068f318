"""Decides how long a login must wait, by failures of this process and of all others.

Guessing is slowed by login and address together, by login alone, by address and by network. Nobody is locked out by
others: a network that has logged in to an account within `KNOWN_DAYS` waits for its own failures at this account
only, and is never blocked. Other networks have one try in an hour at an account that is under attack, until the
limit `everywhere` is reached: then they wait too, because one attacker may have thousands of networks.

Nothing here does I/O. `exchange` sends what is pending and hands in the reports of other processes.
"""

import hashlib
import time
from collections import Counter

from mailyard.directory.attempts import Attempts, ClientNetwork
from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.directory.identity import Identity
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.directory.throttle.report import Block, BlockKind, Failure, FailureReport, LoginSubject
from mailyard.message.address import Address

KNOWN_DAYS = 30
_KNOWN_SECONDS = KNOWN_DAYS * 86_400.0
_PAIRS = 50_000  # pairs of login and network
_FAILED_SECONDS = 3_600.0
_ASKED_SECONDS = 60.0
_STORED_SECONDS = 86_400.0
_MAX_PENDING = 20_000
_ACTIVE_SECONDS = 60.0
FAILURES_OF_A_REPORT = 1_000
_BLOCKS_OF_A_REPORT = 100

Pair = tuple[str, str]
"""A login name and a network."""


class LoginThrottle:
    """The counts of one process."""

    def __init__(self, limits: LoginLimits | None = None, clock: Monotonic = time.monotonic) -> None:
        """Count by `limits`; `clock` gives seconds and never goes back."""
        limits = limits or LoginLimits()
        self._clock = clock
        self._limits = {
            BlockKind.ACCOUNT: limits.login,
            BlockKind.EVERYWHERE: limits.everywhere,
            BlockKind.ACCOUNT_FROM_ADDRESS: limits.login_from_address,
            BlockKind.ADDRESS: limits.address,
            BlockKind.NETWORK: limits.network,
        }
        self._counts = {kind: Attempts(each) for kind, each in self._limits.items() if each is not None}
        self._known: TtlCache[Pair, bool] = TtlCache(_PAIRS, clock)
        self._unknown: TtlCache[Pair, bool] = TtlCache(_PAIRS, clock)
        self._failed: TtlCache[Pair, bool] = TtlCache(_PAIRS, clock)
        self._stored: TtlCache[Pair, bool] = TtlCache(_PAIRS, clock)
        self._failures: Counter[Pair] = Counter()
        self._blocks: dict[LoginSubject, float] = {}  # until when
        self._networks: dict[Pair, Identity] = {}
        self._active_until = -1.0

    @property
    def is_active(self) -> bool:
        """There were failures, or refusals because of some, within a minute; or some wait to be sent."""
        return bool(self._failures or self._blocks or self._clock() < self._active_until)

    # Of this process.

    def wait_seconds(self, login: str, client: ClientNetwork) -> float:
        """Return how long a login must wait; 0: its password may be checked."""
        now = self._clock()
        subjects = {each.kind: each for each in _subjects(login, client)}
        own = subjects.pop(BlockKind.ACCOUNT_FROM_ADDRESS)
        pair = (login, client.network)
        if self._known.get(pair):
            wait = self._counts[own.kind].pause_seconds(own.name, now)
        else:
            if not self._failed.get(pair):
                del subjects[BlockKind.ACCOUNT]
            wait = max(self._wait(each, now) for each in (own, *subjects.values()))
        if wait:
            self._active_until = now + _ACTIVE_SECONDS
        return wait

    def must_ask(self, login: str, client: ClientNetwork) -> bool:
        """Return whether it depends on other processes' logins, which nobody has asked for yet, if this one must wait."""
        pair = (login, client.network)
        return not (self._known.get(pair) or self._unknown.get(pair)) and self.wait_seconds(login, client) > 0

    def failed(self, login: str, client: ClientNetwork) -> list[Block]:
        """Count a failure; return the blocks that begin with it."""
        now = self._clock()
        self._active_until = now + _ACTIVE_SECONDS
        pair = (login, client.address)
        if pair in self._failures or len(self._failures) < _MAX_PENDING:
            self._failures[pair] += 1
        return self._count(login, client, now, 1)

    def succeeded(self, login: str, client: ClientNetwork, identity: Identity) -> None:
        """Note that an account was used from this network."""
        pair = (login, client.network)
        self._known.put(pair, True, _KNOWN_SECONDS)
        if not self._stored.get(pair) and len(self._networks) < _MAX_PENDING:
            self._networks[pair] = identity

    # Of other processes.

    def knows(self, pair: Pair, *, known: bool) -> None:
        """Take the store's answer whether a network has logged in to an account."""
        if known:
            self._known.put(pair, True, _KNOWN_SECONDS)
        else:
            self._unknown.put(pair, True, _ASKED_SECONDS)

    def take(self, report: FailureReport) -> list[Block]:
        """Count what another process has reported; return the blocks that begin with it."""
        at = self._clock() - report.age
        begun = [
            block
            for each in report.failures
            for block in self._count(each.login, each.client, at, each.count)
        ]
        self.block(report.blocks, at)
        for subject in report.lifted:
            self._lift(subject)
        return begun

    def replace_blocks(self, blocks: list[Block]) -> None:
        """Take all blocks from the store, with those that it has not got yet; forget all others."""
        for counts in self._counts.values():
            counts.lift_blocks()
        now = self._clock()
        self.block(blocks, now)
        for subject, until in self._blocks.items():
            self.block([Block(subject, until - now)], now)

    def block(self, blocks: list[Block] | tuple[Block, ...], at: float) -> None:
        """Block subjects, as another process does."""
        for each in blocks:
            if (counts := self._counts.get(each.subject.kind)) is not None:
                counts.block(each.subject.name, at + each.seconds)

    # To be sent.

    def pending(self) -> FailureReport:
        """Return a part of what is to be sent, and forget it."""
        now = self._clock()
        failures = [
            Failure(login, address, self._failures.pop((login, address)))
            for login, address in list(self._failures)[:FAILURES_OF_A_REPORT]
        ]
        subjects = list(self._blocks)[:_BLOCKS_OF_A_REPORT]
        blocks = [Block(each, self._blocks.pop(each) - now) for each in subjects]
        return FailureReport(tuple(failures), tuple(blocks))

    def pending_networks(self) -> dict[Pair, Identity]:
        """Return networks from which accounts were used, and that are to be stored; they are forgotten by `stored`."""
        return dict(list(self._networks.items())[:FAILURES_OF_A_REPORT])

    def stored(self, pairs: list[Pair]) -> None:
        """Note that the store has these networks."""
        for pair in pairs:
            self._networks.pop(pair, None)
            self._stored.put(pair, True, _STORED_SECONDS)

    def _wait(self, subject: LoginSubject, now: float) -> float:
        counts = self._counts.get(subject.kind)
        return counts.wait_seconds(subject.name, now) if counts is not None else 0.0

    def _count(self, login: str, client: ClientNetwork, at: float, count: int) -> list[Block]:
        self._failed.put((login, client.network), True, _FAILED_SECONDS)
        begun: list[Block] = []
        for subject in _subjects(login, client):
            limits = self._limits[subject.kind]
            if limits is None or not self._counts[subject.kind].failed(subject.name, at, count):
                continue
            begun.append(Block(subject, limits.block_seconds))
            if len(self._blocks) < _MAX_PENDING:
                self._blocks[subject] = at + limits.block_seconds
        return begun

    def _lift(self, subject: LoginSubject) -> None:
        self._blocks.pop(subject, None)
        if (counts := self._counts.get(subject.kind)) is not None:
            counts.lift(subject.name)


def shared_name(login: Address | None, text: str) -> str:
    """Return the name under which failures are counted: people type passwords into the wrong field, so other text is hashed."""
    if login is not None:
        return login.key
    octets = text.lower().encode("utf-8", "surrogatepass")
    return f"#{hashlib.blake2b(octets, digest_size=16).hexdigest()}"


def _subjects(login: str, client: ClientNetwork) -> tuple[LoginSubject, ...]:
    return (
        LoginSubject(BlockKind.ACCOUNT, login),
        LoginSubject(BlockKind.EVERYWHERE, login),
        LoginSubject(BlockKind.ACCOUNT_FROM_ADDRESS, f"{login} {client.address}"),
        LoginSubject(BlockKind.ADDRESS, client.address),
        LoginSubject(BlockKind.NETWORK, client.network),
    )
