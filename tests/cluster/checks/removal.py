"""`helm uninstall` leaves the volumes and the secrets for them, and nothing else.

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
from tests.cluster.toolbox import PASSWORD
from tests.trial.imap import ImapConnection, ImapFailed
from tests.trial.waiting import NotReached, wait_until

KEPT_SECRETS = frozenset(f"secret/{NAME}-{name}" for name in ("mongodb", "rabbitmq", "accounts"))
KEPT_KIND = "persistentvolumeclaim/"
GONE_SECONDS = 90
TEST_POD = f"pod/{NAME}-canary-test"


async def run(subject: Subject) -> Figures:
    """Remove, wait for the garbage collector, look; install again, and log in to an account of before."""
    tenant = f"removal-{subject.run}"
    box = (await asyncio.to_thread(subject.toolbox.accounts, tenant, f"{tenant}.test", 1))[0]
    await asyncio.to_thread(subject.release.uninstall)
    kept = await asyncio.to_thread(_kept, subject)
    await asyncio.to_thread(subject.release.install)
    await asyncio.to_thread(subject.release.test)
    await _log_in(subject, box)
    await asyncio.to_thread(subject.release.uninstall)
    return {"kept": ", ".join(sorted(kept)), "installed again": "opens what was kept"}


def _kept(subject: Subject) -> set[str]:
    """What is left when nothing goes any more; raises CheckFailed when it is too much or too little."""
    try:
        wait_until(
            lambda: not unexpected(leftovers(subject.objects)),
            seconds=GONE_SECONDS,
            what="only volumes and their secrets are left",
        )
    except NotReached as error:
        raise CheckFailed(f"{error}: {sorted(unexpected(leftovers(subject.objects)))}") from None
    kept = leftovers(subject.objects)
    if not any(one.startswith(KEPT_KIND) for one in kept):
        raise CheckFailed("the volumes are gone too: mail would be lost with a mistaken uninstall")
    if lost := KEPT_SECRETS - kept:
        raise CheckFailed(f"{', '.join(sorted(lost))} are gone, and what is on the volumes opens to nobody")
    return kept


async def _log_in(subject: Subject, box: str) -> None:
    try:
        connection = await ImapConnection.open(*subject.imaps(), box, PASSWORD, tls=subject.tls())
    except ImapFailed as error:
        raise CheckFailed(f"an account of before the removal does not open: {error}") from None
    await connection.close()


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
    scalers = objects.custom("keda.sh", "v1alpha1", "scaledobjects")
    return {
        f"{kind}/{item.metadata.name}"
        for kind, listing in listings.items()
        for item in listing(objects.namespace, label_selector=objects.selector).items
    } | {f"scaledobject/{one['metadata']['name']}" for one in scalers}
