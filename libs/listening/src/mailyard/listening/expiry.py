"""The end of a certificate's validity: the one field of X.509 that a metric needs (RFC 5280 section 4.1; DER: X.690)."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

_SEQUENCE = 0x30
_VERSION = 0xA0  # [0] EXPLICIT, absent in version 1
_UTC_TIME = 0x17
_END = "-----END CERTIFICATE-----"


def expiry_of(certificate: Path) -> datetime:
    """Return notAfter of the first certificate of a PEM file; raises ValueError where there is none."""
    text = certificate.read_text(encoding="ascii", errors="replace")
    first, end, _ = text[max(0, text.find("-----BEGIN CERTIFICATE-----")) :].partition(_END)
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(first + end))
    except IndexError as error:
        raise ValueError(f"{certificate} ends within its certificate") from error


def _not_after(der: bytes) -> datetime:
    """Certificate ::= { tbsCertificate { version?, serialNumber, signature, issuer, validity { notBefore, notAfter"""
    fields = _content(_content(der, _SEQUENCE), _SEQUENCE)
    if fields[0] == _VERSION:
        fields = _after(fields)
    for _ in ("serialNumber", "signature", "issuer"):
        fields = _after(fields)
    validity = _content(fields, _SEQUENCE)
    return _time(_after(validity))


def _time(der: bytes) -> datetime:
    """UTCTime until 2049, GeneralizedTime from 2050 (section 4.1.2.5); both in GMT, with seconds."""
    digits = _content(der).decode("ascii").removesuffix("Z")
    if der[0] == _UTC_TIME:
        century = "20" if digits < "50" else "19"
        digits = century + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _content(der: bytes, tag: int | None = None) -> bytes:
    if tag is not None and der[0] != tag:
        raise ValueError("this is no X.509 certificate")
    begin, end = _bounds(der)
    return der[begin:end]


def _after(der: bytes) -> bytes:
    return der[_bounds(der)[1] :]


def _bounds(der: bytes) -> tuple[int, int]:
    """Where the content of the first element begins and ends (X.690, section 8.1.3)."""
    length = der[1]
    if length < 0x80:
        return 2, 2 + length
    octets = length & 0x7F
    begin = 2 + octets
    return begin, begin + int.from_bytes(der[2:begin], "big")
