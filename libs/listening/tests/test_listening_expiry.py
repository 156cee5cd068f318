"""notAfter of certificates, beside what OpenSSL's reading of the same files says."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mailyard.listening.x509 import expiry_of

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def pem(ends: datetime, name: str = "mail.test") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    "ends",
    [
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),  # the last UTCTime
        datetime(2050, 1, 1, tzinfo=UTC),  # the first GeneralizedTime
    ],
)
def test_the_end_of_a_certificate_is_read(ends: datetime, tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(pem(ends))
    assert expiry_of(tmp_path / "tls.crt") == ends


def test_of_a_chain_the_first_certificate_counts(tmp_path: Path) -> None:
    leaf, authority = BEGIN + timedelta(days=1000), BEGIN + timedelta(days=9000)
    (tmp_path / "tls.crt").write_bytes(b"Bag Attributes\n" + pem(leaf) + pem(authority))
    assert expiry_of(tmp_path / "tls.crt") == leaf


def test_long_names_have_long_lengths(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(pem(BEGIN + timedelta(days=900), "x" * 64))
    assert expiry_of(tmp_path / "tls.crt") == BEGIN + timedelta(days=900)


@pytest.mark.parametrize(
    "octets", [b"", b"\x30\x03\x02\x01", b"\x02\x01\x00", b"\x30\x05\x30\x03\x02\x01\x05"]
)
def test_what_is_no_certificate_is_refused(octets: bytes, tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text(ssl.DER_cert_to_PEM_cert(octets))
    with pytest.raises(ValueError):
        expiry_of(tmp_path / "tls.crt")


@given(st.binary(max_size=200))
def test_hostile_octets_are_refused_or_have_an_end_and_raise_nothing_else(octets: bytes) -> None:
    with NamedTemporaryFile("w", suffix=".crt") as file:
        file.write(ssl.DER_cert_to_PEM_cert(octets))
        file.flush()
        with suppress(ValueError):
            assert expiry_of(Path(file.name)).tzinfo is UTC


def test_a_certificate_that_is_cut_off_before_its_end_of_validity_is_refused(tmp_path: Path) -> None:
    whole = ssl.PEM_cert_to_DER_cert(pem(BEGIN + timedelta(days=900)).decode())
    position = whole.index(b"260619")  # notAfter, 900 days after the first day of 2024
    for length in range(position + 6):
        (tmp_path / "tls.crt").write_text(ssl.DER_cert_to_PEM_cert(whole[:length]))
        with pytest.raises(ValueError):
            expiry_of(tmp_path / "tls.crt")


@pytest.mark.parametrize(
    "text", ["", "nothing", "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text(text)
    with pytest.raises(ValueError):
        expiry_of(tmp_path / "tls.crt")
