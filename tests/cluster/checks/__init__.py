"""The checks in the order in which they run: first a release is installed, the last but one removes it."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.checks import (
    autoscale,
    brokerless,
    canary,
    certificates,
    chaos,
    footprint,
    frontdoors,
    install,
    removal,
    scalers,
    skaffold,
    upgrade,
)
from tests.cluster.report import Figures
from tests.cluster.subject import Subject


@dataclass(frozen=True, slots=True)
class Check:
    """Its function returns figures worth telling, and raises AssertionError or ApiException when it finds fault."""

    summary: str
    run: Callable[[Subject], Coroutine[Any, Any, Figures]]
    from_nothing: bool = False


CHECKS: Mapping[str, Check] = {
    "install": Check("trial overlay from nothing to a passing helm test within 5 minutes", install.run, True),
    "footprint": Check("all idle Mailyard pods together use at most 700 MB", footprint.run),
    "canary": Check("the canary's CronJob has run and its metrics are exported", canary.run),
    "scalers": Check("KEDA reads what the routers export, mail by mail", scalers.run),
    "frontdoors": Check(
        "PROXY headers are believed from configured networks, and required there", frontdoors.run
    ),
    "certificates": Check("a renewed certificate is served without a restart", certificates.run),
    "autoscale": Check("a burst of 20,000 mails scales out and in; none lost or doubled", autoscale.run),
    "chaos": Check("pod kills and a rolling restart under load lose and double nothing", chaos.run),
    "brokerless": Check(
        "a minute without RabbitMQ takes no front end out of service and loses nothing", brokerless.run
    ),
    "upgrade": Check("helm upgrade under load loses and refuses nothing", upgrade.run),
    "removal": Check("helm uninstall leaves only what is meant to stay", removal.run),
    "skaffold": Check(
        "skaffold deploys the trial and its load in a namespace of its own, and removes them",
        skaffold.run,
        True,
    ),
}
