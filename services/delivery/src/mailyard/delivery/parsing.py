"""Parse the messages of a batch, each once, without blocking the event loop."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from bson import ObjectId

from mailyard.delivery.recipientcopy import common_prefix
from mailyard.message.parse import ParsedMessage, parse_message
from mailyard.proto.v1.ticket_pb2 import Ticket

_SMALL_OCTETS = 16 * 1024  # a larger message is parsed in a thread: what its header costs is up to its sender
_LONGEST_STRETCH_SECONDS = 0.02


async def parse_once(tickets: Sequence[Ticket], bodies: Mapping[ObjectId, bytes]) -> list[ParsedMessage]:
    """Parse the message of each ticket behind its `common_prefix`; tickets of one message share the result."""
    known: dict[tuple[bytes, bytes], ParsedMessage] = {}
    found = []
    pause_at = time.monotonic() + _LONGEST_STRETCH_SECONDS
    for ticket in tickets:
        prefix, body = common_prefix(ticket), bodies[ObjectId(ticket.blob_id)]
        parsed = known.get((ticket.blob_id, prefix))
        if parsed is None:
            if len(prefix) + len(body) > _SMALL_OCTETS:
                parsed = await asyncio.to_thread(parse_message, prefix, body)
            else:
                parsed = parse_message(prefix, body)
            known[ticket.blob_id, prefix] = parsed
        found.append(parsed)
        if time.monotonic() > pause_at:
            await asyncio.sleep(0)
            pause_at = time.monotonic() + _LONGEST_STRETCH_SECONDS
    return found
