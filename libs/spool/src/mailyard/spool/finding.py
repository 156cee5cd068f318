"""What a check says about one message: kept in tickets and rows, combined into a verdict by the filter."""

from dataclasses import dataclass

from mailyard.proto.v1 import ticket_pb2 as pb
from mailyard.proto.v1.ticket_pb2 import Action


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `fields` are complete header fields with CRLF; `status` and `text` are the reply of a REJECT."""

    check: str
    rule: str
    action: Action
    text: str = ""
    status: str = ""
    score: float = 0.0
    fields: tuple[bytes, ...] = ()


def finding_message(finding: Finding) -> pb.Finding:
    """Write a finding with everything that is known of it."""
    return pb.Finding(
        check=finding.check,
        rule=finding.rule,
        action=finding.action,
        text=finding.text,
        score=finding.score,
        status=finding.status,
        header_fields=finding.fields,
    )


def finding_of(message: pb.Finding) -> Finding:
    """Read what `finding_message` wrote."""
    return Finding(
        check=message.check,
        rule=message.rule,
        action=message.action,
        text=message.text,
        status=message.status,
        score=message.score,
        fields=tuple(message.header_fields),
    )
