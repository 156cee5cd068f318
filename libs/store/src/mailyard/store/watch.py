"""What the driver knows of its servers, and how long the batched writes on the way of mail take, as metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.monitoring import (
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyListener,
    TopologyOpenedEvent,
)

from mailyard.runtime.metrics import gauge, histogram


class ConnectionWatch(TopologyListener):
    """Sets the gauge that shows whether a server accepts writes."""

    def __init__(self) -> None:
        self._connected = gauge("mailyard_store_connected_state")

    def opened(self, event: TopologyOpenedEvent) -> None:  # noqa: ARG002  # the driver's interface
        """No server is known yet."""
        self._connected.set(0)

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        """Handle a server that appeared, disappeared or changed its role."""
        self._connected.set(1 if event.new_description.has_writable_server() else 0)

    def closed(self, event: TopologyClosedEvent) -> None:  # noqa: ARG002
        """The client closes all servers."""
        self._connected.set(0)


@contextmanager
def timed_write(write: str) -> Iterator[None]:
    """Measure one batched write, failed ones too; `write` names it in the metric."""
    began = time.monotonic()
    try:
        yield
    finally:
        histogram("mailyard_store_write_seconds").labels(write).observe(time.monotonic() - began)
