"""All dashboards, in the order in which one looks at them."""

from mailyard.observability.boards import (
    autoscaling,
    edge,
    filtering,
    imap,
    ledger,
    outbound,
    overview,
    queues,
    servers,
)
from mailyard.observability.dashboard import Board

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    queues.BOARD,
    edge.BOARD,
    filtering.BOARD,
    outbound.BOARD,
    imap.BOARD,
    servers.BOARD,
    autoscaling.BOARD,
    ledger.BOARD,
)
