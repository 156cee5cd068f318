"""A timeline as a picture: depth, age and replicas over time, one line for each service."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.autoscale.pipeline import SERVICES
from bench.autoscale.simulation import Timeline

_MOST_POINTS = 2000


def draw(timeline: Timeline, title: str, file: Path) -> None:
    """Write a PNG of under 100 kB."""
    figure = Figure(figsize=(8, 7), layout="constrained")
    arrivals, depth, age, replicas = figure.subplots(4, 1, sharex=True)
    step = max(1, len(timeline.arrived) // _MOST_POINTS)
    minutes = [second / 60 for second in range(0, len(timeline.arrived), step)]
    arrivals.plot(minutes, timeline.arrived[::step], color="black", linewidth=0.8)
    for service in SERVICES:
        moments = timeline.moments[service][::step]
        depth.plot(minutes, [one.depth for one in moments], label=service, linewidth=1)
        age.plot(minutes, [one.oldest_seconds for one in moments], linewidth=1)
        replicas.step(minutes, [one.replicas for one in moments], where="post", linewidth=1)
    axes = (arrivals, depth, age, replicas)
    for axis, label in zip(axes, ("mails in/s", "depth, mails", "oldest, s", "replicas"), strict=True):
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    depth.legend(ncols=len(SERVICES), fontsize="small", loc="upper right")
    arrivals.set_title(title, fontsize="medium")
    replicas.yaxis.set_major_locator(MaxNLocator(integer=True))
    replicas.set_xlabel("minutes")
    figure.savefig(file, dpi=90, metadata={"Software": None})
