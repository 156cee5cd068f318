"""The part of the Kubernetes API that Helm uses to look up objects: versions, kinds, and objects by name."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from tests.chart.render import Object

KINDS = {"v1": {"secrets": "Secret"}, "apps/v1": {"statefulsets": "StatefulSet"}}


@contextmanager
def cluster_with(objects: Sequence[Object], folder: Path) -> Iterator[Path]:
    """Serve these objects on loopback; yields a kubeconfig."""
    answers = discovery() | {address(each): each for each in objects}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            body = json.dumps(
                found or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            )
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield kubeconfig(f"http://127.0.0.1:{server.server_address[1]}", folder)
        finally:
            server.shutdown()
            thread.join()


def discovery() -> dict[str, Object]:
    """Which kinds there are, and where."""
    found: dict[str, Object] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}],
        },
    }
    for version, kinds in KINDS.items():
        resources = [
            {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}
            for name, kind in kinds.items()
        ]
        found[root(version)] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    return found


def root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def address(each: Object) -> str:
    """Where an object is found."""
    (plural,) = [name for name, kind in KINDS[each["apiVersion"]].items() if kind == each["kind"]]
    metadata = each["metadata"]
    return f"{root(each['apiVersion'])}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"


def kubeconfig(server: str, folder: Path) -> Path:
    file = folder / "kubeconfig"
    named = {"clusters": ("cluster", {"server": server}), "users": ("user", {})}
    content: Object = {key: [{"name": "here", inner: value}] for key, (inner, value) in named.items()}
    content["contexts"] = [{"name": "here", "context": {"cluster": "here", "user": "here"}}]
    file.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "here", **content})
    )
    return file
