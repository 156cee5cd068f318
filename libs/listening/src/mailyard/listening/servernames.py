"""The certificates of host names: a folder with one certificate for each subfolder, as Secrets are mounted.

A subfolder holds `tls.crt` and `tls.key`. Its host names are the DNS names of the certificate; `*.example.org` stands for
one label (RFC 9525 section 6.3). A subfolder that comes, changes or goes is seen at the next `refresh`. A broken one is
logged and changes nothing: it may be one customer's.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mailyard.listening.servedcertificate import CertificateFiles, ServedCertificate
from mailyard.listening.x509 import names_of
from mailyard.runtime.logs import get_logger

_CERTIFICATE, _KEY = "tls.crt", "tls.key"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MOST_CHARACTERS = 253
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Named:
    served: ServedCertificate
    names: tuple[str, ...]


class ServerNames:
    """Certificates by host name."""

    def __init__(self, folder: Path | None, client_authority: Path | None = None) -> None:
        """Read all subfolders; without a folder there are no host names."""
        self._folder = folder
        self._client_authority = client_authority
        self._by_folder: dict[Path, _Named] = {}
        self._by_name: dict[str, ServedCertificate] = {}
        self._complained: dict[Path, str] = {}
        self.refresh()

    @property
    def served(self) -> Iterable[ServedCertificate]:
        """All certificates."""
        return [each.served for each in self._by_folder.values()]

    def find(self, name: str) -> ServedCertificate | None:
        """Return the certificate for a host name as a client sends it, by the name itself or by a wildcard."""
        name = name.lower()
        found = self._by_name.get(name)
        if found is not None:
            return found
        label, _, parent = name.partition(".")
        wildcard = self._by_name.get(f"*.{parent}")
        return wildcard if wildcard is not None and _is_host_name(label, name) else None

    def refresh(self) -> None:
        """Read what has come or changed, forget what has gone."""
        if self._folder is None:
            return
        present = set(self._subfolders(self._folder))
        is_changed = bool(self._by_folder.keys() - present)
        for gone in self._by_folder.keys() - present:
            del self._by_folder[gone]
        for folder in present:
            is_changed |= self._read(folder)
        if is_changed:
            self._by_name = {
                name: each.served
                for each in sorted(self._by_folder.values(), key=lambda each: each.served.expiry)
                for name in each.names
            }

    def _subfolders(self, folder: Path) -> Iterator[Path]:
        """Names that begin with a dot are Kubernetes' own."""
        try:
            yield from (
                each
                for each in folder.iterdir()
                if not each.name.startswith(".") and (each / _CERTIFICATE).exists() and (each / _KEY).exists()
            )
        except OSError as error:
            self._complain(folder, error)
            yield from self._by_folder

    def _read(self, folder: Path) -> bool:
        """Read one subfolder where it changed; return whether names may have changed."""
        known = self._by_folder.get(folder)
        try:
            if known is None:
                files = CertificateFiles(folder / _CERTIFICATE, folder / _KEY)
                served = ServedCertificate(files, self._client_authority)
            else:
                served = known.served
                if not served.refresh():
                    return False
            names = tuple(names_of(folder / _CERTIFICATE))
            if not names:
                raise ValueError("the certificate has no DNS names")
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            self._complain(folder, error)
            return False
        self._by_folder[folder] = _Named(served, names)
        self._complained.pop(folder, None)
        return True

    def _complain(self, folder: Path, error: Exception) -> None:
        """Log an error once, and again when it changes."""
        if self._complained.get(folder) != str(error):
            self._complained[folder] = str(error)
            _log.warning("certificate.unusable", certificate=str(folder), error=str(error))


def _is_host_name(label: str, name: str) -> bool:
    return len(name) <= _MOST_CHARACTERS and _LABEL.fullmatch(label) is not None
