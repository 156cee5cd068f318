"""The pure judgements: which tickets are lost, when to try again, how many mails wait."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.broker.connection import QueueDepth
from mailyard.broker.pipeline import Queue, QueuePath
from mailyard.proto.v1.ticket_pb2 import MailClass, Ticket
from mailyard.runtime.clock import to_ms
from mailyard.spool.queue.retry import SCHEDULES, next_due
from mailyard.spool.watch.depth import depth_of, tickets_per_message
from mailyard.spool.watch.horizon import MARGIN, path_horizons, queue_horizon
from mailyard.spool.watch.progress import QueueProgress

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=3)


def report(**fields: object) -> QueueProgress:
    base: dict[str, object] = {
        "queue": Queue.LOCAL_DELIVER,
        "at": NOW,
        "consumes": True,
        "taken_until_ms": to_ms(NOW),
        "oldest_in_hand_ms": None,
        "tickets_in": 0,
        "messages_in": 0,
        "tickets_out": 0,
        "messages_out": 0,
    }
    return QueueProgress(**(base | fields))  # type: ignore[arg-type]


def test_an_empty_queue_with_idle_consumers_explains_nothing() -> None:
    assert queue_horizon(QueueDepth(0, 1), [report()], NOW) == NOW
    assert queue_horizon(QueueDepth(0, 0), [], NOW) == NOW


def test_a_long_queue_explains_everything_released_after_what_is_taken_now() -> None:
    assert queue_horizon(QueueDepth(9000, 1), [report(taken_until_ms=to_ms(LONG_AGO))], NOW) == LONG_AGO


def test_what_a_consumer_has_in_hand_is_explained() -> None:
    held = report(oldest_in_hand_ms=to_ms(LONG_AGO))
    assert queue_horizon(QueueDepth(0, 1), [report(), held], NOW) == LONG_AGO


def test_a_queue_that_nobody_takes_from_explains_everything() -> None:
    silent = report(at=NOW - timedelta(minutes=1))
    assert queue_horizon(QueueDepth(5, 0), [silent], NOW) is None
    assert queue_horizon(QueueDepth(5, 1), [report(taken_until_ms=None)], NOW) is None


def test_a_dead_consumers_report_says_nothing_of_the_present() -> None:
    dead = report(at=NOW - timedelta(minutes=1), oldest_in_hand_ms=to_ms(LONG_AGO))
    assert queue_horizon(QueueDepth(0, 1), [dead, report()], NOW) == NOW


def test_a_way_is_as_old_as_its_oldest_queue_and_open_when_one_queue_is() -> None:
    horizons = dict.fromkeys(Queue, NOW) | {Queue.REMOTE_SEND: LONG_AGO, Queue.LOCAL_FILTER: None}
    ways = path_horizons(horizons)
    assert ways[QueuePath.REMOTE] == LONG_AGO - MARGIN
    assert ways[QueuePath.LOCAL] is ways[QueuePath.EDGE] is ways[QueuePath.UNKNOWN] is None


@given(attempt=st.integers(0, 500), dice=st.floats(0, 1), mail_class=st.sampled_from(sorted(SCHEDULES)))
def test_waits_grow_up_to_the_longest_and_stay_within_the_jitter(
    attempt: int, dice: float, mail_class: int
) -> None:
    schedule = SCHEDULES[mail_class]
    wait, following = schedule.wait(attempt), schedule.wait(attempt + 1)
    assert schedule.first[0] <= wait <= following <= schedule.longest
    ticket = Ticket(mail_class=MailClass.Name(mail_class), attempt=attempt, accepted_at_ms=to_ms(NOW))
    due = next_due(ticket, NOW, lambda: dice)
    assert due is not None
    assert wait * 0.799 <= due - NOW <= wait * 1.201


@pytest.mark.parametrize("mail_class", sorted(SCHEDULES))
def test_after_its_lifetime_a_message_is_not_due_again(mail_class: int) -> None:
    ticket = Ticket(mail_class=MailClass.Name(mail_class), accepted_at_ms=to_ms(NOW))
    lifetime = SCHEDULES[mail_class].lifetime
    assert next_due(ticket, NOW + lifetime, lambda: 0.5) is None
    assert next_due(ticket, NOW + lifetime - timedelta(seconds=1), lambda: 0.5) is not None


def test_mails_are_the_brokers_messages_times_the_tickets_in_those_that_wait() -> None:
    reports = [
        report(tickets_out=1000, messages_out=100, consumes=False),
        report(tickets_in=500, messages_in=90, taken_until_ms=to_ms(LONG_AGO)),
    ]
    assert tickets_per_message(reports) == 50
    depth = depth_of(Queue.LOCAL_DELIVER, QueueDepth(10, 1), reports, None, NOW)
    assert (depth.mails, depth.oldest_seconds) == (500, 3 * 3600)


def test_a_killed_process_counts_do_not_spoil_the_depth_of_a_full_queue() -> None:
    # The last second of a publisher's counts was lost with it: 10 messages of 20 tickets are not in its report.
    reports = [report(tickets_out=2000, messages_out=100), report(tickets_in=200, messages_in=10)]
    assert depth_of(Queue.LOCAL_DELIVER, QueueDepth(100, 1), reports, None, NOW).mails == 2000


def test_an_empty_queue_has_no_age_and_one_without_consumers_that_of_the_oldest_open_row() -> None:
    assert depth_of(Queue.DEAD, QueueDepth(0, 0), [], LONG_AGO, NOW).oldest_seconds == 0
    depth = depth_of(Queue.LOCAL_DELIVER, QueueDepth(3, 0), [], LONG_AGO, NOW)
    assert (depth.mails, depth.oldest_seconds) == (3, 3 * 3600)


def test_after_an_idle_time_the_age_counts_from_what_is_open_and_not_from_what_was_taken_before_it() -> None:
    idle = [report(taken_until_ms=to_ms(LONG_AGO))]
    depth = depth_of(Queue.LOCAL_DELIVER, QueueDepth(3, 1), idle, NOW - timedelta(seconds=2), NOW)
    assert depth.oldest_seconds == 2


def test_an_open_row_that_waits_elsewhere_does_not_make_a_moving_queue_old() -> None:
    moving = [report(taken_until_ms=to_ms(NOW - timedelta(seconds=5)))]
    assert depth_of(Queue.LOCAL_DELIVER, QueueDepth(3, 1), moving, LONG_AGO, NOW).oldest_seconds == 5
