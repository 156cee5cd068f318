"""The catalogue of services: one entry for each service, from which every other list of services is derived.

A new service is a folder `services/<name>` and an entry here. Then run `make dockerfiles chart`, and write the part of
the service in charts/mailyard/values.yaml. Readers of this table: chart, images, local mode, install-check, chaos,
hostile and cluster tests. The queues of a service are in the table of `mailyard.broker.pipeline`.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port on which clients connect."""

    name: str  # in Kubernetes and in local mode
    number: int  # in the container, and in local mode
    setting: str  # the setting of its address, without the prefix of the service
    public: int | None = None  # the number outside the cluster; None: reached within the cluster only
    listener: str = ""  # its name in the metric of open connections; empty: no reason to scale


@dataclass(frozen=True, slots=True)
class Service:
    """One service: a package, an image, a Deployment, and a process of local mode."""

    name: str
    http_port: int  # of /livez, /readyz and /metrics, in local mode
    ports: tuple[ServicePort, ...] = ()
    sends_mail: bool = False  # connects to mail servers outside

    @property
    def package(self) -> str:
        """Name of its Python package, below `mailyard`."""
        return self.name.replace("-", "_")

    @property
    def folder(self) -> str:
        """Its folder in the repository."""
        return f"services/{self.name}"


SERVICES: Final[tuple[Service, ...]] = (
    Service(
        "smtp-in",
        9101,
        (
            ServicePort("smtp", 2525, "MX_LISTEN", 25, "mx"),
            ServicePort("submission", 2587, "SUBMISSION_LISTEN", 587, "submission"),
            ServicePort("submissions", 2465, "SUBMISSIONS_LISTEN", 465, "submissions"),
            ServicePort("lmtp", 2424, "LMTP_LISTEN"),
        ),
    ),
    Service("router", 9102),
    Service("filter", 9103),
    Service("delivery", 9104),
    Service("relay", 9105, sends_mail=True),
    Service(
        "imap",
        9106,
        (
            ServicePort("imap", 2143, "LISTEN", 143, "imap"),
            ServicePort("imaps", 2993, "TLS_LISTEN", 993, "imaps"),
        ),
    ),
)
"""All services, in the order in which mail passes through them."""

NAMES: Final = tuple(service.name for service in SERVICES)
TOOLBOX: Final = "toolbox"  # the image of the command `mailyard`, which is no service
