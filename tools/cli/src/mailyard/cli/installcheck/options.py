"""The options of install-check."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Self

from mailyard.cli.installcheck.checks.nodes import Requests
from mailyard.cli.installcheck.facts.listeners import Listener
from mailyard.probe.mailserver import Trust
from mailyard.runtime.endpoint import Endpoint


class Moment(StrEnum):
    """Before or after the installation."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Options:
    """Names that are None or empty are not checked, and reported as unknown where they matter.

    `in_pod`: it runs in the cluster, from where neither the API nor the way in from outside is seen.
    """

    moment: Moment
    in_pod: bool
    namespace: str
    release: str
    kubeconfig: Path | None
    context: str | None
    host: str | None
    domains: Sequence[str]
    inner_domains: Sequence[str]
    selectors: Sequence[str]
    listeners: Sequence[Listener]
    trust: Trust
    resolver: Endpoint | None
    signed_name: str | None
    probe_host: Endpoint | None
    outgoing: str | None
    requests: Requests

    @property
    def outside(self) -> str:
        """Return the instruction for a check that a pod cannot do."""
        named = {"namespace": self.namespace, "release": self.release, "host": self.host}
        words = " ".join(f"--{option} {value}" for option, value in named.items() if value)
        return f"On a machine outside where kubectl works, run: mailyard install-check {self.moment} {words}"

    @property
    def inside(self) -> str:
        """Return the instruction for a check that has another result in the cluster."""
        if self.moment is Moment.AFTER:
            return f"Run it in the toolbox too: kubectl -n {self.namespace} exec deploy/<name>-toolbox -- mailyard install-check after"
        image = f"mailyard/toolbox:{version('mailyard-cli')}"
        return f"Run it in the cluster too: kubectl run install-check --rm -i --restart=Never --image={image} -- install-check before"

    def for_host(self, host: str | None) -> Self:
        """Where none was named: the host that the release says it is."""
        if self.host is not None or host is None:
            return self
        return replace(self, host=host, trust=replace(self.trust, name=host))
