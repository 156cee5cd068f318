"""Every query of every dashboard, and every recording rule, against a Prometheus that scraped running services."""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from mailyard.local.processes import free_port
from mailyard.observability.rule import Alert, Severity
from mailyard.observability.rules import ALERTS, RECORDED
from mailyard.runtime.clock import now_utc
from mailyard.spool.watch.canary import Canary
from mailyard.store.client import Store
from tests.observability.outside import outside
from tests.observability.promtool import program
from tests.observability.traffic import BALANCER, RULES, run_round
from tests.observability.watcher import NAMESPACE, Watcher, watching
from tests.trial import accounts
from tests.trial.collector import Collector, attributes, collecting
from tests.trial.instance import REPOSITORY, Instance, free_port_base
from tests.trial.waiting import NotReached, until, wait_until

pytestmark = pytest.mark.slow

DASHBOARDS = REPOSITORY / "charts/mailyard/dashboards"
CRITICAL = [alert for alert in ALERTS if alert.severity is Severity.CRITICAL]
ROUNDS = 3
SCRAPE_SECONDS = 30
DATA_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Stage:
    """What the tests of this module share."""

    watcher: Watcher
    collector: Collector


@dataclass(frozen=True, slots=True)
class Shown:
    """One query of a panel, as Grafana would send it."""

    location: str
    query: str
    instant: bool


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """An instance with traffic on all paths, watched by Prometheus and by a collector of traces."""
    program("prometheus")
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="mailyard-obs-", ignore_cleanup_errors=True)
            )
        )
        port = free_port()
        stack.enter_context(outside(port))
        collector = stack.enter_context(collecting())
        (folder / "rules.toml").write_text(RULES)
        instance = stack.enter_context(
            Instance(folder / "local", free_port_base(), _environment(folder, port, collector.url))
        )
        (folder / "prometheus").mkdir()
        watcher = stack.enter_context(watching(instance, folder / "prometheus"))
        asyncio.run(_traffic(instance, watcher))
        yield Stage(watcher, collector)


def _environment(folder: Path, outside_port: int, collector: str) -> dict[str, str]:
    return {
        "MAILYARD_RELAY_NEXT_HOP": f"smtp://127.0.0.1:{outside_port}",
        "MAILYARD_RELAY_ROUTES": '{"dead.test": "smtp://127.0.0.1:9"}',
        "MAILYARD_SMTP_IN_IDLE_SECONDS": "3",
        "MAILYARD_SMTP_IN_PROXY_NETWORKS": f"{BALANCER}/32",
        "MAILYARD_FILTER_RULES": str(folder / "rules.toml"),
        "MAILYARD_ROUTER_BACKLOG_SECONDS": "1",
        "MAILYARD_ROUTER_DEPTH_SECONDS": "1",
        "MAILYARD_ROUTER_LEDGER_SECONDS": "2",
        "MAILYARD_ROUTER_SWEEP_SECONDS": "2",
        "MAILYARD_TRACING_ENDPOINT": collector,
        "MAILYARD_TRACING_SAMPLE_RATIO": "1",
    }


async def _traffic(instance: Instance, watcher: Watcher) -> None:
    """Several rounds, each scraped before the next: the second makes rates of series that the first began."""
    readers = await accounts.add_accounts(instance.mongo_url, "watched", "watched.test", ["anna", "ben"])
    store = Store(instance.mongo_url, "mailyard")
    canary = Canary(store)
    for leg in ("local", "echo"):
        await canary.record(leg, succeeded=True, seconds=1.2, at=now_utc())
    await store.close()
    for _ in range(ROUNDS):
        await run_round(instance, readers)
        ended = time.time()
        await until(partial(watcher.has_seen, ended), seconds=SCRAPE_SECONDS, what="all services scraped")


def shown_queries() -> list[Shown]:
    """Read every target of the chart's dashboards."""
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                query = target["expr"].replace("$namespace", NAMESPACE).replace("$__rate_interval", "1m")
                location = f"{board['title']}: {panel['title']} ({target['refId']})"
                found.append(Shown(location, query, target["instant"]))
    return found


