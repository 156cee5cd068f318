"""One TLS context whose certificate follows its files."""

import ssl
from pathlib import Path
from typing import NamedTuple

from mailyard.listening.ciphers import restrict
from mailyard.listening.x509 import expiry_of
from mailyard.runtime.logs import get_logger

_log = get_logger(__name__)


class CertificateFiles(NamedTuple):
    """A certificate chain and its private key without a passphrase, both PEM."""

    certificate: Path
    key: Path


class ServedCertificate:
    """A certificate with its context. With `client_authority`, clients are asked for a certificate that it signed."""

    def __init__(self, files: CertificateFiles, client_authority: Path | None = None) -> None:
        """Read the files; raises OSError (an SSLError is one) or ValueError."""
        self._files = files
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        self.context.options |= ssl.OP_NO_RENEGOTIATION
        restrict(self.context)
        if client_authority is not None:
            self.context.load_verify_locations(client_authority)
            self.context.verify_mode = ssl.CERT_OPTIONAL  # who has none logs in by password
        self._seen = self._stamp()
        self._load()

    def refresh(self) -> bool:
        """Load the files again where they changed, and return whether they are in use now; broken ones change nothing."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._load()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            _log.warning("certificate.unusable", certificate=str(self._files.certificate), error=str(error))
            return False
        self._seen = stamp
        _log.info("certificate.renewed", certificate=str(self._files.certificate))
        return True

    def _load(self) -> None:
        self.context.load_cert_chain(*self._files)
        self.expiry = expiry_of(self._files.certificate).timestamp()

    def _stamp(self) -> tuple[int, int]:
        return self._files.certificate.stat().st_mtime_ns, self._files.key.stat().st_mtime_ns
