"""Writes a dashboard as Grafana imports it: JSON model, schema version 41 (Grafana 12; older ones read it as well)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mailyard.observability.dashboard import WIDTH, Board, Kind, Panel, Query, Row
from mailyard.observability.query import foreigners, scoped

Json = dict[str, Any]

SCHEMA_VERSION = 41
NAMESPACE = 'namespace=~"$namespace"'
_DATASOURCE: Mapping[str, str] = {"type": "prometheus", "uid": "${datasource}"}
_TAG = "mailyard"
_HEADING_HEIGHT = 1


def render(board: Board) -> str:
    """Return the file of a dashboard."""
    return json.dumps(model_of(board), indent=2, ensure_ascii=False) + "\n"


def model_of(board: Board) -> Json:
    """Return the JSON model of a dashboard."""
    return {
        "uid": board.uid,
        "title": f"Mailyard / {board.title}",
        "description": board.description,
        "tags": [_TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "links": [_links()],
        "templating": {"list": _variables()},
        "annotations": {"list": [_alerts()]},
        "panels": list(_panels(board.rows)),
    }


def _links() -> Json:
    return {
        "type": "dashboards",
        "title": "Mailyard",
        "tags": [_TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "The other dashboards of Mailyard",
        "url": "",
    }


def _variables() -> list[Json]:
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "regex": "",
            "hide": 0,
            "includeAll": False,
            "multi": False,
        },
        {
            "name": "namespace",
            "label": "Namespace",
            "type": "query",
            "datasource": _DATASOURCE,
            "query": {
                "query": "label_values(mailyard_build_info, namespace)",
                "refId": "namespace",
            },
            "definition": "label_values(mailyard_build_info, namespace)",
            "refresh": 2,
            "sort": 1,
            "hide": 0,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        },
    ]


def _alerts() -> Json:
    """Mark firing alerts in every picture."""
    return {
        "name": "Alerts",
        "datasource": _DATASOURCE,
        "enable": True,
        "expr": f'ALERTS{{alertname=~"Mailyard.*",alertstate="firing",{NAMESPACE}}}',
        "iconColor": "red",
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{queue}}{{service}}{{leg}}",
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[Json]:
    """Lay panels out from left to right, and begin a new line where one does not fit."""
    top, number = 0, 1
    for row in rows:
        yield _heading(row, number, top)
        top, number = top + _HEADING_HEIGHT, number + 1
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            yield _panel(panel, number, left, top)
            left, tallest, number = left + panel.width, max(tallest, panel.height), number + 1
        top += tallest


def _heading(row: Row, number: int, top: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": _HEADING_HEIGHT},
    }


def _panel(panel: Panel, number: int, left: int, top: int) -> Json:
    return {
        "id": number,
        "type": panel.kind.value,
        "title": panel.title,
        "description": description_of(panel),
        "datasource": _DATASOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "targets": [_target(query, index, panel.kind) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
    }


def description_of(panel: Panel) -> str:
    """Return the panel's description, with the components that the cluster needs for it."""
    found = (metric.source for query in panel.queries for metric in foreigners(query.expr))
    needed = sorted({source.value for source in found if source.needs_cluster})
    return f"{panel.description} Needs {' and '.join(needed)}." if needed else panel.description


def _target(query: Query, index: int, kind: Kind) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "expr": scoped(query.expr, NAMESPACE),
        "legendFormat": query.legend or "__auto",
        "instant": kind is not Kind.TIMES,
        "range": kind is Kind.TIMES,
        "format": "time_series",
    }


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": panel.below.value, "value": None}]
    steps += [{"color": step.colour.value, "value": step.value} for step in panel.steps]
    defaults: Json = {
        "unit": panel.unit.value,
        **({} if panel.signed else {"min": 0}),
        "color": {"mode": "palette-classic" if panel.kind is Kind.TIMES else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "noValue": "no data",
    }
    if panel.kind is Kind.TIMES:
        defaults["custom"] = _drawing(panel)
    return defaults


def _drawing(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 20 if panel.stacked else 5,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _options(kind: Kind) -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match kind:
        case Kind.TIMES:
            return {
                "legend": {
                    "displayMode": "table",
                    "placement": "bottom",
                    "showLegend": True,
                    "calcs": ["lastNotNull", "max"],
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case Kind.NUMBER:
            return {
                "reduceOptions": reduced,
                "colorMode": "background",
                "graphMode": "none",
                "textMode": "auto",
                "justifyMode": "auto",
                "orientation": "auto",
            }
        case Kind.BARS:
            return {
                "reduceOptions": reduced,
                "displayMode": "basic",
                "orientation": "horizontal",
                "showUnfilled": True,
                "valueMode": "color",
            }
