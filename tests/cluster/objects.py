"""The release's objects through the Kubernetes API: read, killed, restarted, asked for their metrics."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import kubernetes
from kubernetes.client.exceptions import ApiException

from tests.cluster.quantities import quantity

NAME_LABEL = "app.kubernetes.io/component"
HTTP_PORT = 9100
REQUEST_SECONDS = 20
OURS = {"app.kubernetes.io/managed-by": "mailyard-cluster-test"}


class NotOurs(AssertionError):
    """The namespace holds what somebody else may want to keep."""


class Objects:
    """One namespace's objects of one release; every method is one or few requests and raises ApiException."""

    def __init__(self, kubeconfig: str, namespace: str, release: str) -> None:
        kubernetes.config.load_kube_config(config_file=kubeconfig)
        self.namespace = namespace
        self.selector = f"app.kubernetes.io/instance={release}"
        # The client's types call everything optional, even what the API server always fills in.
        self.core: Any = kubernetes.client.CoreV1Api()
        self.apps: Any = kubernetes.client.AppsV1Api()
        self.batch: Any = kubernetes.client.BatchV1Api()
        self.scaling: Any = kubernetes.client.AutoscalingV2Api()
        self._discovery: Any = kubernetes.client.DiscoveryV1Api()
        self._custom: Any = kubernetes.client.CustomObjectsApi()
        self._version: Any = kubernetes.client.VersionApi()

    def version(self) -> str:
        """The API server's."""
        return str(self._version.get_code().git_version)

    def make_namespace(self) -> None:
        """With the restricted Pod Security Standard enforced; raises NotOurs when somebody else has made it."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted", **OURS}
        try:
            self.core.create_namespace({"metadata": {"name": self.namespace, "labels": labels}})
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self._own()

    def delete_namespace(self) -> None:
        """With all that is in it; no error when it is not there; raises NotOurs when somebody else has made it."""
        if self.has_namespace():
            self._own()
            self.core.delete_namespace(self.namespace)

    def has_namespace(self) -> bool:
        """Whether it exists, also while it is being deleted."""
        try:
            self.core.read_namespace(self.namespace)
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def _own(self) -> None:
        labels = self.core.read_namespace(self.namespace).metadata.labels or {}
        if not OURS.items() <= labels.items():
            raise NotOurs(
                f"namespace {self.namespace} was not made by the cluster test, which deletes its own:"
                " name another one in MAILYARD_CLUSTER_NAMESPACE, or remove it by hand"
            )

    def pods(self, component: str | None = None) -> list[Any]:
        """Pods that are not on their way out, of one component or of all."""
        selector = self.selector + (f",{NAME_LABEL}={component}" if component else "")
        found = self.core.list_namespaced_pod(
            self.namespace, label_selector=selector, _request_timeout=REQUEST_SECONDS
        )
        return [pod for pod in found.items if pod.metadata.deletion_timestamp is None]

    def lives(self, component: str | None = None) -> set[str]:
        """What distinguishes each pod from its successor of the same name."""
        return {pod.metadata.uid for pod in self.pods(component)}

    def kill(self, pod: str) -> None:
        """Without a grace period; one that is gone already is fine."""
        try:
            self.core.delete_namespaced_pod(pod, self.namespace, grace_period_seconds=0)
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def workloads(self) -> list[Any]:
        """Deployments and StatefulSets."""
        return [
            *self.apps.list_namespaced_deployment(self.namespace, label_selector=self.selector).items,
            *self.apps.list_namespaced_stateful_set(self.namespace, label_selector=self.selector).items,
        ]

    def unsettled(self) -> list[str]:
        """Workloads whose pods are not all new and ready."""
        return [workload.metadata.name for workload in self.workloads() if not _settled(workload)]

    def restart_all(self) -> None:
        """A rolling restart of every workload, as `kubectl rollout restart` does it."""
        mark = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
        body = {"spec": {"template": {"metadata": {"annotations": mark}}}}
        for workload in self.workloads():
            stateful = hasattr(workload.spec, "service_name")
            patch = (
                self.apps.patch_namespaced_stateful_set if stateful else self.apps.patch_namespaced_deployment
            )
            patch(workload.metadata.name, self.namespace, body)

    def scale(self, deployment: str, replicas: int) -> None:
        """Set the number of pods, until a scaler sets another one."""
        body = {"spec": {"replicas": replicas}}
        self.apps.patch_namespaced_deployment_scale(deployment, self.namespace, body)

    def scale_set(self, stateful_set: str, replicas: int) -> None:
        """Set the number of pods of a StatefulSet."""
        body = {"spec": {"replicas": replicas}}
        self.apps.patch_namespaced_stateful_set_scale(stateful_set, self.namespace, body)

    def ready_endpoints(self, service: str) -> int:
        """How many addresses of a service take new connections."""
        slices = self._discovery.list_namespaced_endpoint_slice(
            self.namespace, label_selector=f"kubernetes.io/service-name={service}"
        ).items
        return sum(one.conditions.ready is not False for each in slices for one in each.endpoints or ())

    def secret(self, name: str) -> dict[str, bytes]:
        """A secret's entries, decoded."""
        data: Mapping[str, str] = self.core.read_namespaced_secret(name, self.namespace).data or {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    def replace_secret(self, name: str, entries: Mapping[str, bytes]) -> None:
        """Put other octets in entries of a secret."""
        data = {key: base64.b64encode(value).decode() for key, value in entries.items()}
        self.core.patch_namespaced_secret(name, self.namespace, {"data": data})

    def custom(self, group: str, version: str, plural: str) -> list[dict[str, Any]]:
        """Custom objects of the release."""
        found = self._custom.list_namespaced_custom_object(
            group, version, self.namespace, plural, label_selector=self.selector
        )
        return list(found["items"])

    def memory(self) -> dict[str, dict[str, int]]:
        """Octets in use now, by pod and container, from metrics.k8s.io."""
        found = self._custom.list_namespaced_custom_object(
            "metrics.k8s.io", "v1beta1", self.namespace, "pods", label_selector=self.selector
        )
        return {
            item["metadata"]["name"]: {
                one["name"]: round(quantity(one["usage"]["memory"])) for one in item["containers"]
            }
            for item in found["items"]
        }

    def external_metric(self, name: str, scaled_object: str) -> float:
        """Return the value of a KEDA trigger for the HPA; raises LookupError when the answer holds no value."""
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{self.namespace}/{name}"
        answer = self._get(path, labelSelector=f"scaledobject.keda.sh/name={scaled_object}")
        values = [quantity(item["value"]) for item in json.loads(answer)["items"]]
        if not values:
            raise LookupError(f"the answer holds no value of {name}")
        return max(values)

    def http(self, pod: str, path: str = "metrics") -> str:
        """A page of a service's health port, through the API server's proxy."""
        return self._get(f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{HTTP_PORT}/proxy/{path}").decode()

    def _get(self, path: str, **query: str) -> bytes:
        """The octets of an answer: the client's own methods take them for objects, or an error page for an answer."""
        client = self.core.api_client
        request = client.param_serialize(
            "GET", path, query_params=list(query.items()), auth_settings=["BearerToken"]
        )
        answer = client.call_api(*request, _request_timeout=REQUEST_SECONDS)
        octets = bytes(answer.read())
        if answer.status != HTTPStatus.OK:
            raise ApiException(http_resp=answer)
        return octets


def said(error: ApiException) -> str:
    """The API server's own words, in one line."""
    try:
        return f"{error.status}: {json.loads(error.body or '')['message']}"
    except (ValueError, LookupError, TypeError):
        return f"{error.status}: {error.reason or 'no answer'}"


def _settled(workload: Any) -> bool:
    status, wanted = workload.status, workload.spec.replicas
    return bool(
        (status.observed_generation or 0) >= workload.metadata.generation
        and (status.updated_replicas or 0) == wanted
        and (status.replicas or 0) == wanted
        and (status.ready_replicas or 0) == wanted
    )
