"""What the command line asks install-check to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailyard.cli.installcheck.checks.nodes import Requests
from mailyard.cli.installcheck.facts.listeners import Listener
from mailyard.probe.door import Trust
from mailyard.runtime.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Options:
    """Names that are None or empty are not looked at, and told as unknown where they matter."""

    namespace: str
    release: str
    kubeconfig: Path | None
    context: str | None
    host: str | None
    domains: Sequence[str]
    selectors: Sequence[str]
    listeners: Sequence[Listener]
    trust: Trust
    resolver: Endpoint | None
    signed_name: str | None
    probe_host: Endpoint | None
    outgoing: str | None
    requests: Requests
