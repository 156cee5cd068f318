"""`helm uninstall` leaves the volumes and the secrets that open them, and nothing else.

Helm does not count the pod of `helm test` as part of a release: it stays until the next test.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import kubernetes

from tests.cluster.objects import Objects
from tests.cluster.release import NAME
from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.trial.waiting import wait_until

KEPT_SECRETS = frozenset(f"secret/{NAME}-{name}" for name in ("mongodb", "rabbitmq", "accounts"))
KEPT_KIND = "persistentvolumeclaim/"
TEST_POD = f"pod/{NAME}-canary-test"


async def run(subject: Subject) -> Figures:
    """Remove, wait for the garbage collector, look."""
    await asyncio.to_thread(subject.release.uninstall)
    await asyncio.to_thread(
        wait_until,
        lambda: not unexpected(leftovers(subject.objects)),
        seconds=90,
        what="only volumes and their secrets are left",
    )
    kept = leftovers(subject.objects)
    if not any(one.startswith(KEPT_KIND) for one in kept):
        raise CheckFailed("the volumes are gone too: mail would be lost with a mistaken uninstall")
    if lost := KEPT_SECRETS - kept:
        raise CheckFailed(f"{', '.join(sorted(lost))} are gone, and what is on the volumes opens to nobody")
    await asyncio.to_thread(subject.release.install)
    await asyncio.to_thread(subject.release.test)
    await asyncio.to_thread(subject.release.uninstall)
    return {"kept": ", ".join(sorted(kept)), "installed again": "opens what was kept"}


def unexpected(left: Iterable[str]) -> set[str]:
    """What was not meant to stay."""
    return {one for one in left if one not in {*KEPT_SECRETS, TEST_POD} and not one.startswith(KEPT_KIND)}


def leftovers(objects: Objects) -> set[str]:
    """Everything of the release that is in the namespace, as kind/name."""
    listings: Mapping[str, Any] = {
        "deployment": objects.apps.list_namespaced_deployment,
        "statefulset": objects.apps.list_namespaced_stateful_set,
        "job": objects.batch.list_namespaced_job,
        "cronjob": objects.batch.list_namespaced_cron_job,
        "pod": objects.core.list_namespaced_pod,
        "service": objects.core.list_namespaced_service,
        "configmap": objects.core.list_namespaced_config_map,
        "secret": objects.core.list_namespaced_secret,
        "serviceaccount": objects.core.list_namespaced_service_account,
        "persistentvolumeclaim": objects.core.list_namespaced_persistent_volume_claim,
        "horizontalpodautoscaler": objects.scaling.list_namespaced_horizontal_pod_autoscaler,
        "networkpolicy": kubernetes.client.NetworkingV1Api().list_namespaced_network_policy,
        "poddisruptionbudget": kubernetes.client.PolicyV1Api().list_namespaced_pod_disruption_budget,
    }
    return {
        f"{kind}/{item.metadata.name}"
        for kind, listing in listings.items()
        for item in listing(objects.namespace, label_selector=objects.selector).items
    }
