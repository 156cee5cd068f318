"""The checks before an installation: cluster, network and DNS."""

from collections.abc import Sequence
from functools import partial

from mailyard.cli.installcheck.checks.clock import check_clock
from mailyard.cli.installcheck.checks.cluster import check_cluster
from mailyard.cli.installcheck.checks.frontdoor import check_balancers
from mailyard.cli.installcheck.checks.nodes import check_nodes
from mailyard.cli.installcheck.checks.podsecurity import check_pod_security
from mailyard.cli.installcheck.checks.port25 import check_way_out
from mailyard.cli.installcheck.checks.records import check_records
from mailyard.cli.installcheck.checks.resolver import check_resolver
from mailyard.cli.installcheck.checks.reversedns import check_reverse_dns
from mailyard.cli.installcheck.checks.rights import check_rights
from mailyard.cli.installcheck.checks.storage import check_storage
from mailyard.cli.installcheck.examine import Report
from mailyard.cli.installcheck.facts import cluster
from mailyard.cli.installcheck.facts.absent import Absent
from mailyard.cli.installcheck.facts.api import Api
from mailyard.cli.installcheck.facts.listeners import own_address, read_greeting
from mailyard.cli.installcheck.facts.names import Names
from mailyard.cli.installcheck.finding import Finding, unknown
from mailyard.cli.installcheck.options import Options


def look_before(report: Report, options: Options) -> None:
    """Run all checks that need no installation."""
    look_at_cluster(report, options)
    look_around(report, options)
    look_at_domains(report, options, options.domains)


def look_at_cluster(report: Report, options: Options) -> None:
    """Check version, storage, rights and nodes of the cluster."""
    namespace = options.namespace
    api = connect(report, options)
    if api is None:
        return
    report.look("cluster", lambda: check_cluster(cluster.read_cluster(api)))
    report.look("rights", lambda: check_rights(cluster.read_rights(api, namespace), namespace))
    report.look("pod security", lambda: check_pod_security(cluster.read_namespace(api, namespace)))
    report.look("nodes", lambda: check_nodes(cluster.read_nodes(api), options.requests))
    report.look("storage", lambda: check_storage(cluster.read_storage(api)))
    report.look("load balancer", lambda: check_balancers(cluster.read_balancers(api)))
    report.look("clock", lambda: check_clock(api.skew()))


def connect(report: Report, options: Options) -> Api | None:
    """The cluster's API; where there is none the report says so."""
    try:
        return Api.connect(options.kubeconfig, options.context)
    except Absent as absent:
        instruction = options.outside if options.in_pod else absent.instruction
        report.add("cluster", [unknown(str(absent), instruction)])
        return None


def look_around(report: Report, options: Options) -> None:
    """Check outgoing connections and the public address."""
    report.look("port 25 out", lambda: _way_out(options))
    report.look("reverse DNS", lambda: _reverse(options))
    report.look("resolver", lambda: _resolver(options))
    if not options.in_pod and (options.probe_host or options.signed_name):
        text = (
            "port 25, the own address and the resolver were checked from this machine; pods may have others"
        )
        report.add("way out", [unknown(text, f"{options.inside}, with the same options.")])


def look_at_domains(report: Report, options: Options, domains: Sequence[str]) -> None:
    """The records of each domain, until the DNS does not answer: nobody shall wait for each of a thousand."""
    names = Names(options.resolver)
    for number, domain in enumerate(domains, start=1):
        if not report.look("DNS records", partial(_records, names, domain, options)):
            if rest := len(domains) - number:
                report.add(
                    "DNS records", [unknown(f"{rest} more domain(s) were not looked at", "Try again later.")]
                )
            return


def _records(names: Names, domain: str, options: Options) -> list[Finding]:
    return check_records(names.records(domain, options.selectors), options.host)


def _way_out(options: Options) -> list[Finding]:
    if options.probe_host is None:
        return [
            unknown(
                "it is unknown whether outgoing port 25 is open",
                "Name a mail server in --probe-host HOST:25.",
            )
        ]
    return check_way_out(read_greeting(options.probe_host))


def _reverse(options: Options) -> list[Finding]:
    """Return the named address, else the client address in the probed server's reply."""
    address = options.outgoing or (own_address(options.probe_host) if options.probe_host else None)
    if address is None:
        advice = "Name the address that the nodes' mail leaves from in --outgoing."
        return [unknown("the public address is unknown", advice)]
    return check_reverse_dns(Names(options.resolver).reverse(address), options.host)


def _resolver(options: Options) -> list[Finding]:
    if options.signed_name is None:
        return [
            unknown(
                "it is unknown whether the resolver validates DNSSEC",
                "Name a signed zone in --signed-name, such as the root: --signed-name .",
            )
        ]
    return check_resolver(Names(options.resolver).validation(options.signed_name))
