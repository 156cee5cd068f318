"""Answers of the API server that are taken as they are: pages of pods, external metrics, and errors."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client.exceptions import ApiException

from tests.cluster.objects import Objects, said

METRIC = "/apis/external.metrics.k8s.io/v1beta1/namespaces/mail"
ANSWERS = {
    "/api/v1/namespaces/mail/pods/router-1:9100/proxy/metrics": (200, "a_metric 1.0\n"),
    "/api/v1/namespaces/mail/pods/router-2:9100/proxy/metrics": (
        503,
        '{"message": "router-2 is unreachable"}',
    ),
    f"{METRIC}/s0-depth?labelSelector=scaledobject.keda.sh/name%3Dmailyard-filter": (
        200,
        '{"items": [{"value": "1500m"}]}',
    ),
    f"{METRIC}/s1-age?labelSelector=scaledobject.keda.sh/name%3Dmailyard-filter": (200, '{"items": []}'),
    f"{METRIC}/s2-gone?labelSelector=scaledobject.keda.sh/name%3Dmailyard-filter": (500, "oops"),
    "/api/v1/namespaces/mail": (404, '{"message": "namespaces \\"mail\\" not found"}'),
}


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, text = ANSWERS[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "me", "user": {}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        yield Objects(str(tmp_path / "kubeconfig"), "mail", "mailyard")
        server.shutdown()
        serving.join()


def test_a_page_of_a_pod_is_its_text(objects: Objects) -> None:
    assert objects.http("router-1") == "a_metric 1.0\n"


def test_the_page_of_a_pod_that_is_unreachable_is_an_error_and_no_page(objects: Objects) -> None:
    with pytest.raises(ApiException) as caught:
        objects.http("router-2")
    assert said(caught.value) == "503: router-2 is unreachable"


def test_an_external_metric_is_read_in_kubernetes_notation(objects: Objects) -> None:
    assert objects.external_metric("s0-depth", "mailyard-filter") == 1.5


def test_an_external_metric_without_a_value_is_an_error_and_not_0(objects: Objects) -> None:
    with pytest.raises(LookupError, match="no value of s1-age"):
        objects.external_metric("s1-age", "mailyard-filter")


def test_an_external_metric_that_keda_refuses_is_an_error_in_one_line(objects: Objects) -> None:
    with pytest.raises(ApiException) as caught:
        objects.external_metric("s2-gone", "mailyard-filter")
    assert said(caught.value) == "500: Internal Server Error"


def test_a_namespace_is_looked_for_by_its_name_alone(objects: Objects) -> None:
    assert not objects.has_namespace()
