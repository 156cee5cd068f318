"""A Kubernetes API with a few fixed answers, and a kubeconfig for it."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@contextmanager
def fake_cluster(answers: Mapping[str, Any], denied: frozenset[str], ahead: float = 0) -> Iterator[str]:
    """Serve GETs by path and query; `denied`: resources that may not be created; `ahead`: of its clock, in seconds."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = self.path in answers
            self._answer(200 if found else 404, answers[self.path] if found else {"kind": "Status"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            resource = body["spec"]["resourceAttributes"]["resource"]
            assert self.path == REVIEWS
            self._answer(201, {"status": {"allowed": resource not in denied}})

        def _answer(self, status: int, content: Any) -> None:
            if self.headers["Authorization"] != "Bearer s3cret":
                status, content = 401, {"kind": "Status"}
            octets = json.dumps(content).encode()
            self.send_response_only(status)
            self.send_header("Date", formatdate(self._now(), usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def _now(self) -> float:
            return time.time() + ahead

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def kubeconfig(folder: Path, url: str, token: str = "s3cret") -> Path:
    """Write the file that names the API."""
    file = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"token": token}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file
