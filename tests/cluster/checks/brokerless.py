"""RabbitMQ is scaled to no pod for a minute: new SMTP and IMAP connections are served meanwhile, and no mail is lost."""

import asyncio
import time

from tests.chaos.reading import say
from tests.cluster.release import NAME
from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.traffic import Load, Steady, Traffic, prepare
from tests.trial.imap import ImapFailed
from tests.trial.waiting import wait_until

MAILS = 3_000
PER_SECOND = 20.0
BEFORE = 200  # mails that get through before the broker goes
WITHOUT_SECONDS = 60
GONE_SECONDS = 90
FRONT_ENDS = ("smtp-in", "imap")
SERVED_SHARE = 0.99  # of new connections; a connection may meet the moment in which an address changes


async def run(subject: Subject) -> Figures:
    """One mail to a connection and one login a second, before, without and after the broker."""
    if not subject.objects.pods("rabbitmq"):
        raise CheckFailed(
            "RabbitMQ is not part of the release: this check scales the one of the trial overlay"
        )
    nodes = len(subject.objects.pods("rabbitmq"))
    pace = Steady(PER_SECOND)
    traffic = await prepare(subject, "brokerless", Load(MAILS, pace, mails_per_connection=1))
    try:
        await traffic.run(subject, _without_broker(subject, traffic, pace))
    finally:
        await asyncio.to_thread(subject.objects.scale_set, f"{NAME}-rabbitmq", nodes)
        await asyncio.to_thread(subject.release.settle)
    return traffic.figures


async def _without_broker(subject: Subject, traffic: Traffic, pace: Steady) -> None:
    nodes = len(subject.objects.pods("rabbitmq"))
    await traffic.flows(BEFORE)
    say(f"    scale RabbitMQ to 0 ({traffic.senders.acknowledged} acknowledged)")
    await asyncio.to_thread(subject.objects.scale_set, f"{NAME}-rabbitmq", 0)
    await asyncio.to_thread(
        wait_until,
        lambda: not subject.objects.pods("rabbitmq"),
        seconds=GONE_SECONDS,
        what="no pod of RabbitMQ is left",
    )
    before = traffic.senders.acknowledged
    logins = await _watch(subject, traffic, WITHOUT_SECONDS)
    accepted = traffic.senders.acknowledged - before
    traffic.figures |= {"accepted without broker": accepted, "logins without broker": logins}
    if accepted < WITHOUT_SECONDS * PER_SECOND / 2:
        raise CheckFailed(
            f"only {accepted} mails were accepted in {WITHOUT_SECONDS} s without a broker;"
            f" senders heard {traffic.senders.refusals}"
        )
    say(f"    scale RabbitMQ to {nodes} ({traffic.senders.acknowledged} acknowledged)")
    await asyncio.to_thread(subject.objects.scale_set, f"{NAME}-rabbitmq", nodes)
    await asyncio.to_thread(subject.release.settle)
    traffic.must_be_under_way("the broker's return")
    pace.hurry()


async def _watch(subject: Subject, traffic: Traffic, seconds: float) -> int:
    """Log in once a second, and look at the endpoints; raises CheckFailed when a front end is out of service."""
    ended = time.monotonic() + seconds
    tried = served = 0
    while time.monotonic() < ended:
        for service in FRONT_ENDS:
            ready = await asyncio.to_thread(subject.objects.ready_endpoints, f"{NAME}-{service}")
            if not ready:
                raise CheckFailed(f"no pod of {service} is ready while RabbitMQ is unreachable")
        tried += 1
        served += await _login(traffic)
        await asyncio.sleep(1)
    if served < tried * SERVED_SHARE:
        raise CheckFailed(f"{tried - served} of {tried} new IMAP logins failed without a broker")
    return served


async def _login(traffic: Traffic) -> bool:
    try:
        connection = await traffic.server.connect(traffic.boxes[0])
        await connection.select()
    except ImapFailed as error:
        say(f"    a login without broker failed: {error}")
        return False
    await connection.close()
    return True
