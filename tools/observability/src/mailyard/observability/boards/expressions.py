"""The few forms that queries of panels have; Grafana puts a fitting interval for `$__rate_interval`."""

_INTERVAL = "$__rate_interval"


def rate(counter: str, by: str = "") -> str:
    """Return the increase of a counter each second, summed over instances."""
    return _grouped("sum", f"rate({counter}[{_INTERVAL}])", by)


def quantile(share: float, histogram: str, by: str = "", matchers: str = "") -> str:
    """Return a quantile of a histogram over all instances; `matchers` as between braces."""
    labels = ", ".join(filter(None, (by, "le")))
    braces = f"{{{matchers}}}" if matchers else ""
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({histogram}_bucket{braces}[{_INTERVAL}])))"


def mean(histogram: str, by: str = "", matchers: str = "") -> str:
    """Return the mean of a histogram's observations; `matchers` as between braces."""
    braces = f"{{{matchers}}}" if matchers else ""
    return f"{rate(f'{histogram}_sum{braces}', by)} / {rate(f'{histogram}_count{braces}', by)}"


def highest(gauge: str, by: str = "") -> str:
    """Return the highest value of instances that export the same."""
    return _grouped("max", gauge, by)


def shared(gauge: str, by: str = "") -> str:
    """Return the sum over namespaces of a value that all instances of a namespace export alike."""
    return _grouped("sum", f"max by ({', '.join(filter(None, ('namespace', by)))}) ({gauge})", by)


def total(gauge: str, by: str = "") -> str:
    """Return the sum over instances."""
    return _grouped("sum", gauge, by)


def by_service(instance_metric: str) -> str:
    """Give a series of an instance the name of its service."""
    return f"{instance_metric} * on (namespace, instance) group_left (service) mailyard_build_info"


def _grouped(operator: str, inner: str, by: str) -> str:
    return f"{operator} by ({by}) ({inner})" if by else f"{operator}({inner})"
