"""The picture of a burst: depth, age and replicas over time, in one column."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.cluster.samples import QUEUES, SCALED, Sample

COLOURS = ("#7f7f7f", "#1f77b4", "#d95f02")
INCHES = (9.0, 7.2)


def draw(samples: Sequence[Sample], path: Path, title: str) -> None:
    """Write a PNG of well under 100 kB."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=INCHES, layout="constrained")
        depth, age, replicas = figure.subplots(3, 1, sharex=True)
        times = [one.seconds for one in samples]
        for colour, queue, service in zip(COLOURS, QUEUES, SCALED, strict=True):
            depth.plot(times, [one.depth.get(queue, 0) for one in samples], color=colour, label=queue)
            age.plot(times, [one.oldest.get(queue, 0) for one in samples], color=colour, label=queue)
            counts = [one.replicas.get(service, 0) for one in samples]
            replicas.step(times, counts, where="post", color=colour, label=service)
        for axes, label in ((depth, "mails waiting"), (age, "oldest, seconds"), (replicas, "ready replicas")):
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.25)
            axes.legend(loc="upper right", frameon=False)
        replicas.set_xlabel("seconds since the first mail")
        figure.suptitle(title)
        figure.savefig(path, dpi=90)
