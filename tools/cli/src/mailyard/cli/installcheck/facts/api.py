"""The Kubernetes API as JSON: with the pod's account inside a cluster, else with the kubeconfig."""

import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Self

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from mailyard.cli.installcheck.checks.clock import Skew
from mailyard.cli.installcheck.facts.absent import Absent

SECONDS: Final = 5.0
_ADVICE: Final = "Run it on a machine with kubectl, as a user who may read the cluster, or set --kubeconfig."
Json = dict[str, Any]


class Api:
    """GET and POST; each raises Absent when the API does not answer or forbids it."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, kubeconfig: Path | None, context: str | None) -> Self:
        """Connect; raises Absent without a kubeconfig and without a pod's account."""
        settings = Configuration()
        settings.retries = False  # an unreachable cluster is reported at once
        try:
            if kubeconfig is None and context is None and _in_cluster():
                config.load_incluster_config(client_configuration=settings)
            else:
                file = str(kubeconfig) if kubeconfig else None
                config.load_kube_config(config_file=file, context=context, client_configuration=settings)
        except (config.ConfigException, OSError) as error:
            raise Absent(f"there is no access to the Kubernetes API: {error}", _ADVICE) from None
        return cls(ApiClient(settings))

    def get(self, path: str) -> Json:
        """Read one object or list."""
        return self._parsed(path, "GET", None)

    def find(self, path: str) -> Json | None:
        """Read one object; None if it does not exist."""
        try:
            return self._parsed(path, "GET", None)
        except _NotThere:
            return None

    def items(self, path: str) -> list[Json]:
        """Read all of a list."""
        found: list[Json] = self.get(path).get("items") or []
        return found

    def post(self, path: str, body: Json) -> Json:
        """Post a review object, such as a review of access."""
        return self._parsed(path, "POST", body)

    def skew(self) -> Skew:
        """Compare clocks by the answer's Date field."""
        before = time.time()
        answer = self._ask("/version", "GET", None)
        middle = datetime.fromtimestamp((before + time.time()) / 2, UTC)
        server_time = parsedate_to_datetime(answer.headers["Date"])
        return Skew("the Kubernetes API", round((server_time - middle).total_seconds()))

    def _parsed(self, path: str, method: str, body: Json | None) -> Json:
        answer: Json = json.loads(self._ask(path, method, body).data)
        return answer

    def _ask(self, path: str, method: str, body: Json | None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._client.configuration.host}{path}"
        try:
            answer = self._client.call_api(
                method, url, header_params=headers, body=body, _request_timeout=SECONDS
            )
            answer.read()
        except (HTTPError, OSError) as error:
            raise Absent(f"the Kubernetes API does not answer: {error}", _ADVICE) from None
        except ApiException as error:
            raise Absent(
                f"the Kubernetes API refuses {path}: {error.status} {error.reason}", _ADVICE
            ) from None
        if answer.status == 404:
            raise _NotThere(f"the Kubernetes API has no {path}", _ADVICE)
        if answer.status >= 400:
            raise Absent(f"the Kubernetes API refuses {path}: {answer.status} {answer.reason}", _ADVICE)
        return answer


class _NotThere(Absent):
    """404."""


def _in_cluster() -> bool:
    return Path("/var/run/secrets/kubernetes.io/serviceaccount/token").exists()
