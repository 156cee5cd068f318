"""What checks find, and the one verdict that their findings make: pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mailyard.broker.pipeline import Route
from mailyard.message.defects import Defect
from mailyard.proto.v1 import ticket_pb2 as pb
from mailyard.proto.v1.ticket_pb2 import Action, Verdict

DEFAULT_STATUS = "5.7.1"  # RFC 3463: delivery not authorised, message refused
DEFAULT_TEXT = "message refused by policy"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one message. `fields` are complete header fields with CRLF."""

    check: str
    rule: str
    action: Action
    text: str = ""
    status: str = ""  # for REJECT
    score: float = 0.0
    fields: tuple[bytes, ...] = ()


class RejectOutside(StrEnum):
    """What becomes of mail from outside that a check rejects after it was accepted."""

    QUARANTINE = "quarantine"
    BOUNCE = "bounce"


def combine(
    findings: Sequence[Finding],
    direction: Route,
    *,
    bounces: bool = True,
    defects: Collection[Defect] = (),
) -> Verdict:
    """Make the verdict: the strongest action wins, every finding is kept, each header field is added once.

    Actions in their order: pass, tag, quarantine, reject, discard. Remote mail has no Junk to go to:
    there quarantine tags. Where nothing `bounces`, because the sender may not be who the message says, a rejection
    is a quarantine: the message was accepted, and a bounce would go to a third party.
    """
    if not bounces:
        findings = [_quarantined(finding) for finding in findings]
    action = max((finding.action for finding in findings), default=Action.ACTION_PASS)
    if action == Action.ACTION_QUARANTINE and direction is Route.REMOTE:
        action = Action.ACTION_TAG
    fields = dict.fromkeys(field for finding in findings for field in finding.fields)
    verdict = Verdict(action=action, header_fields=b"".join(fields), defects=sorted(defects))
    verdict.findings.extend(_written(finding) for finding in findings)
    if action == Action.ACTION_REJECT:
        refusal = next(finding for finding in findings if finding.action == action)
        verdict.status = refusal.status or DEFAULT_STATUS
        verdict.text = refusal.text or DEFAULT_TEXT
    return verdict


def describe(verdict: Verdict) -> str:
    """Say the verdict in a few words for the timeline: `quarantine: rules/lottery (too-deep)`."""
    word = action_word(verdict.action)
    causes = " ".join(f"{finding.check}/{finding.rule}" for finding in verdict.findings)
    defects = f" ({' '.join(verdict.defects)})" if verdict.defects else ""
    return (f"{word}: {causes}" if causes else word) + defects


def action_word(action: Action) -> str:
    """The action's name as configuration, metrics and traces write it."""
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
