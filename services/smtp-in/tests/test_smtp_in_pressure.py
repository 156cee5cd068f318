"""When new messages get a 4xx, and the classes that refusals are counted by."""

import pytest

from mailyard.runtime.errors import Unavailable
from mailyard.smtp.server import replies as protocol
from mailyard.smtp_in import replies
from mailyard.smtp_in.headerfilters import Trace
from mailyard.smtp_in.pressure import Bounds, Pressure, Sample, judge
from mailyard.smtp_in.reasons import reason_of
from mailyard.smtp_in.sampling import free_percent

BOUNDS = Bounds(waiting_messages=100, disk_free_percent=3.0, queue_seconds=600)


@pytest.mark.parametrize(
    ("sample", "waiting", "expected"),
    [
        (Sample(50.0, 0.0), 0, None),
        (Sample(), 0, None),
        (Sample(2.9, 0.0), 0, replies.DISK_FULL),
        (Sample(50.0, 0.0), 101, replies.STORE_SLOW),
        (Sample(50.0, 601.0), 0, replies.QUEUE_OLD),
        (Sample(2.9, 601.0), 101, replies.DISK_FULL),
    ],
)
def test_each_kind_of_pressure_has_its_reply(sample, waiting, expected) -> None:
    assert judge(sample, waiting, BOUNDS) is expected


def test_the_age_of_the_queue_may_be_no_matter() -> None:
    assert judge(Sample(50.0, 10**9), 0, Bounds(100, 3.0, 0)) is None


async def test_what_cannot_be_measured_any_more_does_not_refuse_for_ever(house) -> None:
    samples = [Sample(1.0, 0.0), Unavailable("away"), Sample(50.0, 0.0)]

    async def measure() -> Sample:
        sample = samples.pop(0)
        if isinstance(sample, Exception):
            raise sample
        return sample

    pressure = Pressure(house.spool, BOUNDS, measure)
    assert pressure.refusal() is None
    await pressure.sample()
    assert pressure.refusal() is replies.DISK_FULL
    await pressure.sample()
    assert pressure.refusal() is None
    house.spool.backlog = 101
    assert pressure.refusal() is replies.STORE_SLOW


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({"fsUsedSize": 75.0, "fsTotalSize": 100.0}, 25.0),
        (
            {
                "raw": {
                    "a": {"fsUsedSize": 75, "fsTotalSize": 100},
                    "b": {"fsUsedSize": 99, "fsTotalSize": 100},
                }
            },
            1.0,
        ),
        ({"ok": 1}, None),
    ],
)
def test_the_scarcest_disk_counts(stats, expected) -> None:
    free = free_percent(stats)
    assert free == pytest.approx(expected) if expected else free is None


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (protocol.BARE_NEWLINE, "line-ends"),
        (protocol.UNKNOWN_COMMAND, "protocol"),
        (protocol.MESSAGE_TOO_BIG, "size"),
        (protocol.NUL_OCTET, "content"),
        (Trace().too_many(101), "loop"),
        (replies.MEMORY_FULL, "pressure"),
        (protocol.TOO_MANY_RECIPIENTS, "too-many-recipients"),
        (protocol.AUTHENTICATION_REQUIRED, "authentication"),
        (replies.TOO_MANY_CONNECTIONS, "limit"),
        (replies.RELAY_DENIED, "policy"),
        (replies.DISK_FULL, "pressure"),
        (replies.UNAVAILABLE, "unavailable"),
        (replies.BAD_SENDER, "bad-domain"),
    ],
)
def test_refusals_are_counted_by_few_classes(reply, reason) -> None:
    assert reason_of(reply) == reason
