"""Objects of KEDA, cert-manager, Prometheus' and Grafana's operators and the Gateway API keep to those projects' definitions."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mailyard.local.paths import REPOSITORY
from tests.chart.render import OVERLAYS, Object, render

FOLDER = REPOSITORY / "var/crds"
# Each project's definitions come with its Go module.
DEFINITIONS: Mapping[str, tuple[str, str]] = {
    "ScaledObject": ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "Certificate": (
        "github.com/cert-manager/cert-manager@v1.21.2",
        "deploy/crds/cert-manager.io_certificates.yaml",
    ),
    "TCPRoute": (
        "sigs.k8s.io/gateway-api@v1.3.0",
        "config/crd/experimental/gateway.networking.k8s.io_tcproutes.yaml",
    ),
    "GrafanaDashboard": (
        "github.com/grafana/grafana-operator/v5@v5.18.0",
        "config/crd/bases/grafana.integreatly.org_grafanadashboards.yaml",
    ),
    "PodMonitor": (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
    "PrometheusRule": (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
}


@pytest.fixture(scope="session")
def definitions() -> dict[tuple[str, str], Any]:
    """Schemas by version and kind, fetched once into var/crds."""
    found: dict[tuple[str, str], Any] = {}
    for kind, (module, path) in DEFINITIONS.items():
        kept = FOLDER / Path(path).name
        if not kept.exists():
            fetch(module, path, kept)
        resource = yaml.safe_load(kept.read_text())["spec"]
        for version in resource["versions"]:
            found[f"{resource['group']}/{version['name']}", kind] = closed(
                version["schema"]["openAPIV3Schema"]
            )
    return found


def fetch(module: str, path: str, target: Path) -> None:
    """Copy a file of a Go module."""
    if shutil.which("go") is None:
        pytest.skip(f"{target.name} is not in var/crds, and there is no go command to fetch {module}")
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(
            f"{module} cannot be fetched: {json.loads(done.stdout or '{}').get('Error', done.stderr)}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(json.loads(done.stdout)["Dir"]) / path, target)


def closed(schema: Any) -> Any:
    """The same without unknown fields, which a server would drop; beside `metadata`, which is not described."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and "properties" in schema and not keeps:
        found.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
    return found


def checked(objects: list[Object], definitions: dict[tuple[str, str], Any]) -> set[str]:
    """Validate what is defined elsewhere; return the kinds that were seen."""
    seen: set[str] = set()
    for each in objects:
        schema = definitions.get((each["apiVersion"], each["kind"]))
        if schema is not None:
            jsonschema.Draft7Validator(schema).validate(each)
            seen.add(each["kind"])
    return seen


@pytest.mark.parametrize("name", sorted(OVERLAYS))
def test_objects_of_others_are_as_their_projects_define_them(
    name: str, definitions: dict[tuple[str, str], Any]
):
    asked_for = {"GrafanaDashboard", "TCPRoute"}
    expected = {"ScaledObject"} if name == "trial" else set(DEFINITIONS) - asked_for
    assert checked(list(render(name)), definitions) == expected


def test_routes_are_as_the_gateway_api_defines_them(definitions: dict[tuple[str, str], Any]):
    objects = render("trial", "frontDoors.gateway.enabled=true", "frontDoors.gateway.parentRefs[0].name=edge")
    assert "TCPRoute" in checked(list(objects), definitions)


def test_dashboards_are_as_the_grafana_operator_defines_them(definitions: dict[tuple[str, str], Any]):
    objects = render("production", "monitoring.dashboards.grafanaOperator.enabled=true")
    assert "GrafanaDashboard" in checked(list(objects), definitions)


def test_a_field_that_a_project_does_not_define_would_be_noticed(definitions: dict[tuple[str, str], Any]):
    scaler = render("trial").of("ScaledObject")["filter"]
    broken = {**scaler, "spec": {**scaler["spec"], "maxReplicas": 3}}
    with pytest.raises(jsonschema.ValidationError, match="maxReplicas"):
        checked([broken], definitions)
