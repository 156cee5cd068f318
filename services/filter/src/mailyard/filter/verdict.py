"""The one verdict that all findings about a message make: a pure function."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mailyard.filter.mail import Direction
from mailyard.message.defects import Defect
from mailyard.proto.v1 import ticket_pb2 as pb
from mailyard.proto.v1.ticket_pb2 import Action, Verdict
from mailyard.spool.finding import Finding

DEFAULT_STATUS = "5.7.1"  # RFC 3463: delivery not authorised, message refused
DEFAULT_TEXT = "message refused by policy"


class RejectOutside(StrEnum):
    """What becomes of mail from outside that a check rejects after it was accepted."""

    QUARANTINE = "quarantine"
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Sums of scores from which on a message is tagged, quarantined or rejected; 0: never."""

    tag: float = 0.0
    quarantine: float = 0.0
    reject: float = 0.0


NO_THRESHOLDS = Thresholds()


def combine(
    findings: Sequence[Finding],
    direction: Direction,
    *,
    bounces: bool = True,
    defects: Collection[Defect] = (),
    thresholds: Thresholds = NO_THRESHOLDS,
) -> Verdict:
    """Make the verdict: the strongest action wins, every finding is kept, each header field is added once.

    Actions in their order: pass, tag, quarantine, reject, discard. The sum of all scores adds one more finding where it
    reaches a threshold. Remote mail has no Junk to go to: quarantine tags it. Where nothing `bounces`, because
    the sender may be forged, a rejection is a quarantine: the message was accepted, and a bounce would go to a third party.
    """
    if thresholds is not NO_THRESHOLDS:
        findings = [*findings, *_score_finding(findings, thresholds)]
    if not bounces:
        findings = [_quarantined(finding) for finding in findings]
    action = max((finding.action for finding in findings), default=Action.ACTION_PASS)
    if action == Action.ACTION_QUARANTINE and direction is Direction.REMOTE:
        action = Action.ACTION_TAG
    fields = dict.fromkeys(field for finding in findings for field in finding.fields)
    verdict = Verdict(action=action, header_fields=b"".join(fields), defects=sorted(defects))
    verdict.findings.extend(_written(finding) for finding in findings)
    if action == Action.ACTION_REJECT:
        refusal = next(finding for finding in findings if finding.action == action)
        verdict.status = refusal.status or DEFAULT_STATUS
        verdict.text = refusal.text or DEFAULT_TEXT
    return verdict


def _score_finding(findings: Sequence[Finding], thresholds: Thresholds) -> list[Finding]:
    total = sum(finding.score for finding in findings)
    limits = {
        Action.ACTION_REJECT: thresholds.reject,
        Action.ACTION_QUARANTINE: thresholds.quarantine,
        Action.ACTION_TAG: thresholds.tag,
    }
    action = next((each for each, limit in limits.items() if limit > 0 and total >= limit), None)
    if action is None:
        return []
    fields = (f"X-Spam-Score: {total:.1f}\r\n".encode(), b"X-Spam-Flag: YES\r\n")
    text = "" if action == Action.ACTION_REJECT else f"{total:.1f} of {limits[action]:.1f}"
    return [Finding("score", action_word(action), action, text, fields=fields)]


def describe(verdict: Verdict) -> str:
    """Return the verdict in a few words for the timeline: `quarantine: rules/lottery (too-deep)`."""
    word = action_word(verdict.action)
    causes = " ".join(f"{finding.check}/{finding.rule}" for finding in verdict.findings)
    defects = f" ({' '.join(verdict.defects)})" if verdict.defects else ""
    return (f"{word}: {causes}" if causes else word) + defects


def action_word(action: Action) -> str:
    """Return the name of an action as configuration, metrics and traces write it."""
    return Action.Name(action).removeprefix("ACTION_").lower()


def _quarantined(finding: Finding) -> Finding:
    if finding.action != Action.ACTION_REJECT:
        return finding
    fields = (f"X-Mailyard-Rule: {finding.rule}\r\n".encode(), b"X-Spam-Flag: YES\r\n")
    return replace(finding, action=Action.ACTION_QUARANTINE, fields=fields)


def _written(finding: Finding) -> pb.Finding:
    return pb.Finding(
        check=finding.check,
        rule=finding.rule,
        action=finding.action,
        text=finding.text,
        score=finding.score,
    )
