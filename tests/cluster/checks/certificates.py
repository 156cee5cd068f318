"""Running pods serve a renewed certificate without a restart."""

import asyncio
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from mailyard.local.certificates import ensure_certificates
from tests.cluster.release import NAME
from tests.cluster.report import Figures, Stopwatch
from tests.cluster.subject import CheckFailed, Subject
from tests.trial.waiting import wait_until

LIMIT_SECONDS = 180  # the kubelet looks at secrets every 60 to 90 seconds, a service at its files every few
PORTS = {"smtp-in": 2465, "imap": 2993}  # of the pods themselves, TLS from the start
SHOW = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2])), timeout=10))"


async def run(subject: Subject) -> Figures:
    """Replace the secret with one from another authority, and ask every pod that was there before."""
    before = _lives(subject)
    entries = renewed(subject.objects.secret(f"{NAME}-tls"))
    watch = Stopwatch()
    await asyncio.to_thread(subject.objects.replace_secret, f"{NAME}-tls", entries)
    shown: dict[str, float] = {}
    for service in PORTS:
        await asyncio.to_thread(_wait_for, subject, service, entries["tls.crt"].decode(), before)
        shown[f"served by {service} after s"] = watch.seconds
    restarted = [name for name, count in _lives(subject).items() if count != before.get(name, count)]
    if restarted:
        raise CheckFailed(f"restarted meanwhile: {restarted}")
    return shown


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


def _wait_for(subject: Subject, service: str, certificate: str, before: Mapping[str, int]) -> None:
    """Until the pods that were there before show it; those that a scaler adds meanwhile prove nothing."""
    wanted = certificate.strip()

    def all_show_it() -> bool:
        old = [pod for pod in subject.objects.pods(service) if pod.metadata.name in before]
        if not old:
            raise CheckFailed(f"no pod of {service} that was there before is left")
        port = str(PORTS[service])
        return all(subject.toolbox.python(SHOW, pod.status.pod_ip, port).strip() == wanted for pod in old)

    wait_until(all_show_it, seconds=LIMIT_SECONDS, what=f"every pod of {service} shows the new certificate")


def _lives(subject: Subject) -> dict[str, int]:
    """Pods of the front doors, and how often their containers have been started again."""
    return {
        pod.metadata.name: sum(status.restart_count for status in pod.status.container_statuses or [])
        for service in PORTS
        for pod in subject.objects.pods(service)
    }
