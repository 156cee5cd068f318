"""What answers mean for the recipients and for the row: pure."""

from datetime import UTC, datetime, timedelta

import pytest

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import MailClass, Recipient, Ticket
from mailyard.relay.attempt import RecipientAnswer
from mailyard.relay.conclusion import (
    ReplyClass,
    conclude,
    postpone,
    reply_class_of,
    reply_text,
    return_to_queue,
)
from mailyard.runtime.clock import to_ms
from mailyard.smtp.client import RecipientResult, Step
from mailyard.smtp.client.replies import lost_reply, own_reply
from mailyard.smtp.reply import Reply
from mailyard.spool.outcome import Result

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OK = RecipientResult(Step.END, Reply(250, "2.0.0", ("Queued",)))
NO_USER = RecipientResult(Step.RCPT, Reply(550, "5.1.1", ("No such user",)))
GREYLISTED = RecipientResult(Step.RCPT, Reply(451, None, ("Greylisted",)))
LOST = RecipientResult(Step.END, lost_reply("connection lost: reset"), own=True)


def ticket(recipients: int, accepted: datetime = NOW, attempt: int = 0) -> Ticket:
    return Ticket(
        spool_id="c" * 20,
        mail_class=MailClass.MAIL_CLASS_NORMAL,
        attempt=attempt,
        accepted_at_ms=to_ms(accepted),
        recipients=[Recipient(address=f"u{n}@b.example", index=n + 10) for n in range(recipients)],
    )


def answer(outcome: RecipientResult) -> RecipientAnswer:
    return RecipientAnswer(outcome, "mx.example[192.0.2.1]:25", "TLSv1.3 X")


@pytest.mark.parametrize(
    ("step", "code", "disposition"),
    [
        (Step.END, 250, ReplyClass.RELAYED),
        (Step.RCPT, 450, ReplyClass.DEFERRED),
        (Step.RCPT, 550, ReplyClass.FAILED),
        (Step.MAIL, 550, ReplyClass.FAILED),
        (Step.DATA, 554, ReplyClass.FAILED),
        (Step.END, 554, ReplyClass.FAILED),
        (Step.CONNECT, 550, ReplyClass.FAILED),  # the DNS says that there is nobody
        (Step.CONNECT, 451, ReplyClass.DEFERRED),
        (Step.GREETING, 554, ReplyClass.DEFERRED),
        (Step.GREETING, 521, ReplyClass.FAILED),
        (Step.HELLO, 550, ReplyClass.DEFERRED),
        (Step.STARTTLS, 554, ReplyClass.DEFERRED),
        (Step.AUTH, 535, ReplyClass.DEFERRED),
    ],
)
def test_an_answer_means(step: Step, code: int, disposition: ReplyClass) -> None:
    assert reply_class_of(RecipientResult(step, Reply(code, None, ("x",)))) is disposition


def test_all_taken_ends_the_leg_with_the_remote_s_reply_text() -> None:
    leg = ticket(2)
    report = conclude(leg, [answer(OK)] * 2, NOW, lambda: 0.5)
    assert report.deferral is None
    assert set(report.outcomes) == {10, 11}
    first = report.outcomes[10]
    assert (first.result, first.status, first.place) == (Result.RELAYED, "2.0.0", "mx.example[192.0.2.1]:25")
    assert first.text == "250 2.0.0 Queued (in reply to END)"
    (entry,) = leg.timeline
    assert (entry.stage, entry.event) == ("relay", "message.relayed")
    assert entry.detail == (
        "2 recipients: mx.example[192.0.2.1]:25 (TLSv1.3 X): 250 2.0.0 Queued (in reply to END)"
    )


def test_a_leg_is_split_between_taken_failed_and_waiting() -> None:
    leg = ticket(3)
    report = conclude(leg, [answer(OK), answer(NO_USER), answer(GREYLISTED)], NOW, lambda: 0.5)
    assert {index: outcome.result for index, outcome in report.outcomes.items()} == {
        10: Result.RELAYED,
        11: Result.BOUNCED,
    }
    assert report.outcomes[11].status == "5.1.1"
    assert report.deferral is not None
    assert report.deferral.route is Route.REMOTE
    assert report.deferral.due_at == NOW + timedelta(minutes=1)
    assert report.deferral.status == "4.0.0"
    assert report.deferral.text == "mx.example[192.0.2.1]:25: 451 Greylisted (in reply to RCPT)"
    assert [entry.event for entry in leg.timeline] == [
        "message.relayed",
        "message.failed",
        "message.deferred",
    ]


