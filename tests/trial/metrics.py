"""Figures from a /metrics page (Prometheus text format 0.0.4)."""


def total(page: str, name: str) -> float:
    """Sum of the absolute values of all samples of a metric; raises LookupError when there is none."""
    samples = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    if not samples:
        raise LookupError(f"the page has no metric {name}")
    return sum(abs(float(line.rsplit(" ", 1)[1])) for line in samples)
