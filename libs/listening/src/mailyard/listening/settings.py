"""The settings that every service with listeners has, and what is built from them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mailyard.listening.admission import IPV6_PREFIX, Admission, raise_file_limit
from mailyard.listening.certificates import Certificates
from mailyard.listening.proxynetworks import ProxySettings
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.renames import VersionAdded
from mailyard.runtime.settings import CommonSettings, variables


def _readable(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        Endpoint.parse(text)
    return texts


Seconds = Annotated[float, Field(gt=0, le=86_400)]
EndpointTexts = Annotated[tuple[str, ...], AfterValidator(_readable)]
"""Endpoints as a setting gives them: each is `host:port` or `[IPv6]:port`."""


class ListenerSettings(ProxySettings, CommonSettings):
    """Mixed into the settings of a service. A service changes a default by repeating the field."""

    tls_certificate_file: Path | None = Field(
        default=None,
        description="Certificate chain, PEM; read again when it changes. Without it there is no TLS.",
    )
    tls_key_file: Path | None = Field(default=None, description="Private key of the certificate, PEM.")
    tls_certificate_folder: Annotated[Path | None, VersionAdded("0.3.0")] = Field(
        default=None,
        description="Folder with further certificates, for clients that ask for their host names (SNI): each subfolder"
        " holds tls.crt and tls.key, PEM. Read again when it changes.",
    )
    handshake_seconds: Seconds = Field(default=30.0, description="How long a TLS handshake may take.")
    plaintext_auth: Literal["never", "loopback"] = Field(
        default="never",
        description="Whether clients on the same machine may authenticate without TLS; for local trials only.",
    )
    connections: int = Field(default=4000, ge=1, description="Open connections of this process at most.")
    connections_per_address: int = Field(
        default=100, ge=0, description="Open connections of one client address at most; 0: no limit."
    )
    ipv6_prefix: int = Field(
        default=IPV6_PREFIX,
        ge=32,
        le=128,
        description="Bits of an IPv6 address that count as one client for connections_per_address; IPv4 counts whole.",
    )
    backlog: int = Field(
        default=1024, ge=1, le=65_535, description="Connections that wait to be accepted, per listener."
    )

    def variable(self, name: str) -> str:
        """Return the environment variable of a setting."""
        return variables(type(self))[name]

    def admission(self) -> Admission:
        """Return the limits on connections: as set, and no more than files may be open."""
        most = raise_file_limit(self.connections)
        return Admission(most, self.connections_per_address, ipv6_prefix=self.ipv6_prefix)

    def certificates(
        self, *, tls_first: str = "", login: str = "", client_authority: Path | None = None
    ) -> Certificates | None:
        """Return the certificates, None without TLS.

        With `client_authority`, clients are asked for a certificate that it signed.
        `tls_first` and `login` name the settings of open listeners that begin with TLS, and whose clients log in.

        Raises:
            Misconfigured: a file is missing or broken, or a listener would be of no use without TLS.

        """
        certificate, key = self.tls_certificate_file, self.tls_key_file
        names = f"{self.variable('tls_certificate_file')} and {self.variable('tls_key_file')}"
        if certificate is not None and key is not None:
            return Certificates(
                certificate,
                key,
                self.handshake_seconds,
                folder=self.tls_certificate_folder,
                client_authority=client_authority,
            )
        if certificate is not None or key is not None:
            raise Misconfigured(f"set both {names}")
        if tls_first:
            raise Misconfigured(f"{self.variable(tls_first)} needs {names}")
        if login and self.plaintext_auth == "never":
            raise Misconfigured(
                f"nobody could authenticate at {self.variable(login)}: set {names} (or, for a trial on one machine,"
                f" {self.variable('plaintext_auth')}=loopback)"
            )
        return None


def endpoints(texts: tuple[str, ...]) -> list[Endpoint]:
    """Parse the endpoints of a setting."""
    return [Endpoint.parse(text) for text in texts]
