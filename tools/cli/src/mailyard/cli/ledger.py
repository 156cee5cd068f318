"""`mailyard ledger`: accepted recipients and their outcomes."""

from datetime import timedelta
from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.owner import Named
from mailyard.cli.session import Session, perform
from mailyard.runtime.clock import now_utc
from mailyard.spool.ledger.ledger import COLUMNS, Ledger, LedgerLine, hour_of

HEADINGS = (
    Column("hour", "Hour"),
    Column("tenant", "Tenant"),
    Column("accepted", "Accepted"),
    Column("expanded", "Expanded"),
    *(Column(str(name), str(name).replace("_", " ").capitalize()) for name in COLUMNS),
    Column("unaccounted", "Unaccounted"),
)


def ledger(
    context: typer.Context,
    hours: Annotated[
        int, typer.Option(metavar="HOURS", help="Number of hours to show.", min=1, max=24 * 366)
    ] = 24,
    tenant: Named = None,
    as_json: AsJson = False,
) -> None:
    """Count accepted recipients and their outcomes.

    Recipients are counted by tenant and hour of acceptance. Unaccounted must be 0; recipients that are accepted at this
    moment may show up there until the next call.
    """

    async def lines(session: Session) -> list[LedgerLine]:
        until = hour_of(now_utc()) + timedelta(hours=1)
        found = await Ledger(session.store).hourly_lines(until - timedelta(hours=hours), until)
        chosen = [line for line in found if tenant in (None, line.tenant)]
        if tenant is not None and not chosen:  # a removed tenant may have lines
            await session.directory.require_tenant(tenant)
        return chosen

    show([_record(line) for line in perform(context, lines)], HEADINGS, as_json=as_json)


def _record(line: LedgerLine) -> Record:
    became: Record = {str(name): line.became.get(name, 0) for name in COLUMNS}
    return {
        "hour": line.since,
        "tenant": line.tenant,
        "accepted": line.accepted,
        "expanded": line.expanded,
        **became,
        "unaccounted": line.unaccounted,
    }
