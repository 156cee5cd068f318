"""The objects that a check works with."""

import contextlib
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.access import Access
from tests.cluster.objects import Objects
from tests.cluster.programs import Programs
from tests.cluster.release import NAME, Release
from tests.cluster.surroundings import Surroundings
from tests.cluster.toolbox import Toolbox


class CheckFailed(AssertionError):
    """What was found instead of what must be."""


class CheckSkipped(Exception):
    """What a check needs is not there; the text says what."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The release under test, and the ways to it."""

    surroundings: Surroundings
    programs: Programs
    objects: Objects
    release: Release
    access: Access
    toolbox: Toolbox
    output: Path  # for pictures and tables
    docs: Path | None  # where pictures for the documentation go, when they are wanted
    run: str = field(default_factory=lambda: secrets.token_hex(2))  # names of tenants differ between runs

    def smtp(self) -> tuple[str, int]:
        """Where other servers hand in mail."""
        return self.access.address(f"{NAME}-smtp-in", 25)

    def imaps(self) -> tuple[str, int]:
        """Where mail is read over TLS."""
        return self.access.address(f"{NAME}-imap", 993)

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the release's own authority, whatever name the address has."""
        authority = self.objects.secret(f"{NAME}-tls").get("ca.crt")
        if authority is None:
            raise CheckFailed(f"the secret {NAME}-tls has no ca.crt to verify its certificate with")
        context = ssl.create_default_context(cadata=authority.decode())
        context.check_hostname = False
        return context

    def pages(self, service: str) -> list[str]:
        """The metrics pages of all ready pods of a service."""
        ready = [pod.metadata.name for pod in self.objects.pods(service) if _ready(pod)]
        return [self.objects.http(name) for name in ready]


def _ready(pod: object) -> bool:
    conditions = pod.status.conditions or []  # type: ignore[attr-defined]
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


@contextlib.contextmanager
def subject(surroundings: Surroundings, output: Path, docs: Path | None) -> Iterator[Subject]:
    """All parts put together."""
    programs = Programs(surroundings)
    objects = Objects(str(surroundings.kubeconfig), surroundings.namespace, NAME)
    with Access(surroundings, programs, objects) as access:
        yield Subject(
            surroundings,
            programs,
            objects,
            Release(surroundings, programs, objects),
            access,
            Toolbox(programs, surroundings.namespace, NAME),
            output,
            docs,
        )
