"""Render the chart with Helm, and find objects in the result."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mailyard.local.paths import REPOSITORY
from mailyard.runtime.services import NAMES

HELM = Path(sys.executable).with_name("helm")
CHART = REPOSITORY / "charts/mailyard"
SERVICES = tuple(sorted(NAMES))
APIS = (
    "cert-manager.io/v1",
    "gateway.networking.k8s.io/v1",
    "grafana.integreatly.org/v1beta1",
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
    "mongodbcommunity.mongodb.com/v1",
    "psmdb.percona.com/v1",
    "rabbitmq.com/v1beta1",
)
OVERLAYS: Mapping[str, tuple[str, ...]] = {
    "trial": ("trial",),
    "production": ("production",),
    "large": ("production", "large"),
}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
WORKLOADS = ("CronJob", "Deployment", "Job", "Pod", "StatefulSet")

Object = dict[str, Any]


class Refused(Exception):
    """Helm did not render; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Objects:
    """What Helm rendered."""

    text: str
    all: tuple[Object, ...]

    def __iter__(self) -> Iterator[Object]:
        return iter(self.all)

    def of(self, kind: str) -> dict[str, Object]:
        """Objects of a kind by name, without the release's."""
        return {
            each["metadata"]["name"].removeprefix("mailyard-"): each
            for each in self.all
            if each["kind"] == kind
        }

    def pod(self, kind: str, name: str) -> Object:
        """The specification of the pods that an object makes."""
        return pod_spec(self.of(kind)[name])

    def container(self, kind: str, name: str) -> Object:
        """The first container of those pods."""
        container: Object = self.pod(kind, name)["containers"][0]
        return container

    def pods(self) -> dict[str, Object]:
        """All specifications of pods, by kind and name."""
        return {
            f"{each['kind']} {each['metadata']['name']}": pod_spec(each)
            for each in self.all
            if each["kind"] in WORKLOADS
        }


def pod_spec(workload: Object) -> Object:
    """Find the pods' specification in a workload of any kind."""
    spec: Object = workload["spec"]
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"]["spec"]
    return spec["template"]["spec"] if "template" in spec else spec


def environment(container: Object) -> dict[str, str | None]:
    """Variables of a container; None for those whose value the cluster fills in."""
    return {each["name"]: each.get("value") for each in container["env"]}


def render(
    overlay: str,
    *settings: str,
    apis: tuple[str, ...] = APIS,
    upgrade: bool = False,
    release: str = "mailyard",
) -> Objects:
    """Render an overlay with more values, each as for `--set`; the same arguments are rendered once. Raises Refused."""
    return _render(overlay, settings, apis, upgrade, release)


def option(setting: str) -> tuple[str, str]:
    """Helm takes no fractions by --set: `name:=JSON` is for those."""
    name, is_json, value = setting.partition(":=")
    return ("--set-json", f"{name}={value}") if is_json else ("--set", setting)


def render_on(kubeconfig: Path, overlay: str, *settings: str) -> Objects:
    """Render an upgrade where Helm may look at a cluster. Raises Refused."""
    seeing = ["--dry-run=server", "--kubeconfig", kubeconfig]
    return _run([*_command(overlay, settings, APIS, "mailyard"), "--is-upgrade", *seeing])


@cache
def _render(
    overlay: str, settings: tuple[str, ...], apis: tuple[str, ...], upgrade: bool, release: str
) -> Objects:
    return _run([*_command(overlay, settings, apis, release), *(["--is-upgrade"] if upgrade else [])])


def _command(
    overlay: str, settings: tuple[str, ...], apis: tuple[str, ...], release: str
) -> list[str | Path]:
    command: list[str | Path] = [HELM, "template", release, CHART, "--namespace", "post"]
    command += [
        part for name in OVERLAYS.get(overlay, ()) for part in ("--values", CHART / f"values/{name}.yaml")
    ]
    command += ["--set", "hostname=mail.example.org"] if overlay != "trial" else []
    command += [part for setting in settings for part in option(setting)]
    command += [part for api in apis for part in ("--api-versions", api)]
    return command


def _run(command: Sequence[str | Path]) -> Objects:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return Objects(done.stdout, tuple(each for each in yaml.load_all(done.stdout, _LOADER) if each))
