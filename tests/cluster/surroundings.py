"""The settings of the harness, by environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.cluster import previous

KUBECONFIG = "MAILYARD_CLUSTER_KUBECONFIG"


class AccessKind(Enum):
    """How this machine reaches the front doors."""

    DIRECT = "direct"  # the addresses of services
    NODEPORT = "nodeport"
    PORT_FORWARD = "port-forward"


class WrongSurroundings(Exception):
    """A variable cannot be used; the text says which and what it may be."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Read once at the start."""

    kubeconfig: Path
    image_repository: str
    image_tag: str
    programs: Path | None  # a folder with helm and kubectl
    values: tuple[Path, ...]
    access: AccessKind
    node: str | None  # the address for node ports; default: the first node's internal one
    namespace: str
    previous: str | None  # a git ref with the chart to upgrade from
    previous_tag: str  # the images to upgrade from

    @property
    def upgrades_from_earlier(self) -> bool:
        """Whether the upgrade begins with something else than what is installed anyway."""
        return self.previous is not None or self.previous_tag != self.image_tag


def read(environment: Mapping[str, str] = os.environ) -> Surroundings:
    """All variables, checked; raises WrongSurroundings."""
    default = environment.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    tag = environment.get("MAILYARD_CLUSTER_IMAGE_TAG") or "dev"
    programs = environment.get("MAILYARD_CLUSTER_BIN")
    values = environment.get("MAILYARD_CLUSTER_VALUES", "")
    return Surroundings(
        kubeconfig=_existing(KUBECONFIG, environment.get(KUBECONFIG) or default),
        image_repository=environment.get("MAILYARD_CLUSTER_IMAGE_REPOSITORY") or "mailyard",
        image_tag=tag,
        programs=_existing("MAILYARD_CLUSTER_BIN", programs) if programs else None,
        values=tuple(_existing("MAILYARD_CLUSTER_VALUES", one) for one in values.split(",") if one),
        access=_access(environment.get("MAILYARD_CLUSTER_ACCESS") or AccessKind.DIRECT.value),
        node=environment.get("MAILYARD_CLUSTER_NODE") or None,
        namespace=environment.get("MAILYARD_CLUSTER_NAMESPACE") or "mailyard-cluster-test",
        previous=_previous(environment.get("MAILYARD_CLUSTER_PREVIOUS")),
        previous_tag=environment.get("MAILYARD_CLUSTER_PREVIOUS_TAG") or tag,
    )


def _existing(variable: str, text: str) -> Path:
    path = Path(text).expanduser()
    if not path.exists():
        raise WrongSurroundings(f"{path} does not exist; set {variable} to a path that does")
    return path.absolute()  # programs may run in other folders


def _previous(ref: str | None) -> str | None:
    if ref:
        try:
            previous.ensure(ref)
        except previous.NoEarlierChart as error:
            raise WrongSurroundings(f"MAILYARD_CLUSTER_PREVIOUS: {error}") from None
    return ref or None


def _access(text: str) -> AccessKind:
    try:
        return AccessKind(text)
    except ValueError:
        kinds = ", ".join(kind.value for kind in AccessKind)
        raise WrongSurroundings(f"MAILYARD_CLUSTER_ACCESS is {text!r}; it may be one of {kinds}") from None
