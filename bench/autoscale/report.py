"""A timeline as text: one line for each service, and the cost."""

from bench.autoscale.pipeline import SERVICES
from bench.autoscale.simulation import Timeline

_HEADING = f"{'service':10}{'deepest':>10}{'oldest s':>10}{'replicas':>10}{'most at s':>11}{'back at s':>11}{'pod-hours':>11}{'cost':>10}"


def summary(timeline: Timeline, price: float) -> str:
    """The table; `price` is of one pod-hour."""
    arrived = sum(timeline.arrived)
    lines = [_HEADING, *(_line(timeline, service, price) for service in SERVICES)]
    hours = sum(timeline.pod_hours(service) for service in SERVICES)
    lines.append(f"{'all':10}{'':52}{hours:>11.2f}{hours * price:>10.2f}")
    lines.append(
        f"{arrived} mails in {len(timeline.arrived)} s: {timeline.done} done, {timeline.waiting} waiting; "
        f"the slowest took {timeline.longest_seconds} s"
    )
    return "\n".join(lines)


def _line(timeline: Timeline, service: str, price: float) -> str:
    moments = timeline.moments[service]
    replicas = [moment.replicas for moment in moments]
    most, least = max(replicas), replicas[0]
    peak = replicas.index(most)
    back = next((second for second in range(peak, len(replicas)) if replicas[second] <= least), None)
    moved = most > least
    hours = timeline.pod_hours(service)
    return (
        f"{service:10}{max(moment.depth for moment in moments):>10}"
        f"{max(moment.oldest_seconds for moment in moments):>10}{f'{min(replicas)}..{most}':>10}"
        f"{peak if moved else '-':>11}{back if moved and back is not None else '-':>11}"
        f"{hours:>11.2f}{hours * price:>10.2f}"
    )
