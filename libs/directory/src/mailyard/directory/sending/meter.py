"""What this process knows of the senders that are active here, and its exchange with all other processes.

No message waits for MongoDB: it is counted in memory. Once a second, while there is something to count, one command adds
the counts of this process, and one reads the sums of all processes. A sender's row is awaited once, at the first MAIL
of the sender after `IDLE_SECONDS` without mail. So n processes exceed a limit by at most what they accept
within one exchange interval.

While MongoDB is unreachable the counts of this process go on, and are added later.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mailyard.directory.cache import Monotonic, unchanged
from mailyard.directory.identity import Identity
from mailyard.directory.sending.rates import Rates, SendingLimits
from mailyard.directory.sending.rows import Change, Sender, SendingRow, SendingRows, senders_of
from mailyard.directory.sending.windows import SendingTally, WindowCounts, sum_of
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.store.client import Store
from mailyard.store.group import GroupCommit

EXCHANGE_SECONDS = 1.0
IDLE_SECONDS = 60.0
_READ_AT_ONCE = 5_000  # rows of one exchange; of more senders, each row is read in turn
_LOADED_AT_ONCE = 500
_log = get_logger(__name__)


@dataclass(slots=True)
class _KnownTotals:
    """One sender."""

    sender: Sender
    shared: SendingTally = field(default_factory=SendingTally)  # of all processes, at the last exchange
    ours: SendingTally = field(default_factory=SendingTally)  # since then, here
    sent: SendingTally | None = None  # in the exchange that is under way
    usual: float = 0.0
    own: Rates | None = None  # limits of this account alone
    jump: bool = True
    hold: str = ""  # why all mail of the account is held
    new_hold: str = ""  # what the next exchange tells the others
    is_changed: bool = False
    touched: float = 0.0

    def counts(self, now: float) -> WindowCounts:
        """Return what was sent, as far as it is known here."""
        tallies = (self.shared, self.ours) if self.sent is None else (self.shared, self.ours, self.sent)
        return sum_of(tallies, now, self.usual)

    def add(self, now: float, recipients: int) -> None:
        """Count one message."""
        self.ours.add(now, recipients)
        self.is_changed = True

    def take(self, row: SendingRow) -> None:
        """Take over the sums of all processes; what is not written yet is on top of them."""
        self.shared, self.usual = row.tally, row.usual
        self.own = _rates_of(row)
        self.jump = row.jump is not False
        self.hold = row.hold.reason if row.hold is not None else self.new_hold


class SendingMeter:
    """WindowCounts what is submitted here, and says whose mail is held."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        """Exchange counts through `store`. `clock` gives seconds since 1970, `monotonic` seconds that never go back."""
        self._rows = SendingRows(store)
        self._clock = clock
        self._monotonic = monotonic
        self._ahead = 0.0  # of MongoDB's clock
        self._known: dict[str, _KnownTotals] = {}
        self._read_next = 0
        self._held = counter("mailyard_sending_held_messages_total")
        self._loads: GroupCommit[str, list[SendingRow | None], SendingRow | None] = GroupCommit(
            self._look_up, unchanged, max_items=_LOADED_AT_ONCE
        )

    def knows(self, identity: Identity) -> bool:
        """Say whether `load` is not needed."""
        return f"account/{identity.account}" in self._known

    async def load(self, identity: Identity) -> None:
        """Read what an account, its domain and its tenant have sent. Without MongoDB only this process counts."""
        senders = [(key, sender) for key, sender in _senders(identity) if key not in self._known]
        try:
            rows = [await future for future in [self._loads.submit(key) for key, _ in senders]]
        except Unavailable as error:
            _log.warning("sending.not_loaded", account=identity.account, error=str(error))
            return
        for (key, sender), row in zip(senders, rows, strict=True):
            known = self._of(key, sender)
            if row is not None:
                known.take(row)

    def admit(self, identity: Identity, recipients: int, limits: SendingLimits) -> str:
        """Count a message that is accepted; return why it is held, empty: it is not."""
        now = self._clock() + self._ahead
        account, domain, tenant = (self._of(key, sender) for key, sender in _senders(identity))
        reason = account.hold or _excess_of_account(account, now, recipients, limits)
        if reason:
            if not account.hold:
                self._mark(account, reason)
            account.hold = reason
        else:
            for known, excess in (
                (domain, limits.domain.excess(domain.counts(now), recipients)),
                (tenant, limits.of_tenant(tenant.counts(now), recipients)),
            ):
                if excess:
                    reason = f"{known.sender.kind} {known.sender.name}: {excess}"
                    self._mark(known, reason)
                    break
        account.add(now, recipients)
        if reason:
            self._held.inc()
        else:  # what is held is not sent, and takes nothing from the others
            domain.add(now, recipients)
            tenant.add(now, recipients)
        return reason

    async def exchange(self) -> bool:
        """Add what was counted here, and read the sums of all processes. Raises Unavailable; nothing is lost then."""
        changed = [each for each in self._known.values() if each.is_changed]
        await self._write(changed)
        await self._read()
        idle = self._monotonic() - IDLE_SECONDS
        for key in [key for key, each in self._known.items() if each.touched < idle and not each.is_changed]:
            del self._known[key]
        return False

    async def _write(self, changed: Sequence[_KnownTotals]) -> None:
        now = self._clock() + self._ahead
        changes = []
        for each in changed:
            each.sent, each.ours, each.is_changed = each.ours, SendingTally(), False
            changes.append(Change(each.sender, _present(each.sent, now), each.new_hold))
        try:
            await self._rows.add(changes)
        except BaseException:
            for each in changed:
                assert each.sent is not None, "nothing else takes it away"
                each.sent.merge(each.ours)
                each.ours, each.sent, each.is_changed = each.sent, None, True
            raise
        for each, change in zip(changed, changes, strict=True):
            assert each.sent is not None, "nothing else takes it away"
            each.shared.merge(each.sent)
            each.sent = None
            if each.new_hold == change.hold:
                each.new_hold = ""

    async def _read(self) -> None:
        keys = list(self._known)
        if len(keys) > _READ_AT_ONCE:
            begin = self._read_next % len(keys)
            self._read_next = begin + _READ_AT_ONCE
            keys = (keys + keys)[begin : begin + _READ_AT_ONCE]
        if not keys:
            return
        for row in await self._rows.entry_rows(keys):
            known = self._known.get(row.sender.key)
            if known is not None:
                known.take(row)
            self._ahead = row.now.timestamp() - self._clock()

    async def _look_up(self, keys: Sequence[str]) -> list[SendingRow | None]:
        found = {row.sender.key: row for row in await self._rows.entry_rows(set(keys))}
        return [found.get(key) for key in keys]

    def _of(self, key: str, sender: Sender) -> _KnownTotals:
        known = self._known.get(key)
        if known is None or known.sender.tenant != sender.tenant:
            known = self._known[key] = _KnownTotals(sender)
        known.touched = self._monotonic()
        return known

    def _mark(self, known: _KnownTotals, reason: str) -> None:
        if not known.new_hold and not known.hold:
            sender = known.sender
            _log.warning(
                "sending.limit_reached",
                subject=sender.kind.value,
                name=sender.address or sender.name,
                tenant=sender.tenant,
                reason=reason,
            )
        known.new_hold, known.is_changed = reason, True


@lru_cache(maxsize=4096)
def _senders(identity: Identity) -> tuple[tuple[str, Sender], ...]:
    """Return account, domain and tenant of a login, each with the `_id` of its row."""
    address = identity.address
    senders = senders_of(identity.account, address.domain, identity.tenant, str(address))
    return tuple((sender.key, sender) for sender in senders)


def _excess_of_account(account: _KnownTotals, now: float, recipients: int, limits: SendingLimits) -> str:
    counts = account.counts(now)
    rates = limits.account if account.own is None else account.own
    excess = rates.excess(counts, recipients)
    if not excess and account.jump:
        excess = limits.jump.excess(counts, recipients)
    return f"account {account.sender.address}: {excess}" if excess else ""


def _present(tally: SendingTally, now: float) -> SendingTally:
    """Return what counts in the present windows: after a long outage, most of it does not."""
    counts = tally.at(now)
    found = SendingTally()
    for name in ("minute", "hour", "day", "messages"):
        getattr(found, name).count = getattr(counts, name)
    return found


def _rates_of(row: SendingRow) -> Rates | None:
    if row.recipients is None:
        return None
    try:
        return Rates.parse(row.recipients)
    except ValueError:  # written by a later version
        return None
