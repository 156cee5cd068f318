"""A renewed certificate is served by the pods that run: no restart, no lost connection."""

import asyncio
import ssl
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from mailyard.local.certificates import ensure_certificates
from tests.cluster.access import Address
from tests.cluster.release import NAME
from tests.cluster.report import Figures, Stopwatch
from tests.cluster.subject import CheckFailed, Subject
from tests.trial.waiting import wait_until

LIMIT_SECONDS = 180  # the kubelet looks at secrets every 60 to 90 seconds, a service at its files every few
FRONT_DOORS = ("smtp-in", "imap")


async def run(subject: Subject) -> Figures:
    """Replace the secret with one from another authority, and wait at both front doors."""
    before = _lives(subject)
    doors = {
        "imap": subject.imaps(),
        "smtp-in": subject.access.address(f"{NAME}-smtp-in", 465),
    }
    entries = renewed(subject.objects.secret(f"{NAME}-tls"))
    watch = Stopwatch()
    await asyncio.to_thread(subject.objects.replace_secret, f"{NAME}-tls", entries)
    told: dict[str, float] = {}
    for service, address in doors.items():
        await asyncio.to_thread(_wait_for, entries["tls.crt"], service, address)
        told[f"served by {service} after s"] = watch.seconds
    if _lives(subject) != before:
        raise CheckFailed("pods were restarted meanwhile")
    return told


def renewed(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    """Certificate, key and authority anew, for the host name of the old ones."""
    with tempfile.TemporaryDirectory(prefix="mailyard-tls-") as folder:
        files = ensure_certificates(Path(folder), names_of(entries["tls.crt"]), datetime.now(UTC))
        return {
            "ca.crt": files.authority.read_bytes(),
            "tls.crt": files.certificate.read_bytes(),
            "tls.key": files.key.read_bytes(),
        }


def names_of(certificate: bytes) -> list[str]:
    """DNS names that it is for."""
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def _wait_for(certificate: bytes, service: str, address: Address) -> None:
    wanted = ssl.PEM_cert_to_DER_cert(certificate.decode())
    wait_until(
        lambda: _served(address) == wanted, seconds=LIMIT_SECONDS, what=f"{service} shows the new certificate"
    )


def _served(address: Address) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address, timeout=10))
    except OSError:
        return b""


def _lives(subject: Subject) -> set[tuple[str, int]]:
    """Pods of the front doors and how often their containers have been started."""
    return {
        (pod.metadata.uid, status.restart_count)
        for service in FRONT_DOORS
        for pod in subject.objects.pods(service)
        for status in pod.status.container_statuses or []
    }