@pytest.mark.parametrize("passed", [True, False])
def test_the_report_says_whether_the_host_took_over_the_dsn_parameters(passed: bool) -> None:
    taken = RecipientAnswer(OK, "mx.example[192.0.2.1]:25", dsn_passed=passed)
    report = conclude(ticket(1), [taken], NOW, lambda: 0.5)
    assert report.outcomes[10].dsn_passed is passed


def test_a_later_attempt_waits_longer() -> None:
    report = conclude(ticket(1, attempt=3), [answer(GREYLISTED)], NOW, lambda: 0.5)
    assert report.deferral is not None
    assert report.deferral.due_at == NOW + timedelta(minutes=15)


def test_a_refusal_that_is_about_us_waits_with_a_transient_status() -> None:
    refused = RecipientResult(Step.GREETING, Reply(554, "5.7.1", ("You are listed",)))
    report = conclude(ticket(1), [answer(refused)], NOW, lambda: 0.5)
    assert report.deferral is not None
    assert report.deferral.status == "4.7.1"


def test_an_old_leg_is_given_up() -> None:
    leg = ticket(2, accepted=NOW - timedelta(days=6))
    report = conclude(leg, [answer(OK), answer(GREYLISTED)], NOW, lambda: 0.5)
    assert report.deferral is None
    expired = report.outcomes[11]
    assert (expired.result, expired.status) == (Result.EXPIRED, "5.4.7")
    assert "Greylisted" in expired.text
    assert leg.timeline[-1].event == "message.failed"


def test_a_leg_that_was_not_tried_comes_again_soon_and_its_row_does_not_grow() -> None:
    leg = ticket(1, accepted=NOW - timedelta(days=4))
    report = postpone(leg, NOW, timedelta(seconds=30), "all connections to the host are in use")
    assert report.outcomes == {}
    assert report.deferral is not None
    assert report.deferral.due_at == NOW + timedelta(seconds=30)
    assert not report.deferral.tried
    assert not leg.timeline


@pytest.mark.parametrize(
    ("mail_class", "days"),
    [(MailClass.MAIL_CLASS_NORMAL, 5), (MailClass.MAIL_CLASS_URGENT, 2), (MailClass.MAIL_CLASS_BULK, 3)],
)
def test_a_leg_that_never_got_its_turn_expires_like_any_other(mail_class: MailClass, days: int) -> None:
    leg = ticket(2, accepted=NOW - timedelta(days=days))
    leg.mail_class = mail_class
    report = postpone(leg, NOW, timedelta(seconds=30), "all connections to the host are in use")
    assert report.deferral is None
    assert {each.result for each in report.outcomes.values()} == {Result.EXPIRED}
    assert "in use" in report.outcomes[10].text
    assert [step.event for step in leg.timeline] == ["message.failed"]


def test_a_leg_is_given_back_at_once() -> None:
    report = return_to_queue(ticket(1, accepted=NOW - timedelta(days=6)), NOW, "relay is stopping")
    assert report.deferral is not None
    assert (report.deferral.due_at, report.deferral.tried) == (NOW, False)


def test_our_own_words_carry_no_code() -> None:
    assert reply_text(answer(LOST)) == "connection lost: reset"
    assert reply_text(
        RecipientAnswer(RecipientResult(Step.CONNECT, own_reply(550, "5.1.2", "no such domain"), own=True))
    ) == ("no such domain")


def test_long_words_are_cut() -> None:
    babble = RecipientResult(Step.RCPT, Reply(550, None, ("x" * 3000,)))
    assert len(reply_text(answer(babble))) == 500


def test_words_of_a_stranger_turn_no_text_and_break_no_line() -> None:
    said = "a\u202eb\u2028c\u2066d\ufeffe\U000e0041f không có"
    assert reply_text(answer(RecipientResult(Step.RCPT, Reply(550, "5.1.1", (said,))))) == (
        "550 5.1.1 a?b?c?d?e?f không có (in reply to RCPT)"
    )
