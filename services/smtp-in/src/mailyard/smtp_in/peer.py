"""The client of a connection as policy and spool see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SmtpPeer:
    """`tls` is version and cipher, `certificate` the subject of a verified client certificate; both may be empty."""

    address: str
    tls: str = ""
    certificate: str = ""


def certificate_subject(certificate: Mapping[str, Any] | None) -> str:
    """Return the subject of a verified certificate as `ssl` gives it, in the form of RFC 4514: the last part first."""
    if not certificate:
        return ""
    parts = [f"{name}={value}" for relative in certificate.get("subject", ()) for name, value in relative]
    return ",".join(reversed(parts))
