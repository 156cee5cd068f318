"""Checks of install-check that look at the surroundings: names, ports, certificates, mail."""

from datetime import UTC, datetime, timedelta

import pytest

from mailyard.broker.pipeline import Queue
from mailyard.cli.installcheck.checks.certificates import ListenerFacts, check_certificate
from mailyard.cli.installcheck.checks.mail import check_canary, check_ledger, check_queues
from mailyard.cli.installcheck.checks.port25 import Greeting, check_way_in, check_way_out
from mailyard.cli.installcheck.checks.records import DomainRecords, check_records
from mailyard.cli.installcheck.checks.resolver import ResolverFacts, check_resolver
from mailyard.cli.installcheck.checks.reversedns import ReverseFacts, check_reverse_dns
from mailyard.cli.installcheck.finding import Level
from mailyard.spool.watch.canary import CanaryRun
from mailyard.spool.watch.depth import Depth

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOST = "mail.example.org"
GOOD = DomainRecords(
    "example.org",
    [HOST],
    ["v=spf1 mx -all"],
    ["v=DMARC1; p=reject"],
    ["v=STSv1; id=1"],
    {"s1": ["v=DKIM1; k=ed25519; p=abc"]},
)
KINDS = ("mx", "spf", "dkim", "dmarc", "mta-sts")


def changed(**fields):
    return DomainRecords(**{name: getattr(GOOD, name) for name in GOOD.__slots__} | fields)


def levels(findings):
    return [finding.level.value for finding in findings]


def test_a_domain_with_all_records_is_well():
    assert levels(check_records(GOOD, HOST)) == ["ok"] * 5


@pytest.mark.parametrize(
    ("fields", "kind", "level"),
    [
        ({"exchangers": []}, "mx", "error"),
        ({"exchangers": ["mail.other.org"]}, "mx", "error"),
        ({"exchangers": ["mail.other.org", HOST]}, "mx", "ok"),
        ({"exchangers": ["Mail.Example.ORG"]}, "mx", "ok"),
        ({"spf": []}, "spf", "warning"),
        ({"spf": ["v=spf1 mx -all", "v=spf1 -all"]}, "spf", "error"),
        ({"spf": ["v=spf1 +all"]}, "spf", "error"),
        ({"spf": ["v=spf1 mx ALL"]}, "spf", "error"),
        ({"dkim": {}}, "dkim", "unknown"),
        ({"dkim": {"s1": []}}, "dkim", "error"),
        ({"dkim": {"s1": ["v=DKIM1; p="]}}, "dkim", "error"),
        ({"dmarc": []}, "dmarc", "warning"),
        ({"dmarc": ["v=DMARC1; rua=mailto:x@y.z"]}, "dmarc", "error"),
        ({"dmarc": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "dmarc", "error"),
        ({"mta_sts": []}, "mta-sts", "ok"),
        ({"mta_sts": ["v=STSv1;"]}, "mta-sts", "error"),
    ],
)
def test_a_record_that_is_missing_or_wrong_is_reported(fields, kind, level):
    found = dict(zip(KINDS, check_records(changed(**fields), HOST), strict=True))
    assert found[kind].level == level
    assert {other for other in KINDS if found[other].level is not Level.OK} == (
        {kind} - ({kind} if level == "ok" else set())
    )
    assert level == "ok" or found[kind].instruction


def test_without_a_host_name_nobody_knows_whether_the_mx_is_right():
    assert levels(check_records(GOOD, None)) == ["unknown", "ok", "ok", "ok", "ok"]


@pytest.mark.parametrize(
    ("forward", "level", "words"),
    [
        ({HOST: {"192.0.2.1"}}, "ok", f"192.0.2.1 is {HOST}, which resolves to it"),
        ({}, "error", "192.0.2.1 has no name (PTR record)"),
        ({HOST: {"192.0.2.9"}}, "error", f"192.0.2.1 has the name {HOST}, which does not resolve to it"),
        (
            {"host1.cloud.example": {"192.0.2.1"}},
            "warning",
            f"192.0.2.1 is host1.cloud.example, and not {HOST}",
        ),
    ],
)
def test_the_address_has_a_name_that_leads_back(forward, level, words):
    facts = ReverseFacts("192.0.2.1", {name: frozenset(found) for name, found in forward.items()})
    [found] = check_reverse_dns(facts, HOST)
    assert (found.level, found.what) == (level, words)


def test_an_ipv6_address_leads_back_however_it_is_written():
    facts = ReverseFacts("2001:DB8:0::1", {HOST: frozenset({"192.0.2.1", "2001:db8::1"})})
    assert levels(check_reverse_dns(facts, "MAIL.example.org")) == ["ok"]


@pytest.mark.parametrize(
    ("facts", "out", "inward"),
    [
        (Greeting("h:25", f"220 {HOST} ESMTP"), "ok", "ok"),
        (Greeting("h:25", "220 Mail.Example.org ESMTP"), "ok", "ok"),
        (Greeting("h:25", "220 other.example ESMTP"), "ok", "warning"),
        (Greeting("h:25", "554 go away"), "warning", "error"),
        (Greeting("h:25", "", "timed out"), "error", "error"),
    ],
)
def test_port_25_is_open_both_ways(facts, out, inward):
    assert levels(check_way_out(facts)) == [out]
    assert levels(check_way_in(facts, HOST)) == [inward]


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        (ResolverFacts("a.test", True), "ok"),
        (ResolverFacts("a.test", False), "warning"),
        (ResolverFacts("a.test", False, "timed out"), "error"),
    ],
)
def test_the_resolver_validates(facts, level):
    assert levels(check_resolver(facts)) == [level]


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        (ListenerFacts("smtp", names=(HOST,), expires=NOW + timedelta(days=15)), "ok"),
        (ListenerFacts("smtp", names=(HOST,), expires=NOW + timedelta(days=13)), "warning"),
        (ListenerFacts("smtp", names=(HOST,), expires=NOW), "error"),
        (ListenerFacts("smtp", distrust="self-signed", names=(), expires=NOW + timedelta(days=99)), "error"),
        (ListenerFacts("smtp", problem="refused"), "error"),
    ],
)
def test_a_certificate_is_trusted_and_lasts(facts, level):
    assert levels(check_certificate(facts, NOW)) == [level]


