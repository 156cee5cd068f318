import asyncio
from datetime import UTC, datetime

from mailyard.local.processes import free_port
from mailyard.probe.boxes import Counter
from mailyard.probe.load import Answer, Load, Plan, Report
from mailyard.probe.mailserver import Encryption, MailServer, Trust
from mailyard.probe.sink import Sink
from mailyard.runtime.endpoint import Endpoint

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def plan(*recipients: str, mails: int = 20, per_second: float = 1_000.0, seconds: float = 30.0) -> Plan:
    return Plan(
        mails=mails,
        per_second=per_second,
        connections=3,
        seconds=seconds,
        sender="a@x.test",
        recipients=recipients,
        octets=500,
    )


async def run(wanted: Plan) -> tuple[Report, int]:
    box = Counter()
    async with Sink(box) as sink:
        server = MailServer(Endpoint("127.0.0.1", sink.port), Trust(), Encryption.NONE)
        report = await asyncio.to_thread(Load(server, wanted, lambda: NOW).run)
    return report, box.messages


async def test_every_mail_is_sent_once_and_counted():
    report, taken = await run(plan("b@y.test", "c@y.test"))
    assert (report.accepted, report.refused, report.failed, report.unsent) == (20, 0, 0, 0)
    assert taken == 20


async def test_what_the_server_refuses_is_reported_in_its_words():
    report, taken = await run(plan("b@y.test", "refuse@y.test", "defer@y.test", "c@y.test"))
    assert (report.accepted, report.refused, report.failed) == (10, 10, 0)
    assert sorted(count for _, count in report.reasons()) == [5, 5]
    assert {text.split(" ", 1)[0] for text, _ in report.reasons()} == {"5.1.1", "4.2.1"}
    assert taken == 10


async def test_the_pace_is_kept():
    report, _ = await run(plan("b@y.test", mails=6, per_second=20.0))
    assert report.accepted == 6
    assert report.seconds >= 5 / 20


async def test_no_mail_is_begun_after_the_time():
    report, taken = await run(plan("b@y.test", mails=1_000, per_second=10.0, seconds=0.25))
    assert 1 <= report.accepted <= 3  # those due at 0, 0.1 and 0.2 s, on a machine that is not too busy
    assert (taken, report.unsent) == (report.accepted, 1_000 - report.accepted)


def test_a_server_that_is_unreachable_is_distinguished_from_one_that_refuses():
    server = MailServer(Endpoint("127.0.0.1", free_port()), Trust(), Encryption.NONE)
    report = Load(server, plan("b@y.test", mails=4), lambda: NOW).run()
    assert (report.accepted, report.refused, report.failed) == (0, 0, 4)


def test_latency_is_that_of_accepted_mails():
    answers = [Answer(250, "ok", seconds) for seconds in (0.4, 0.1, 0.3, 0.2)] + [Answer(550, "no", 9.0)]
    report = Report(answers, planned=5, seconds=1.0)
    assert [report.latency(share) for share in (0.5, 0.75, 1)] == [0.2, 0.3, 0.4]
    assert Report([], planned=5, seconds=1.0).latency(1) == 0.0
