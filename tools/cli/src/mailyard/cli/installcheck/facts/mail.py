"""Read store and broker: clocks, clients, queues, ledger, canary, domains."""

from datetime import UTC, datetime, timedelta

from mailyard.cli.installcheck.checks.clock import Skew
from mailyard.cli.session import Session
from mailyard.runtime.clock import now_utc
from mailyard.spool.ledger.ledger import Ledger, hour_of
from mailyard.spool.watch.canary import Canary, CanaryRun
from mailyard.spool.watch.clients import recent_client_addresses
from mailyard.spool.watch.depth import Depth, read_depths
from mailyard.store.client import unavailable_when_away

LATEST_MAILS = 200


async def read_skew(session: Session) -> Skew:
    """Compare the clock with that of the store."""
    before = now_utc()
    with unavailable_when_away():
        server_time: datetime = (await session.store.db.command("hello"))["localTime"]
    after = now_utc()
    middle = before + (after - before) / 2
    return Skew("MongoDB", round((server_time.replace(tzinfo=UTC) - middle).total_seconds(), 3))


async def read_callers(session: Session) -> frozenset[str]:
    """From where the latest mails of other servers came: without a login, and not from ourselves."""
    return await recent_client_addresses(session.store, LATEST_MAILS)


async def read_queues(session: Session) -> list[Depth]:
    """All queues."""
    async with session.broker() as broker:
        return await read_depths(session.store, broker, now_utc())


async def read_unaccounted(session: Session) -> int:
    """Return the number of unaccounted recipients, without the current hour, in which mail is in flight."""
    until = hour_of(now_utc())
    lines = await Ledger(session.store).hourly_lines(until - timedelta(days=1), until)
    return sum(abs(line.unaccounted) for line in lines)


async def read_canary(session: Session) -> list[CanaryRun]:
    """The last run of each leg."""
    return await Canary(session.store).latest()


async def read_domains(session: Session) -> list[str]:
    """All domains of all tenants."""
    tenants = await session.directory.tenants.list()
    return [each.name for tenant in tenants for each in await session.directory.domains.list(tenant.id)]
