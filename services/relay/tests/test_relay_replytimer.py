"""How long a step may take (RFC 5321 section 4.5.3.2), and that slowness in small steps does not help."""

import pytest

from mailyard.relay.replytimer import ReplyTimeouts, ReplyTimer
from mailyard.smtp.client import Step


@pytest.mark.parametrize(
    ("step", "minimum"),
    [
        (Step.GREETING, 300),
        (Step.MAIL, 300),
        (Step.RCPT, 300),
        (Step.DATA, 120),
        (Step.BODY, 180),
        (Step.END, 600),
    ],
)
def test_the_usual_times_are_those_of_the_rfc(step: Step, minimum: float) -> None:
    assert ReplyTimeouts().seconds_for(step) >= minimum


def test_every_step_has_its_time() -> None:
    assert all(ReplyTimeouts().seconds_for(step) > 0 for step in Step)


def test_time_runs_from_the_last_complete_reply() -> None:
    now = 0.0
    timer = ReplyTimer(
        ReplyTimeouts(envelope_seconds=10, final_seconds=20, transaction_seconds=100), lambda: now
    )
    timer.begin()
    assert timer.left(Step.MAIL, 3) == 10
    now = 4.0  # an octet came, but no reply
    assert timer.left(Step.MAIL, 3) == 6
    now = 5.0
    assert timer.left(Step.RCPT, 4) == 10
    now = 9.0
    assert timer.left(Step.RCPT, 5) == 10
    now = 50.0
    assert timer.left(Step.RCPT, 5) == 0


def test_the_whole_transaction_has_its_time_too_but_not_the_last_reply() -> None:
    now = 0.0
    timer = ReplyTimer(ReplyTimeouts(final_seconds=20, block_seconds=20, transaction_seconds=30), lambda: now)
    timer.begin()
    now = 25.0
    assert timer.left(Step.BODY, 1) == 5
    assert timer.for_a_block() == 5
    assert timer.left(Step.END, 1) == 20  # without it the mail would go twice
    timer.begin()
    assert timer.for_a_block() == 20


def test_while_connections_are_short_replies_before_the_message_get_less_time() -> None:
    now, busy = 0.0, False
    timer = ReplyTimer(
        ReplyTimeouts(envelope_seconds=300, final_seconds=600, block_seconds=180, busy_reply_seconds=30),
        lambda: now,
        lambda: busy,
    )
    timer.begin()
    assert timer.left(Step.MAIL, 1) == 300
    busy = True
    assert timer.left(Step.MAIL, 1) == 30
    now = 29.0
    assert timer.left(Step.MAIL, 1) == 1
    assert timer.left(Step.RCPT, 2) == 30
    assert timer.for_a_block() == 30
    assert timer.left(Step.END, 3) == 600
    now = 290.0
    assert timer.left(Step.RCPT, 9) == 10  # ten such replies in all
    assert timer.left(Step.BODY, 10) == 30
    busy = False
    assert timer.left(Step.RCPT, 11) == 300


def test_without_shortage_the_times_are_those_of_the_rfc() -> None:
    """RFC 5321 section 4.5.3.2: the least that a client should wait."""
    times = ReplyTimeouts()
    assert times.seconds_for(Step.GREETING) >= 300
    assert times.seconds_for(Step.MAIL) >= 300
    assert times.seconds_for(Step.RCPT) >= 300
    assert times.seconds_for(Step.DATA) >= 120
    assert times.seconds_for(Step.BODY) >= 180
    assert times.seconds_for(Step.END) >= 600