def test_no_panel_is_without_data(stage: Stage) -> None:
    left = shown_queries()
    assert len(left) > 100

    def all_have_data() -> bool:
        left[:] = [each for each in left if not stage.watcher.has_data(each.query, instant=each.instant)]
        return not left

    try:
        wait_until(all_have_data, seconds=DATA_SECONDS, what="data in every panel")
    except NotReached:
        pytest.fail("panels without data:\n" + "\n".join(f"{each.location}: {each.query}" for each in left))


@pytest.mark.parametrize("name", RECORDED)
def test_recording_rule_has_data(stage: Stage, name: str) -> None:
    wait_until(
        lambda: stage.watcher.has_data(name, instant=False), seconds=DATA_SECONDS, what=f"data of {name}"
    )


@pytest.mark.parametrize("alert", CRITICAL, ids=lambda alert: alert.name)
def test_no_critical_alert_is_about_to_fire_while_all_is_well(stage: Stage, alert: Alert) -> None:
    assert stage.watcher.series(alert.expr) == []


def test_reasons_say_what_the_outside_answered(stage: Stage) -> None:
    found = stage.watcher.series("sum by (fate, reason) (mailyard_relay_refusals_total)")
    reasons = {(each["fate"], each["reason"]) for each in found}
    # 451 4.2.1 and 550 5.1.1 of the outside host; nobody listens for dead.test, and one connection is cut
    assert {("deferred", "mailbox"), ("failed", "address"), ("deferred", "network")} <= reasons


def test_the_tenant_whose_mail_waits_is_named(stage: Stage) -> None:
    found = stage.watcher.series("mailyard_tenant_waiting_mails > 0")
    assert [each["tenant"] for each in found] == ["watched"]


def test_the_variable_of_namespaces_finds_the_namespace(stage: Stage) -> None:
    assert stage.watcher.has_data(f'mailyard_build_info{{namespace="{NAMESPACE}"}}', instant=True)


def test_a_delivered_mail_leaves_one_trace_from_the_edge_to_the_mailbox(stage: Stage) -> None:
    wait_until(lambda: bool(_delivered(stage.collector)), seconds=DATA_SECONDS, what="a whole trace")
    chain = _delivered(stage.collector)[0]
    assert [span.name for span in chain] == [
        "smtp-in accept",
        "smtp-in.route process",
        "local.filter process",
        "local.deliver process",
    ]
    assert [attributes(span)["mailyard.outcome"] for span in chain] == [
        "message.accepted",
        "message.routed",
        "message.filtered",
        "message.delivered",
    ]
    assert len({attributes(span)["mailyard.spool_id"] for span in chain}) == 1
    assert {"mailyard-smtp-in", "mailyard-router", "mailyard-filter", "mailyard-delivery"} <= (
        stage.collector.services
    )


def test_a_relayed_mail_is_traced_until_the_remote_host_took_it(stage: Stage) -> None:
    def relayed() -> list[Span]:
        spans = [span for span in stage.collector.spans if span.name == "relay send"]
        return [span for span in spans if attributes(span)["mailyard.outcome"] == "message.relayed"]

    wait_until(lambda: bool(relayed()), seconds=DATA_SECONDS, what="a relayed mail's span")
    assert [span.name for span in _way_of(stage.collector, relayed()[0])] == [
        "smtp-in accept",
        "smtp-in.route process",
        "remote.filter process",
        "remote.send process",
        "relay send",
    ]


def _delivered(collector: Collector) -> list[list[Span]]:
    ends = [span for span in list(collector.spans) if span.name == "local.deliver process"]
    ways = [_way_of(collector, span) for span in ends]
    return [way for way in ways if way[0].name == "smtp-in accept"]


def _way_of(collector: Collector, span: Span) -> list[Span]:
    """The span with all its parents, the root first; as far as they have arrived."""
    by_id = {each.span_id: each for each in list(collector.spans)}
    way = [span]
    while (parent := by_id.get(way[0].parent_span_id)) is not None:
        way.insert(0, parent)
    return way
