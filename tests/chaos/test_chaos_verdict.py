"""The verdict as a pure function: each kind of failure has its own finding."""

import pytest

from tests.chaos import verdict
from tests.chaos.mails import Arrival, compose, digest, recognise
from tests.chaos.verdict import Attempt, Verdict, judge
from tests.trial.smtp import Outcome

BOX, OTHER = "user00@chaos.test", "user01@chaos.test"


def attempt(number: int, outcome: Outcome = Outcome.ACKNOWLEDGED, boxes: tuple[str, ...] = (BOX,)) -> Attempt:
    return Attempt(number, boxes, f"digest {number}", outcome)


def arrival(number: int | None, box: str = BOX, uid: int = 1, octets: str | None = None) -> Arrival:
    return Arrival(box, uid, number, octets or f"digest {number}")


def blamed(judged: Verdict) -> list[str]:
    return [finding.what for finding in judged.findings if not finding.clean]


def test_every_acknowledged_mail_found_once_is_clean() -> None:
    judged = judge(
        [attempt(1, boxes=(BOX, OTHER)), attempt(2)], [arrival(1), arrival(1, OTHER), arrival(2)], [], 0
    )
    assert judged.clean
    assert "FAILED" not in judged.table()


def test_an_acknowledged_mail_that_one_of_two_recipients_lacks_is_lost() -> None:
    judged = judge([attempt(1, boxes=(BOX, OTHER))], [arrival(1)], [], 0)
    assert blamed(judged) == [verdict.LOST]
    assert f"{OTHER}: number 1" in judged.table()


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.REFUSED, Outcome.UNSENT])
def test_a_mail_that_was_not_acknowledged_need_not_arrive(outcome: Outcome) -> None:
    assert judge([attempt(1, outcome)], [], [], 0).clean


def test_a_mail_whose_reply_was_lost_may_arrive() -> None:
    assert judge([attempt(1, Outcome.UNKNOWN)], [arrival(1)], [], 0).clean


def test_a_mail_whose_final_dot_was_never_sent_must_not_arrive() -> None:
    assert blamed(judge([attempt(1, Outcome.UNSENT)], [arrival(1)], [], 0)) == [verdict.UNEXPECTED]


def test_two_copies_in_one_mailbox_are_a_double() -> None:
    assert blamed(judge([attempt(1)], [arrival(1), arrival(1, uid=2)], [], 0)) == [verdict.DOUBLED]


@pytest.mark.parametrize("unsent", [arrival(9), arrival(None), arrival(1, OTHER)])
def test_a_mail_that_nobody_sent_to_that_mailbox_is_unexpected(unsent: Arrival) -> None:
    assert blamed(judge([attempt(1)], [arrival(1), unsent], [], 0)) == [verdict.UNEXPECTED]


def test_other_octets_than_were_sent_are_a_change() -> None:
    assert blamed(judge([attempt(1)], [arrival(1, octets="other")], [], 0)) == [verdict.CHANGED]


def test_observers_complaints_and_unaccounted_mail_fail_the_run() -> None:
    assert blamed(judge([], [], ["user: UID 2 appeared late"], -3)) == [verdict.ORDER, verdict.UNACCOUNTED]


def test_a_mail_is_recognised_behind_any_prefix_and_its_octets_compare_without_it() -> None:
    octets = compose(seed=1, number=42, size=2_000)
    found = recognise(BOX, 5, b"Return-Path: <a@b.test>\r\nReceived: by us;\r\n now\r\n" + octets)
    assert (found.number, found.digest) == (42, digest(octets))


def test_composing_twice_gives_the_same_octets_and_only_crlf_line_ends() -> None:
    octets = compose(seed=1, number=7, size=5_000)
    assert octets == compose(seed=1, number=7, size=5_000)
    assert octets.replace(b"\r\n", b"").count(b"\n") == 0
    assert octets != compose(seed=1, number=8, size=5_000)
