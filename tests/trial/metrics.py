"""Figures from a /metrics page (Prometheus text format 0.0.4)."""

import re

LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def total(page: str, name: str) -> float:
    """Sum of the absolute values of all samples of a metric; raises LookupError when there is none."""
    samples = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    if not samples:
        raise LookupError(f"the page has no metric {name}")
    return sum(abs(float(line.rsplit(" ", 1)[1])) for line in samples)


def by_label(page: str, name: str, label: str) -> dict[str, float]:
    """Values of a metric's samples by one of their labels; samples that share it are added up."""
    values: dict[str, float] = {}
    for line in page.splitlines():
        if line.startswith(f"{name}{{"):
            sample, _, value = line.rpartition(" ")
            key = dict(LABEL.findall(sample)).get(label)
            if key is not None:
                values[key] = values.get(key, 0.0) + float(value)
    return values
