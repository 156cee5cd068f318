import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.broker.pipeline import Route
from mailyard.filter.check import Check
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.pipeline import Pipeline
from mailyard.filter.verdict import RejectOutside, Thresholds, action_word, combine, describe
from mailyard.message.defects import Defect
from mailyard.proto.v1.ticket_pb2 import Action, Origin
from mailyard.spool.finding import Finding

ACTIONS = [
    Action.ACTION_PASS,
    Action.ACTION_TAG,
    Action.ACTION_QUARANTINE,
    Action.ACTION_REJECT,
    Action.ACTION_DISCARD,
]


def finding(action: Action, rule: str = "r", **more) -> Finding:
    return Finding("rules", rule, action, **more)


def test_a_message_of_which_nothing_was_found_passes():
    verdict = combine([], Route.LOCAL)
    assert verdict.action == Action.ACTION_PASS
    assert verdict.header_fields == b""
    assert describe(verdict) == "pass"


@given(st.lists(st.sampled_from(ACTIONS), min_size=1))
def test_the_strongest_action_wins_and_every_finding_is_kept(actions):
    verdict = combine([finding(action, str(number)) for number, action in enumerate(actions)], Route.LOCAL)
    assert verdict.action == max(actions)
    assert [each.rule for each in verdict.findings] == [str(number) for number in range(len(actions))]


def test_header_fields_of_all_findings_are_added_each_once():
    verdict = combine(
        [
            finding(Action.ACTION_TAG, fields=(b"X-Mailyard-Rule: a\r\n", b"X-Spam-Flag: YES\r\n")),
            finding(Action.ACTION_QUARANTINE, fields=(b"X-Mailyard-Rule: b\r\n", b"X-Spam-Flag: YES\r\n")),
        ],
        Route.LOCAL,
    )
    assert verdict.header_fields == b"X-Mailyard-Rule: a\r\nX-Spam-Flag: YES\r\nX-Mailyard-Rule: b\r\n"


def test_a_rejection_says_what_the_first_finding_that_rejects_says():
    verdict = combine(
        [
            finding(Action.ACTION_TAG, text="tagged"),
            finding(Action.ACTION_REJECT, text="no programs", status="5.7.0"),
            finding(Action.ACTION_REJECT, text="no lotteries"),
        ],
        Route.LOCAL,
    )
    assert (verdict.status, verdict.text) == ("5.7.0", "no programs")


def test_a_rejection_without_words_gets_some():
    verdict = combine([finding(Action.ACTION_REJECT)], Route.REMOTE)
    assert (verdict.status, verdict.text) == ("5.7.1", "message refused by policy")


def test_a_discarded_message_is_not_refused():
    verdict = combine([finding(Action.ACTION_REJECT, text="no"), finding(Action.ACTION_DISCARD)], Route.LOCAL)
    assert (verdict.action, verdict.status, verdict.text) == (Action.ACTION_DISCARD, "", "")


def test_remote_mail_has_no_junk_and_is_tagged():
    assert combine([finding(Action.ACTION_QUARANTINE)], Route.REMOTE).action == Action.ACTION_TAG


def test_the_timeline_says_verdict_and_causes():
    verdict = combine([finding(Action.ACTION_TAG, "a"), finding(Action.ACTION_QUARANTINE, "b")], Route.LOCAL)
    assert describe(verdict) == "quarantine: rules/a rules/b"


@pytest.mark.parametrize(
    ("action", "word"), [(Action.ACTION_PASS, "pass"), (Action.ACTION_DISCARD, "discard")]
)
def test_actions_have_words(action, word):
    assert action_word(action) == word


@pytest.mark.parametrize("direction", [Route.LOCAL, Route.REMOTE])
def test_a_rejection_of_mail_from_outside_is_a_quarantine(direction):
    refused = finding(Action.ACTION_REJECT, "programs", text="no programs", status="5.7.0")
    verdict = combine([refused, finding(Action.ACTION_TAG)], direction, bounces=False)
    expected = {Route.LOCAL: Action.ACTION_QUARANTINE, Route.REMOTE: Action.ACTION_TAG}
    assert verdict.action == expected[direction]
    assert (verdict.status, verdict.text) == ("", "")
    assert verdict.header_fields == b"X-Mailyard-Rule: programs\r\nX-Spam-Flag: YES\r\n"