def test_a_certificate_that_only_a_file_vouches_for_is_reported_as_such():
    facts = ListenerFacts("smtp", names=(HOST,), expires=NOW + timedelta(days=15), authority="/ca.crt")
    [found] = check_certificate(facts, NOW)
    assert found.what == f"smtp: {HOST}, until 2026-12-10, by the authorities in /ca.crt"


def depths(**changes):
    return [
        Depth(queue, 0, *changes.get(queue.name, (0.0, 0, 0 if queue is Queue.DEAD else 1)))
        for queue in Queue
    ]


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, "ok", "all 6 queues exist; the 5 work queues have consumers and move"),
        ({"REMOTE_SEND": (0.0, 0, 0)}, "error", "queue remote.send has no consumer"),
        ({"LOCAL_FILTER": (301.0, 9, 2)}, "warning", "mail waits in local.filter for 301 s"),
        ({"DEAD": (9_999.0, 3, 0)}, "warning", "3 message(s) are dead letters"),
    ],
)
def test_queues_have_consumers_and_move(changes, level, words):
    [found] = check_queues(depths(**changes))
    assert (found.level, found.what) == (level, words)


def test_the_ledger_has_no_gap():
    assert levels(check_ledger(0)) == ["ok"]
    assert levels(check_ledger(2)) == ["error"]


def test_the_canary_came_home_of_late():
    runs = [
        CanaryRun("echo", True, 1.5, NOW - timedelta(minutes=5)),
        CanaryRun("local", False, 60.0, NOW),
        CanaryRun("old", True, 1.0, NOW - timedelta(hours=2)),
    ]
    assert levels(check_canary(runs, NOW)) == ["ok", "error", "warning"]
    assert levels(check_canary([], NOW)) == ["warning"]
