"""The fields of a certificate that a listener needs: the end of its validity, and its host names (RFC 5280 section 4)."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mailyard.listening.der import after, content

_SEQUENCE = 0x30
_VERSION = 0xA0  # [0] EXPLICIT, absent in version 1
_EXTENSIONS = 0xA3  # [3] EXPLICIT
_UTC_TIME = 0x17
_BOOLEAN = 0x01
_DNS_NAME = 0x82  # [2] IMPLICIT IA5String
_SUBJECT_ALTERNATIVE_NAME = bytes.fromhex("551d11")  # 2.5.29.17
_END = "-----END CERTIFICATE-----"


def expiry_of(certificate: Path) -> datetime:
    """Return notAfter of the first certificate of a PEM file; raises ValueError where there is none."""
    try:
        return _time(after(content(_after_issuer(_first_of(certificate)), _SEQUENCE)))
    except IndexError as error:
        raise ValueError(f"{certificate} ends within its certificate") from error


def names_of(certificate: Path) -> list[str]:
    """Return the DNS names of the first certificate of a PEM file, in lower case; raises ValueError as `expiry_of`.

    The subject's common name is no host name (RFC 9525 section 2).
    """
    try:
        return list(_names(_after_issuer(_first_of(certificate))))
    except IndexError as error:
        raise ValueError(f"{certificate} ends within its certificate") from error


def _first_of(certificate: Path) -> bytes:
    text = certificate.read_text(encoding="ascii", errors="replace")
    first, end, _ = text[max(0, text.find("-----BEGIN CERTIFICATE-----")) :].partition(_END)
    return ssl.PEM_cert_to_DER_cert(first + end)


def _after_issuer(der: bytes) -> bytes:
    """Certificate ::= { tbsCertificate { version?, serialNumber, signature, issuer, validity { notBefore, notAfter }, …"""
    fields = content(content(der, _SEQUENCE), _SEQUENCE)
    if fields[0] == _VERSION:
        fields = after(fields)
    for _ in ("serialNumber", "signature", "issuer"):
        fields = after(fields)
    return fields


def _names(fields: bytes) -> Iterator[str]:
    """… subject, subjectPublicKeyInfo, issuerUniqueID?, subjectUniqueID?, extensions? } }"""
    while fields and fields[0] != _EXTENSIONS:
        fields = after(fields)
    extensions = content(content(fields), _SEQUENCE) if fields else b""
    while extensions:
        kind = content(extensions)
        value = after(kind)
        if content(kind) == _SUBJECT_ALTERNATIVE_NAME:
            if value[0] == _BOOLEAN:  # critical
                value = after(value)
            yield from _dns_names(content(content(value), _SEQUENCE))
        extensions = after(extensions)


def _dns_names(names: bytes) -> Iterator[str]:
    while names:
        if names[0] == _DNS_NAME:
            yield content(names).decode("ascii", "replace").lower().rstrip(".")
        names = after(names)


def _time(der: bytes) -> datetime:
    """UTCTime until 2049, GeneralizedTime from 2050 (section 4.1.2.5); both in GMT, with seconds."""
    digits = content(der).decode("ascii").removesuffix("Z")
    if der[0] == _UTC_TIME:
        century = "20" if digits < "50" else "19"
        digits = century + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
