"""The judgement's parts that need no cluster: refusals, paces, what may be left, when a burst is over."""

import pytest

from tests.cluster.checks.autoscale import over
from tests.cluster.checks.removal import unexpected
from tests.cluster.samples import Sample
from tests.cluster.traffic import Steady, refused_for_good

REST = {"router": 1, "filter": 1, "delivery": 1}


def test_only_replies_with_five_hundred_are_refusals_for_good() -> None:
    heard = {
        "451 4.3.0 store is unreachable": 9,
        "550 5.1.1 no such mailbox": 2,
        "the server closed the connection": 4,
    }
    assert refused_for_good(heard) == {"550 5.1.1 no such mailbox": 2}


def test_a_steady_pace_allows_what_the_time_allows_until_somebody_hurries() -> None:
    pace = Steady(20.0)
    assert pace(3.0) == 60.0
    pace.hurry()
    assert pace(3.0) == float("inf")


def test_volumes_and_the_secrets_that_open_them_may_stay_and_nothing_else() -> None:
    left = {
        "persistentvolumeclaim/data-mailyard-mongodb-0",
        "secret/mailyard-mongodb",
        "secret/mailyard-connections",
        "job/mailyard-setup-0a1b2c3d",
    }
    assert unexpected(left) == {"secret/mailyard-connections", "job/mailyard-setup-0a1b2c3d"}


@pytest.mark.parametrize(
    ("left", "depth", "replicas", "expected"),
    [
        (0, 0.0, REST, True),
        (1, 0.0, REST, False),
        (0, 3.0, REST, False),
        (0, 0.0, {**REST, "filter": 2}, False),
    ],
)
def test_a_burst_is_over_when_all_is_sent_taken_and_scaled_in(
    left: int, depth: float, replicas: dict[str, int], expected: bool
) -> None:
    sample = Sample(9.0, 20_000, {"local.filter": depth}, {"local.filter": 0.0}, replicas)
    assert over(left, sample, REST) is expected
