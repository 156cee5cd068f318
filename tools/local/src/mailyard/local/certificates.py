"""A certificate authority and a server certificate of local mode, for TLS on loopback.

The authority is kept, so that clients that trust it continue to; the certificate is renewed in time.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailyard.local.layout import write_private

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)  # clocks of clients may be late


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files that a server and its clients need."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class _Issuer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_certificates(folder: Path, names: Sequence[str], now: datetime) -> TlsFiles:
    """Make the files that are missing or end soon."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = TlsFiles(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    authority_key = folder / "ca-key.pem"
    if not (authority_key.exists() and _lasts(files.authority, now)):
        _write(files.authority, authority_key, _authority(now))
        files.certificate.unlink(missing_ok=True)
    if not (files.key.exists() and _lasts(files.certificate, now) and _covers(files.certificate, names)):
        _write(files.certificate, files.key, _server(_read(files.authority, authority_key), names, now))
    return files


def _authority(now: datetime) -> _Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Mailyard local authority")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(name, key, now, AUTHORITY_LIFE)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _Issuer(builder.sign(key, hashes.SHA256()), key)


def _server(issuer: _Issuer, names: Sequence[str], now: datetime) -> _Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        _builder(_name(names[0]), key, now, SERVER_LIFE)
        .issuer_name(issuer.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return _Issuer(builder.sign(issuer.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _lasts(certificate: Path, now: datetime) -> bool:
    if not certificate.exists():
        return False
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc > now + RENEW_BEFORE


def _covers(certificate: Path, names: Sequence[str]) -> bool:
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    covered = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(covered) == [_alternative(name) for name in names]


def _write(certificate: Path, key: Path, issued: _Issuer) -> None:
    encoding = serialization.Encoding.PEM
    private = issued.key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(key, private.decode())
    certificate.write_bytes(issued.certificate.public_bytes(encoding))


def _read(certificate: Path, key: Path) -> _Issuer:
    loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return _Issuer(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)
