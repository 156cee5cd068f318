"""A Prometheus that scrapes an instance every two seconds, with the chart's rules, and answers queries."""

import json
import math
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from mailyard.local.ports import HEALTH
from mailyard.local.processes import free_port
from tests.observability.promtool import program, rule_files
from tests.trial.instance import Instance
from tests.trial.waiting import wait_until

NAMESPACE = "mail"
CLUSTER = Path(__file__).with_name("cluster.prom")
_LOOK_BACK_SECONDS = 120


class QueryFailed(AssertionError):
    """Prometheus refuses the query; the text says why."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """A running Prometheus."""

    url: str

    def has_data(self, query: str, *, instant: bool) -> bool:
        """Whether any series has a number, now or in the last two minutes."""
        now = time.time()
        if instant:
            found = self._ask("query", {"query": query, "time": now})
            values = [each["value"] for each in found]
        else:
            span = {"start": now - _LOOK_BACK_SECONDS, "end": now, "step": 2}
            found = self._ask("query_range", {"query": query, **span})
            values = [value for each in found for value in each["values"]]
        return any(not math.isnan(float(value)) for _, value in values)

    def series(self, query: str) -> list[dict[str, str]]:
        """The labels of each series that a query finds now."""
        return [each["metric"] for each in self._ask("query", {"query": query, "time": time.time()})]

    def has_seen(self, since: float) -> bool:
        """Whether all services were scraped with success after a moment (Unix time)."""
        found = self._ask("query", {"query": 'timestamp(up{job="mailyard"} == 1)', "time": time.time()})
        return len(found) == len(HEALTH) and all(float(each["value"][1]) > since for each in found)

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _ask(self, what: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        address = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise QueryFailed(f"{arguments['query']}: {error.read().decode()}") from error
        return found


@contextmanager
def watching(instance: Instance, folder: Path) -> Iterator[Watcher]:
    """Run Prometheus in a folder of its own; rules are evaluated each second instead of each half minute."""
    port = free_port()
    for path in rule_files():
        text = Path(path).read_text().replace("interval: 30s", "interval: 1s")
        (folder / Path(path).name).write_text(text)
    with _cluster() as cluster:
        (folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(instance, folder, cluster)))
        with (folder / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(
                (
                    program("prometheus"),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ),
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        watcher = Watcher(f"http://127.0.0.1:{port}")
        try:
            wait_until(
                lambda: process.poll() is not None or watcher.ready(), seconds=30, what="Prometheus ready"
            )
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            yield watcher
        finally:
            process.terminate()
            process.wait(20)


def _configuration(instance: Instance, folder: Path, cluster: str) -> dict[str, Any]:
    """Targets have the labels that a PodMonitor gives; the cluster's page keeps its own."""
    services = [
        {
            "targets": [f"127.0.0.1:{instance.ports.health(service)}"],
            "labels": {"namespace": NAMESPACE, "pod": f"mailyard-{service}-0", "container": service},
        }
        for service in HEALTH
    ]
    return {
        "global": {"scrape_interval": "2s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "*.yaml")],
        "scrape_configs": [
            {"job_name": "mailyard", "static_configs": services},
            {
                "job_name": "cluster",
                "honor_labels": True,
                "static_configs": [{"targets": [cluster.removeprefix("http://")]}],
            },
        ],
    }


@contextmanager
def _cluster() -> Iterator[str]:
    """Serve what kube-state-metrics and KEDA would say: there is no Kubernetes in this test."""
    page = CLUSTER.read_bytes()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
