"""What an OpenSSL client can negotiate with a listener: Mozilla's intermediate configuration, and nothing else."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailyard.listening.certificates import Certificates
from mailyard.local.certificates import ensure_certificates

ALLOWED = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    tls = ensure_certificates(tmp_path_factory.mktemp("tls") / "tls", ["localhost"], datetime.now(UTC))
    return Certificates(Path(tls.certificate), Path(tls.key), 10).context


def client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return context


def negotiated(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, str] | None:
    """Version and cipher of a handshake in memory; None where there is none."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    done = set()
    for _ in range(10):
        for name, side in (("client", theirs), ("server", ours)):
            try:
                side.do_handshake()
                done.add(name)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                return None
        if len(done) == 2:
            cipher, version = ours.cipher(), ours.version()
            assert cipher is not None
            assert version is not None
            return version, cipher[0]
    return None


def test_of_tls_1_2_only_suites_with_forward_secrecy_and_aead_are_taken(server: ssl.SSLContext) -> None:
    taken = set()
    names = [cipher["name"] for cipher in client().get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert len(names) > 50
    for name in names:
        one = client()
        one.maximum_version = ssl.TLSVersion.TLSv1_2
        one.set_ciphers(f"{name}:@SECLEVEL=0")
        if (found := negotiated(server, one)) is not None:
            assert found == ("TLSv1.2", name)
            taken.add(name)
    assert taken
    assert taken <= ALLOWED


@pytest.mark.parametrize(
    ("curve", "is_taken"),
    [
        ("X25519", True),
        ("prime256v1", True),
        ("secp384r1", True),
        ("X448", False),
        ("secp521r1", False),
        ("brainpoolP256r1", False),
        ("secp256k1", False),
    ],
)
def test_curves_are_x25519_p_256_and_p_384(server: ssl.SSLContext, curve: str, is_taken: bool) -> None:
    one = client()
    one.minimum_version = ssl.TLSVersion.TLSv1_3  # before, the certificate's own curve decides too
    one.set_ecdh_curve(curve)
    assert (negotiated(server, one) is not None) is is_taken


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(server: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    one = client()
    one.minimum_version = one.maximum_version = version
    assert negotiated(server, one) is None


def test_tls_1_3_is_spoken_where_the_client_can(server: ssl.SSLContext) -> None:
    found = negotiated(server, client())
    assert found is not None
    assert found[0] == "TLSv1.3"