def test_discarding_stays_discarding_wherever_mail_comes_from():
    assert (
        combine([finding(Action.ACTION_DISCARD)], Route.LOCAL, bounces=False).action == Action.ACTION_DISCARD
    )


def test_defects_stand_in_the_verdict_and_in_the_timeline():
    verdict = combine([], Route.LOCAL, defects=[Defect.TOO_DEEP, Defect.CONTENT_CUT])
    assert list(verdict.defects) == ["content-cut", "too-deep"]
    assert describe(verdict) == "pass (content-cut too-deep)"


@pytest.mark.parametrize(
    ("source", "setting", "expected"),
    [
        ("mx", RejectOutside.QUARANTINE, Action.ACTION_QUARANTINE),
        ("lmtp", RejectOutside.QUARANTINE, Action.ACTION_QUARANTINE),
        ("submission", RejectOutside.QUARANTINE, Action.ACTION_REJECT),
        ("api", RejectOutside.QUARANTINE, Action.ACTION_REJECT),
        ("", RejectOutside.QUARANTINE, Action.ACTION_QUARANTINE),
        ("mx", RejectOutside.BOUNCE, Action.ACTION_REJECT),
    ],
)
async def test_only_mail_of_users_bounces_unless_a_setting_says_otherwise(source, setting, expected):
    envelope = MailEnvelope("a@b.test", ("c@d.test",), "t", Route.LOCAL, 5, Origin(source=source))
    (verdict,) = await Pipeline([Refusing()], setting).judge([Mail(envelope)])
    assert verdict.action == expected


async def test_before_it_is_accepted_mail_from_outside_is_rejected():
    envelope = MailEnvelope("a@b.test", ("c@d.test",), "t", Route.LOCAL, 5, Origin(source="mx"))
    (verdict,) = await Pipeline([Refusing()]).judge([Mail(envelope)], is_before_queue=True)
    assert verdict.action == Action.ACTION_REJECT


class Refusing(Check):
    """A check that rejects everything."""

    name = "refusing"

    def needs(self, envelope):
        return Need.ENVELOPE

    async def examine(self, mail):
        return [finding(Action.ACTION_REJECT)]


LIMITS = Thresholds(tag=2.0, quarantine=5.0, reject=10.0)


@pytest.mark.parametrize(
    ("scores", "action"),
    [
        ([], Action.ACTION_PASS),
        ([1.9], Action.ACTION_PASS),
        ([1.0, 1.0], Action.ACTION_TAG),
        ([7.5, -3.0], Action.ACTION_TAG),
        ([2.5, 2.5], Action.ACTION_QUARANTINE),
        ([4.0, 6.0], Action.ACTION_REJECT),
    ],
)
def test_scores_add_up_to_an_action(scores, action):
    findings = [finding(Action.ACTION_PASS, score=score) for score in scores]
    assert combine(findings, Route.LOCAL, thresholds=LIMITS).action == action


def test_without_thresholds_scores_do_nothing():
    assert combine([finding(Action.ACTION_PASS, score=1e6)], Route.LOCAL).action == Action.ACTION_PASS


def test_a_score_says_what_it_was_and_never_weakens_a_finding():
    verdict = combine([finding(Action.ACTION_DISCARD, score=7.5)], Route.LOCAL, thresholds=LIMITS)
    assert verdict.action == Action.ACTION_DISCARD
    assert describe(verdict) == "discard: rules/r score/quarantine"
    assert verdict.header_fields == b"X-Spam-Score: 7.5\r\nX-Spam-Flag: YES\r\n"


def test_a_score_that_rejects_mail_from_outside_quarantines_it():
    verdict = combine(
        [finding(Action.ACTION_PASS, score=99.0)], Route.LOCAL, bounces=False, thresholds=LIMITS
    )
    assert verdict.action == Action.ACTION_QUARANTINE
