"""All rules, in the order in which they are evaluated."""

from mailyard.observability.rule import Alert, Group, Recording
from mailyard.observability.rules import canary, edge, outbound, queues, recording, scaling, servers, services

GROUPS: tuple[Group, ...] = (
    recording.GROUP,
    queues.GROUP,
    services.GROUP,
    servers.GROUP,
    edge.GROUP,
    outbound.GROUP,
    canary.GROUP,
    scaling.GROUP,
)
ALERTS: tuple[Alert, ...] = tuple(each for group in GROUPS for each in group.rules if isinstance(each, Alert))
RECORDED: dict[str, tuple[str, ...]] = {
    each.name: each.labels for group in GROUPS for each in group.rules if isinstance(each, Recording)
}
