"""Tickets a second time: they do no harm, and a queue that the router keeps empty holds something for a while."""

import json

from tests.cluster.toolbox import Toolbox

TIMES = 2  # of each ticket, which keeps a slow router busy for some seconds
TICKETS = 1_000
PROGRAM = """
import asyncio, sys
from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.topology import Queue
from mailyard.cli.session import with_session
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import now_utc, to_ms
from mailyard.runtime.logs import configure_logs

async def publish(session):
    rows = await session.store.collection("spool").find({}, {"epoch": 1, "tenant": 1}).limit(int(sys.argv[1])).to_list()
    tickets = [ticket(row, to_ms(now_utc())) for row in rows]
    async with session.broker() as broker:
        publisher = TicketPublisher(broker)
        for _ in range(int(sys.argv[2])):
            await publisher.publish(Queue.SMTP_IN_ROUTE, tickets)
    print(len(tickets))

def ticket(row, now):
    spool_id, _, leg = row["_id"].partition(".")
    return Ticket(spool_id=spool_id, leg=int(leg or 0), epoch=row["epoch"], tenant=row["tenant"], released_at_ms=now)

configure_logs("cluster-test", "error", "console", stream=sys.stderr)
asyncio.run(with_session(None, publish))
"""


def repeat_tickets(toolbox: Toolbox) -> int:
    """Publish tickets of mails that there are for the router, some times over; return how many mails."""
    found: int = json.loads(toolbox.python(PROGRAM, str(TICKETS), str(TIMES)))
    return found
