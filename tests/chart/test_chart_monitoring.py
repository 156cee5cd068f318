"""Dashboards and rules of the chart, and additional objects."""

import json

import yaml

from tests.chart.render import CHART, Objects, render

DASHBOARDS = {path.stem.removeprefix("mailyard-"): path for path in CHART.glob("dashboards/*.json")}
RULES = {path.stem.removeprefix("mailyard-"): path for path in CHART.glob("rules/*.yaml")}


def test_every_dashboard_is_a_config_map_as_it_is(production: Objects):
    maps = {
        name.removeprefix("dashboard-"): each
        for name, each in production.of("ConfigMap").items()
        if name.startswith("dashboard-")
    }
    assert set(maps) == set(DASHBOARDS)
    for name, each in maps.items():
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["data"] == {f"mailyard-{name}.json": DASHBOARDS[name].read_text()}


def test_every_dashboard_may_be_an_object_of_the_grafana_operator():
    found = render("trial", "monitoring.dashboards.grafanaOperator.enabled=true").of("GrafanaDashboard")
    assert set(found) == {f"dashboard-{name}" for name in DASHBOARDS}
    for name, each in found.items():
        spec = each["spec"]
        assert json.loads(spec["json"]) == json.loads(DASHBOARDS[name.removeprefix("dashboard-")].read_text())
        assert spec["instanceSelector"] == {"matchLabels": {"dashboards": "grafana"}}


def test_every_file_of_rules_is_an_object_as_it_is():
    found = render("production", "monitoring.rules.labels.release=prometheus").of("PrometheusRule")
    assert set(found) == {f"rules-{name}" for name in RULES}
    for name, each in found.items():
        assert each["metadata"]["labels"]["release"] == "prometheus"
        assert each["spec"] == {
            "groups": yaml.safe_load(RULES[name.removeprefix("rules-")].read_text())["groups"]
        }


def test_alerts_link_to_the_runbooks_where_they_are_published():
    found = render("production", "monitoring.rules.runbookBaseUrl=https://help.example.org/mail/").of(
        "PrometheusRule"
    )
    links = {
        rule["annotations"]["runbook_url"]
        for each in found.values()
        for group in each["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert "https://help.example.org/mail/MailyardMailUnaccounted.md" in links
    assert all(link.startswith("https://help.example.org/mail/Mailyard") for link in links)


def test_a_trial_asks_for_no_foreign_objects(trial: Objects):
    kinds = {each["kind"] for each in trial}
    assert kinds & {"PodMonitor", "PrometheusRule", "GrafanaDashboard", "Certificate", "TCPRoute"} == set()


def test_labels_choose_the_prometheus_that_reads():
    monitor = render("production", "monitoring.podMonitor.labels.release=prometheus").of("PodMonitor")["imap"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics", "interval": "15s"}]


def test_objects_of_the_user_come_along_and_may_be_templates():
    objects = render(
        "trial",
        "extraObjects[0].apiVersion=v1",
        "extraObjects[0].kind=ConfigMap",
        "extraObjects[0].metadata.name=mine",
        'extraObjects[0].data.release:="{{ .Release.Name }}"',
    )
    (mine,) = [each for each in objects if each["metadata"]["name"] == "mine"]
    assert mine["data"] == {"release": "mailyard"}
