"""The delivery service: store messages of the Local queue in mailboxes."""

import sys
from collections.abc import Sequence

from mailyard.broker.connection import Broker
from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.events import MailboxEvents
from mailyard.broker.pipeline import Queue
from mailyard.delivery.handler import DeliveryHandler
from mailyard.delivery.settings import DeliverySettings
from mailyard.runtime.service import Component, Runtime, run
from mailyard.runtime.settings import load_settings
from mailyard.spool.watch.progress import ProgressReporter
from mailyard.store.client import Store


async def build(runtime: Runtime[DeliverySettings]) -> Sequence[Component]:
    """Put the parts together, in the order of starting."""
    settings = runtime.settings
    store = Store(settings.mongo_url.get_secret_value(), settings.mongo_database)
    broker = Broker(settings.amqp_url.get_secret_value(), settings.instance)
    events = MailboxEvents(broker)
    handler = DeliveryHandler(store, events, settings)
    consumer = TicketConsumer(
        broker,
        Queue.LOCAL_DELIVER,
        handler.handle,
        max_tickets=settings.batch_messages,
        on_poison=handler.poison,
    )
    return [store, broker, events, consumer, ProgressReporter(store, settings.instance, consumers=[consumer])]


def main() -> None:
    """Run the service until it is told to stop."""
    sys.exit(run("delivery", load_settings(DeliverySettings), build))
