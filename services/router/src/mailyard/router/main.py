"""The router: the queue manager of Mailyard."""

import sys
from collections.abc import Sequence

from mailyard.broker.connection import Broker
from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.deadletters import DeadLetters
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.directory.directory import Directory
from mailyard.directory.settings import postmaster_of
from mailyard.router.bouncer import Bouncer
from mailyard.router.housekeeping import Housekeeping
from mailyard.router.intake import Intake
from mailyard.router.overview import Overview
from mailyard.router.removedaccounts import AccountPurge
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
    intake = Intake(store, directory, publisher, most_targets=settings.message_targets)
    consumer = TicketConsumer(broker, Queue.SMTP_IN_ROUTE, intake.handle, on_poison=intake.poison)
    progress = ProgressReporter(store, settings.instance, consumers=[consumer], publisher=publisher)
    duties = Housekeeping(store, broker, publisher, settings)
    overview = Overview(store, settings)
    bouncer = Bouncer(store, spool, settings)
    periodic = [
        Periodic("release", settings.release_seconds, duties.release_due),
        Periodic("bounces", settings.release_seconds, bouncer.work),
        Periodic("delays", _DELAYS_SECONDS, bouncer.report_delays),
        Periodic("depth", settings.depth_seconds, duties.measure),
        Periodic("sweep", settings.sweep_seconds, Sweep(store, settings).work),
        Periodic("removed-accounts", settings.sweep_seconds, AccountPurge(store, settings.instance).work),
        Periodic("ledger", settings.ledger_seconds, duties.keep_books),
        Periodic("census", settings.census_seconds, overview.count),
        Periodic("dead letters", settings.census_seconds, DeadLetters(broker).trim),
        Periodic("canary", settings.census_seconds, overview.tell_canary),
    ]
    if not settings.test_no_reconciler:
        periodic.append(Periodic("reconciler", settings.reconcile_seconds, duties.reconcile))
    return [store, broker, spool, progress, consumer, *periodic]


def main() -> None:
    """Run the service until it is told to stop."""
    sys.exit(run("router", load_settings(RouterSettings), build))
