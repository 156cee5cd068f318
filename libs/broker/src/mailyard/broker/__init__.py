"""The RabbitMQ topology, publisher and consumer.

`topology` names and declares every exchange and queue, `link` keeps one connection up and `connection` holds the
process's two; `publisher` puts tickets into queues, `consumer` takes them out over a `session`, `events` wakes
the sessions that have a mailbox open.
"""

from mailyard.broker.telemetry import EVENTS, METRICS
from mailyard.runtime.catalogue import declare

declare(__name__, metrics=METRICS, events=EVENTS)
