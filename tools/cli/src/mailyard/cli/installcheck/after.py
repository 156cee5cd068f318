"""The checks after an installation: the release, its listeners, and its mail flow."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from mailyard.cli.configuration import BadConfiguration, names_servers
from mailyard.cli.installcheck.before import connect, look_around, look_at_domains
from mailyard.cli.installcheck.checks.certificates import check_certificate
from mailyard.cli.installcheck.checks.clock import check_clock
from mailyard.cli.installcheck.checks.frontdoor import Callers, FrontDoor, check_callers, check_front_doors
from mailyard.cli.installcheck.checks.mail import check_canary, check_ledger, check_queues
from mailyard.cli.installcheck.checks.port25 import check_way_in
from mailyard.cli.installcheck.checks.services import check_services
from mailyard.cli.installcheck.examine import SERVERS_AWAY, Report
from mailyard.cli.installcheck.facts import mail, release
from mailyard.cli.installcheck.facts.absent import Absent
from mailyard.cli.installcheck.facts.api import Api
from mailyard.cli.installcheck.facts.listeners import Kind, Listener, read_certificate, read_greeting
from mailyard.cli.installcheck.finding import Finding, error, unknown
from mailyard.cli.installcheck.options import Options
from mailyard.cli.session import Session, with_session
from mailyard.runtime.clock import now_utc
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.errors import Misconfigured, Unavailable

_OF_SERVICE = {"smtp-in": (Kind.SMTP, Kind.SUBMISSION, Kind.SUBMISSIONS), "imap": (Kind.IMAP, Kind.IMAPS)}


def look_after(report: Report, options: Options, config: Path | None) -> None:
    """Run all checks that are possible from here."""
    api = connect(report, options)
    if api is not None:
        options = _named(api, options)
    doors, nodes = _look_at_release(report, api, options) if api is not None else ([], None)
    look_at_listeners(report, options, [*options.listeners, *_listeners(options, doors)])
    look_around(report, options)
    domains = asyncio.run(_mail(report, options, config, nodes))
    outer = [domain for domain in domains if domain not in options.inner_domains]
    look_at_domains(report, options, options.domains or outer)


def _named(api: Api, options: Options) -> Options:
    """Take the release's host where none is named; an error of the API is reported with the services."""
    try:
        return options.for_host(release.read_hostname(api, options.namespace, options.release))
    except Absent:
        return options


def _look_at_release(
    report: Report, api: Api, options: Options
) -> tuple[list[FrontDoor], frozenset[str] | None]:
    """Return the front doors and the nodes' addresses, which later checks need; empty where the API cannot be read."""
    namespace, name = options.namespace, options.release
    doors: list[FrontDoor] = []
    nodes: frozenset[str] | None = None

    def front_doors() -> list[Finding]:
        doors.extend(release.read_front_doors(api, namespace, name))
        return check_front_doors(doors)

    report.look("services", lambda: check_services(release.read_deployments(api, namespace, name)))
    report.look("front doors", front_doors)
    report.look("clock", lambda: check_clock(api.skew()))
    try:
        nodes = release.read_node_addresses(api)
    except Absent as absent:
        report.add("client addresses", [unknown(str(absent), absent.instruction)])
    return doors, nodes


def _listeners(options: Options, doors: Sequence[FrontDoor]) -> Iterator[Listener]:
    """Yield the listeners of the named host, else of the front doors, on the standard ports."""
    if options.listeners:
        return
    for door in doors:
        kinds = next(kinds for service, kinds in _OF_SERVICE.items() if door.name.endswith(f"-{service}"))
        for host in [options.host] if options.host else door.addresses:
            yield from (Listener(kind, Endpoint(host, kind.port)) for kind in kinds)


def look_at_listeners(report: Report, options: Options, listeners: Sequence[Listener]) -> None:
    """The way in, and each listener's certificate."""
    if not listeners:
        advice = "Name listeners in --listener smtp=HOST:25, or the host's name in --host."
        report.add("listeners", [unknown("the addresses of the listeners are unknown", advice)])
    if options.in_pod:
        report.add(
            "port 25 in",
            [unknown("it is unknown whether port 25 is open from outside the cluster", options.outside)],
        )
    for listener in listeners:
        if listener.kind is Kind.SMTP:
            report.look("port 25 in", partial(_way_in, listener, options))
        report.look("certificates", partial(_certificate, listener, options))


def _way_in(listener: Listener, options: Options) -> list[Finding]:
    return check_way_in(read_greeting(listener.endpoint), options.host)


def _certificate(listener: Listener, options: Options) -> list[Finding]:
    return check_certificate(read_certificate(listener, options.trust), now_utc())


async def _mail(
    report: Report, options: Options, config: Path | None, nodes: frozenset[str] | None
) -> list[str]:
    """Look through store and broker, and return the tenants' domains."""
    try:
        return await with_session(config, lambda session: _look_at_mail(report, session, nodes))
    except (Unavailable, Misconfigured, BadConfiguration) as problem:
        text, named = str(problem), names_servers(config)
        report.add("store", [error(text, SERVERS_AWAY) if named else unknown(text, options.inside)])
        return []


async def _look_at_mail(report: Report, session: Session, nodes: frozenset[str] | None) -> list[str]:
    domains: list[str] = []

    async def callers() -> list[Finding]:
        return check_callers(Callers(await mail.read_callers(session), nodes))

    async def store_clock() -> list[Finding]:
        return check_clock(await mail.read_skew(session))

    async def queues() -> list[Finding]:
        return check_queues(await mail.read_queues(session))

    async def ledger() -> list[Finding]:
        return check_ledger(await mail.read_unaccounted(session))

    async def canary() -> list[Finding]:
        return check_canary(await mail.read_canary(session), now_utc())

    async def directory() -> list[Finding]:
        domains.extend(await mail.read_domains(session))
        return []

    await report.look_at_mail("client addresses", callers)
    await report.look_at_mail("clock", store_clock)
    await report.look_at_mail("queues", queues)
    await report.look_at_mail("ledger", ledger)
    await report.look_at_mail("canary", canary)
    await report.look_at_mail("directory", directory)
    return domains
