"""Checks in phases: what each sees, what its failure costs, and how long it may take."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from mailyard.broker.pipeline import Route
from mailyard.filter import registry
from mailyard.filter.check import BatchChanged, Check, OnFailure, Phase, in_steps
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.pipeline import Pipeline
from mailyard.filter.rules.contentcheck import ContentCheck
from mailyard.filter.rules.settings import RulesSettings
from mailyard.filter.settings import FilterSettings
from mailyard.proto.v1.ticket_pb2 import Action, Verdict
from mailyard.runtime.errors import Unavailable
from mailyard.spool.finding import Finding


def mail(sender: str = "a@b.test") -> Mail:
    return Mail(MailEnvelope(sender, ("c@d.test",), "t", Route.LOCAL, 5))


class Probe(Check):
    """A small check: says which findings it saw."""

    def __init__(
        self,
        name: str,
        phase: Phase = Phase.CONTENT,
        after: Sequence[str] = (),
        does: Callable[[Mail], object] = lambda _: None,
        on_failure: OnFailure = OnFailure.DEFER,
    ) -> None:
        self.name, self.phase, self.after = name, phase, after  # type: ignore[misc]
        self.on_failure = on_failure
        self._does = does

    def needs(self, envelope: MailEnvelope) -> Need:
        return Need.HEADER

    async def examine(self, mail: Mail) -> Sequence[Finding]:
        result = self._does(mail)
        if asyncio.iscoroutine(result):
            await result
        seen = " ".join(finding.check for finding in mail.findings)
        return [Finding(self.name, "saw", Action.ACTION_PASS, seen)]


def names(checks: Sequence[Check]) -> list[set[str]]:
    return [{check.name for check in step} for step in in_steps(checks)]


def test_checks_of_a_phase_run_together_and_phases_in_their_order():
    checks = [
        Probe("sign", Phase.SIGNATURE),
        Probe("rules"),
        Probe("virus"),
        Probe("spf", Phase.AUTHENTICATION),
    ]
    assert names(checks) == [{"spf"}, {"rules", "virus"}, {"sign"}]


def test_a_check_comes_after_those_that_it_names():
    checks = [
        Probe("dmarc", Phase.AUTHENTICATION, ["spf", "dkim"]),
        Probe("dkim", Phase.AUTHENTICATION),
        Probe("spf", Phase.AUTHENTICATION, ["dkim"]),
    ]
    assert names(checks) == [{"dkim"}, {"spf"}, {"dmarc"}]


@pytest.mark.parametrize(
    "checks",
    [
        [Probe("dmarc", after=["spf"])],
        [Probe("a", after=["b"]), Probe("b", after=["a"])],
        [Probe("a", after=["b"]), Probe("b", Phase.SIGNATURE)],
    ],
)
def test_an_order_that_is_not_possible_stops_the_start(checks):
    with pytest.raises(ValueError, match=r"no order of checks is possible: .* after"):
        Pipeline(checks)


async def judged(pipeline: Pipeline, *mails: Mail) -> list[Verdict | Unavailable]:
    return await pipeline.judge(mails)


async def test_a_check_sees_the_findings_of_those_before_it_and_of_none_beside_it():
    pipeline = Pipeline(
        [Probe("sign", Phase.SIGNATURE), Probe("a"), Probe("b"), Probe("spf", Phase.AUTHENTICATION)]
    )
    message = mail()
    message.findings.append(Finding("dialogue", "x", Action.ACTION_PASS))
    (verdict,) = await judged(pipeline, message)
    seen = {finding.check: finding.text for finding in verdict.findings}
    assert seen == {
        "dialogue": "",
        "spf": "dialogue",
        "a": "dialogue spf",
        "b": "dialogue spf",
        "sign": "dialogue spf a b",
    }


def failing_for(sender: str, error: Exception) -> Callable[[Mail], object]:
    def fail(message: Mail) -> None:
        if message.envelope.sender == sender:
            raise error

    return fail


async def test_a_message_that_a_check_fails_for_waits_and_the_others_are_judged():
    pipeline = Pipeline([Probe("engine", does=failing_for("bad@b.test", Unavailable("down")))])
    good, bad = await judged(pipeline, mail(), mail("bad@b.test"))
    assert good.action == Action.ACTION_PASS
    assert isinstance(bad, Unavailable)
    assert str(bad) == "engine: down"


async def test_later_checks_are_not_asked_about_a_message_that_waits():
    asked = []
    pipeline = Pipeline(
        [
            Probe("spf", Phase.AUTHENTICATION, does=failing_for("bad@b.test", Unavailable("down"))),
            Probe("rules", does=lambda message: asked.append(message.envelope.sender)),
        ]
    )
    await judged(pipeline, mail(), mail("bad@b.test"))
    assert asked == ["a@b.test"]


async def test_a_check_that_may_fail_leaves_a_mark_and_the_message_goes_on():
    does = failing_for("bad@b.test", Unavailable("down"))
    pipeline = Pipeline([Probe("engine", does=does, on_failure=OnFailure.CONTINUE)])
    (verdict,) = await judged(pipeline, mail("bad@b.test"))
    assert verdict.action == Action.ACTION_PASS
    assert [(each.check, each.rule, each.text) for each in verdict.findings] == [
        ("engine", "unavailable", "down")
    ]


async def test_a_slow_answer_about_one_message_delays_that_message_only():
    slow = Probe(
        "engine", does=lambda each: asyncio.Event().wait() if each.envelope.sender == "slow@b.test" else None
    )
    slow.timeout_seconds = 0.05
    quick, late = await judged(Pipeline([slow]), mail(), mail("slow@b.test"))
    assert quick.action == Action.ACTION_PASS
    assert str(late) == "engine: no answer within 0.05 s"


class Batchwise(Probe):
    """Judges batches as a whole."""

    async def inspect(self, batch):
        await asyncio.Event().wait()


async def test_a_check_of_whole_batches_has_a_limit_as_well(monkeypatch):
    monkeypatch.setattr("mailyard.filter.pipeline._GRACE_SECONDS", 0.0)
    stuck = Batchwise("engine")
    stuck.timeout_seconds = 0.05
    results = await judged(Pipeline([stuck]), mail(), mail())
    assert [str(each) for each in results] == ["engine: no answer within 0.05 s"] * 2


async def test_a_fault_of_a_check_is_no_reason_to_go_on():
    does = failing_for("bad@b.test", ZeroDivisionError("odd"))
    pipeline = Pipeline([Probe("engine", does=does, on_failure=OnFailure.CONTINUE)])
    with pytest.raises(ZeroDivisionError):
        await judged(pipeline, mail(), mail("bad@b.test"))


async def test_a_batch_that_must_be_read_again_is_not_judged():
    pipeline = Pipeline([Probe("rules", does=failing_for("a@b.test", BatchChanged("again")))])
    with pytest.raises(BatchChanged):
        await judged(pipeline, mail())


class Local(Probe):
    """Looks at mail of one sender only."""

    def applies_to(self, envelope: MailEnvelope) -> bool:
        return envelope.sender == "a@b.test"


async def test_a_check_that_a_message_does_not_concern_is_not_asked():
    pipeline = Pipeline([Local("local", does=failing_for("x@b.test", AssertionError("it was asked")))])
    assert pipeline.needs(mail("x@b.test").envelope) is Need.ENVELOPE
    assert pipeline.needs(mail().envelope) is Need.HEADER
    concerned, other = await judged(pipeline, mail(), mail("x@b.test"))
    assert [len(concerned.findings), len(other.findings)] == [1, 0]


def test_content_rules_are_the_registered_check_with_their_own_settings():
    (check,) = registry.make_checks(FilterSettings(rules_timeout_seconds=7, rules_on_failure="continue"))
    assert isinstance(check, ContentCheck)
    assert (check.timeout_seconds, check.on_failure) == (7, OnFailure.CONTINUE)
    assert [part.name for part in check.components()] == ["rules"]
    assert issubclass(FilterSettings, RulesSettings)


def test_a_check_that_its_settings_switch_off_is_not_made():
    factories = [lambda _: None, lambda _: Probe("on")]
    assert [check.name for check in registry.make_checks(FilterSettings(), factories)] == ["on"]
