"""Repeated tickets of finished mails: they do no harm, and they fill a queue that the router would keep empty."""

import json

from tests.cluster.toolbox import Toolbox

TIMES = 2  # of each ticket, which keeps a slow router busy for some seconds
TICKETS = 1_000
PROGRAM = """
import asyncio, sys
from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.pipeline import Queue
from mailyard.cli.session import with_session
from mailyard.runtime.clock import now_utc
from mailyard.runtime.logs import configure_logs
from mailyard.broker.pipeline import Route
from mailyard.spool.row import COLLECTION, RowState, ticket_of

async def publish(session):
    done = {"state": RowState.DONE, "route": {"$ne": Route.REMOTE}}
    rows = await session.store.collection(COLLECTION).find(done).limit(int(sys.argv[1])).to_list()
    tickets = [ticket_of({**row, "due_at": now_utc()}) for row in rows]
    async with session.broker() as broker:
        publisher = TicketPublisher(broker)
        for _ in range(int(sys.argv[2])):
            await publisher.publish(Queue.SMTP_IN_ROUTE, tickets)
    print(len(tickets))

configure_logs("cluster-test", "error", "console", stream=sys.stderr)
asyncio.run(with_session(None, publish))
"""


def repeat_tickets(toolbox: Toolbox) -> int:
    """Publish tickets of delivered mails to the router, some times over; return of how many mails."""
    found: int = json.loads(toolbox.python(PROGRAM, str(TICKETS), str(TIMES)))
    return found
