"""The router service: routing, and the duties of the queue manager."""

import sys
from collections.abc import Sequence

from mailyard.broker.connection import Broker
from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.deadletters import DeadLetters
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.directory.directory import Directory
from mailyard.directory.settings import postmaster_of
from mailyard.router.backloggauges import BacklogGauges
from mailyard.router.bouncer import Bouncer
from mailyard.router.dkimkeys import DkimKeyRotation
from mailyard.router.holdnotices import HoldNotices
from mailyard.router.queuemanager import QueueManager
from mailyard.router.removedaccounts import AccountPurge
from mailyard.router.routinghandler import RoutingHandler
from mailyard.router.settings import RouterSettings
from mailyard.router.sweep import Sweep
from mailyard.runtime.periodic import Periodic
from mailyard.runtime.service import Component, Runtime, run
from mailyard.runtime.settings import load_settings
from mailyard.spool.queue.spool import Spool
from mailyard.spool.watch.progress import ProgressReporter
from mailyard.store.client import Store

_DELAYS_SECONDS = 10.0


async def build(runtime: Runtime[RouterSettings]) -> Sequence[Component]:
    """Put the parts together, in the order of starting."""
    settings = runtime.settings
    store = Store(settings.mongo_url.get_secret_value(), settings.mongo_database)
    broker = Broker(settings.amqp_url.get_secret_value(), settings.instance)
    publisher = TicketPublisher(broker)
    spool = Spool(store, publisher, stage="router")
    directory = Directory(store, postmaster=postmaster_of(settings))
    handler = RoutingHandler(store, directory, publisher, most_targets=settings.message_targets)
    consumer = TicketConsumer(broker, Queue.SMTP_IN_ROUTE, handler.handle, on_poison=handler.poison)
    progress = ProgressReporter(store, settings.instance, consumers=[consumer], publisher=publisher)
    manager = QueueManager(store, broker, publisher, settings)
    gauges = BacklogGauges(store, settings)
    bouncer = Bouncer(store, spool, settings)
    periodic = [
        Periodic("release", settings.release_seconds, manager.release_due),
        Periodic("bounces", settings.release_seconds, bouncer.work),
        Periodic("delays", _DELAYS_SECONDS, bouncer.report_delays),
        Periodic("depth", settings.depth_seconds, manager.measure),
        Periodic("sweep", settings.sweep_seconds, Sweep(store, settings).work),
        Periodic("removed-accounts", settings.sweep_seconds, AccountPurge(store, settings.instance).work),
        Periodic("dkim-keys", settings.dkim_seconds, DkimKeyRotation(store, settings).work),
        Periodic("hold-notices", settings.release_seconds, HoldNotices(store, spool, settings).work),
        Periodic("ledger", settings.ledger_seconds, manager.audit_ledger),
        Periodic("backlog", settings.backlog_seconds, gauges.export_backlog),
        Periodic("dead letters", settings.backlog_seconds, DeadLetters(broker).trim),
        Periodic("canary", settings.backlog_seconds, gauges.export_canary),
    ]
    if not settings.test_no_reconciler:
        periodic.append(Periodic("reconciler", settings.reconcile_seconds, manager.reconcile))
    return [store, broker, spool, progress, consumer, *periodic]


def main() -> None:
    """Run the service until it is asked to stop."""
    sys.exit(run("router", load_settings(RouterSettings), build))
