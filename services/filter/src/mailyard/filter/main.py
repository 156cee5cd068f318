"""The filter service: it filters the Local and the Remote queue, and no message passes without a verdict."""

import sys
from collections.abc import Sequence

from mailyard.broker.connection import Broker
from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import stages_of
from mailyard.broker.publisher import TicketPublisher
from mailyard.filter.contents import ContentReader
from mailyard.filter.inline import InlineJudge, InlineServer
from mailyard.filter.inspector import Inspector
from mailyard.filter.pipeline import Pipeline
from mailyard.filter.registry import make_checks
from mailyard.filter.settings import FilterSettings
from mailyard.runtime.service import Component, Runtime, run
from mailyard.runtime.settings import load_settings
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.stage import StageReports
from mailyard.spool.watch.progress import ProgressReporter
from mailyard.store.client import Store


async def build(runtime: Runtime[FilterSettings]) -> Sequence[Component]:
    """Put the parts together, in the order of starting."""
    settings = runtime.settings
    store = Store(settings.mongo_url.get_secret_value(), settings.mongo_database)
    broker = Broker(settings.amqp_url.get_secret_value(), settings.instance)
    publisher = TicketPublisher(broker)
    checks = make_checks(settings)
    pipeline = Pipeline(checks, settings.reject_outside, settings.thresholds())
    contents = ContentReader(store, settings.body_octets)
    outcomes = Outcomes(store)
    consumers = []
    for stage in stages_of("filter"):
        reports = StageReports(stage, outcomes)
        inspector = Inspector(reports, pipeline, contents, publisher, batch_octets=settings.batch_octets)
        consumers.append(TicketConsumer(broker, stage.queue, inspector.handle, on_poison=inspector.poison))
    progress = ProgressReporter(store, settings.instance, consumers=consumers, publisher=publisher)
    parts: list[Component] = [part for check in checks for part in check.components()]
    parts += [store, broker, progress, *consumers]
    if settings.inline_port is not None:
        judge = InlineJudge(pipeline, contents, settings.inline_octets)
        parts.append(
            InlineServer(judge, settings.http_host, settings.inline_port, requests=settings.inline_requests)
        )
    return parts


def main() -> None:
    """Run the service until it is asked to stop."""
    sys.exit(run("filter", load_settings(FilterSettings), build))
