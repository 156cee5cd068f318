"""One alert's unit test: series in which it fires, and series in which it does not; written for `promtool test rules`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailyard.observability.rule import Alert

_VALUE = re.compile(r"\{\{ \$value(?: \| \w+)? \}\}")
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")

Series = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """`shown` is the value as a person reads it in the texts; series are promtool's, one value a minute."""

    alert: str
    at: str
    fires: Series
    labels: Mapping[str, str]
    quiet: Series
    shown: str = ""


def promtool_tests(case: Case, alert: Alert) -> list[dict[str, Any]]:
    """Return both tests in promtool's format."""
    expected = {
        "exp_labels": {"severity": alert.severity.value, **case.labels},
        "exp_annotations": {
            "summary": _filled(alert.summary, case),
            "description": _filled(alert.description, case),
            "runbook_url": alert.runbook,
        },
    }
    return [_test(case, "fires", case.fires, [expected]), _test(case, "stays quiet", case.quiet, [])]


def _test(case: Case, name: str, series: Series, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": f"{case.alert} {name}",
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


def _filled(text: str, case: Case) -> str:
    return _VALUE.sub(case.shown, _LABEL.sub(lambda found: case.labels[found[1]], text))
