"""Writes rules as the `spec` of a PrometheusRule (monitoring.coreos.com/v1), which is Prometheus' own format too."""

from typing import Any

import yaml

from mailyard.observability.rule import Alert, Group, Recording

_HEADER = "# Written by `mailyard-observability generate` from the code; change it there.\n"


def render(group: Group) -> str:
    """Return the file of one group."""
    document = {"groups": [_group(group)]}
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return _HEADER + text


def _group(group: Group) -> dict[str, Any]:
    return {"name": group.name, "interval": group.interval, "rules": [_rule(each) for each in group.rules]}


def _rule(rule: Recording | Alert) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.name, "expr": rule.expr}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": rule.lasts,
        "labels": {"severity": rule.severity.value},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": rule.runbook,
        },
    }
