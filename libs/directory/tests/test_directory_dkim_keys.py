import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from mailyard.directory.dkim.keys import (
    Algorithm,
    DkimKey,
    KeyState,
    is_published,
    key_record,
    new_key_pair,
    other_slot,
    selector_of,
)
from mailyard.directory.dkim.zone import DnsRecord, customer_records, key_name, provider_records, target_name
from mailyard.directory.errors import Invalid

ZONE = "dkim.example.net"
KEY = DkimKey(
    id=ObjectId(),
    tenant="acme",
    domain="example.org",
    prefix="mailyard",
    slot=1,
    algorithm=Algorithm.RSA,
    state=KeyState.ACTIVE,
    public="MIIB",
    private="sealed",
    created_at=datetime(2026, 11, 1, tzinfo=UTC),
)


def test_an_rsa_key_of_2048_bits_verifies_with_its_published_part() -> None:
    pair = new_key_pair(Algorithm.RSA)
    private = load_der_private_key(pair.private, None)
    public = load_der_public_key(
        base64.b64decode(pair.public)
    )  # RFC 6376, section 3.6.1: SubjectPublicKeyInfo

    assert isinstance(private, RSAPrivateKey)
    assert isinstance(public, RSAPublicKey)
    assert public.key_size == 2048
    public.verify(private.sign(b"mail", PKCS1v15(), SHA256()), b"mail", PKCS1v15(), SHA256())


def test_an_ed25519_key_verifies_with_its_32_published_octets() -> None:
    pair = new_key_pair(Algorithm.ED25519)
    private = load_der_private_key(pair.private, None)
    octets = base64.b64decode(pair.public)  # RFC 8463, section 4.2: the key without a structure around it

    assert isinstance(private, Ed25519PrivateKey)
    assert len(octets) == 32
    Ed25519PublicKey.from_public_bytes(octets).verify(private.sign(b"mail"), b"mail")


def test_private_keys_are_not_shown() -> None:
    pair = new_key_pair(Algorithm.ED25519)

    assert str(pair.private) not in repr(pair)
    assert "sealed" not in repr(KEY)


@pytest.mark.parametrize(
    ("slot", "algorithm", "selector"),
    [(1, Algorithm.RSA, "mailyard1"), (2, Algorithm.ED25519, "mailyard2-ed25519")],
)
def test_a_selector_is_prefix_and_slot_and_names_the_younger_algorithm(
    slot: int, algorithm: Algorithm, selector: str
) -> None:
    assert selector_of("mailyard", slot, algorithm) == selector


def test_keys_use_two_slots_in_turn() -> None:
    assert [other_slot(1), other_slot(2)] == [2, 1]


def test_a_record_has_version_type_and_key() -> None:
    assert key_record(Algorithm.RSA, "MIIB") == "v=DKIM1; k=rsa; p=MIIB"
    assert key_record(Algorithm.ED25519, "") == "v=DKIM1; k=ed25519; p="


@pytest.mark.parametrize(
    "records",
    [
        ["v=DKIM1; k=rsa; p=MIIB"],
        ["v=DKIM1;k=rsa;p=MI IB;"],
        ["p=MIIB"],  # RFC 6376, section 3.6.1: k=rsa is the default
        ["v=DKIM1; h=sha256; k = rsa ; t=s; p = MIIB"],
    ],
)
def test_a_key_is_published_when_the_dns_shows_its_value(records: list[str]) -> None:
    assert is_published(KEY, records)


@pytest.mark.parametrize(
    "records",
    [
        [],
        ["v=DKIM1; k=rsa; p="],
        ["v=DKIM1; k=rsa; p=MIIC"],
        ["v=DKIM1; k=ed25519; p=MIIB"],
        ["v=spf1 -all"],
        ["v=DKIM1; k=rsa; p=MIIB", "v=DKIM1; k=rsa; p=MIIC"],  # section 3.6.2.2: more than one record
        ["MIIB"],
        ["p"],
    ],
)
def test_a_key_is_not_published_by_other_records(records: list[str]) -> None:
    assert not is_published(KEY, records)


def test_the_customer_publishes_two_names_for_each_algorithm() -> None:
    records = customer_records("example.org", "mailyard", [Algorithm.RSA, Algorithm.ED25519], ZONE)

    assert [each.zone_line(3600) for each in records] == [
        "mailyard1._domainkey.example.org. 3600 IN CNAME mailyard1.example.org.dkim.example.net.",
        "mailyard2._domainkey.example.org. 3600 IN CNAME mailyard2.example.org.dkim.example.net.",
        "mailyard1-ed25519._domainkey.example.org. 3600 IN CNAME mailyard1-ed25519.example.org.dkim.example.net.",
        "mailyard2-ed25519._domainkey.example.org. 3600 IN CNAME mailyard2-ed25519.example.org.dkim.example.net.",
    ]
    assert records[0].name == key_name("example.org", "mailyard1")


def test_the_zone_has_a_record_for_each_selector_that_customers_point_at() -> None:
    assert list(provider_records([KEY], ZONE)) == [
        DnsRecord("mailyard1.example.org.dkim.example.net", "TXT", "v=DKIM1; k=rsa; p=MIIB"),
        DnsRecord("mailyard2.example.org.dkim.example.net", "TXT", "v=DKIM1; k=rsa; p="),
    ]


@pytest.mark.parametrize(
    ("state", "public"),
    [
        (KeyState.PENDING, "MIIB"),
        (KeyState.ACTIVE, "MIIB"),
        (KeyState.RETIRING, "MIIB"),
        (KeyState.RETIRED, ""),
    ],
)
def test_a_key_is_in_the_zone_until_it_is_retired(state: KeyState, public: str) -> None:
    first, _ = provider_records([replace(KEY, state=state)], ZONE)

    assert first.value == f"v=DKIM1; k=rsa; p={public}"


def test_a_new_key_takes_the_selector_of_a_retired_one_in_the_zone() -> None:
    retired = replace(KEY, state=KeyState.RETIRED)
    new = replace(KEY, id=ObjectId(), public="NEW=", state=KeyState.PENDING)

    for keys in ([retired, new], [new, retired]):
        assert [each.value for each in provider_records(keys, ZONE)] == [
            "v=DKIM1; k=rsa; p=NEW=",
            "v=DKIM1; k=rsa; p=",
        ]


def test_a_long_key_is_divided_into_strings_of_255_octets_that_join_to_the_record() -> None:
    key = replace(KEY, public="A" * 392)
    record = next(iter(provider_records([key], ZONE)))
    line = record.zone_line(300)
    strings = line.partition(" IN TXT ")[2].split(" ")

    assert line.startswith("mailyard1.example.org.dkim.example.net. 300 IN TXT ")
    pieces = line.partition(" IN TXT ")[2].strip('"').split('" "')
    assert "".join(pieces) == record.value
    assert max(map(len, pieces)) == 255
    assert len(strings) >= 2


def test_a_name_that_the_dns_cannot_hold_is_refused_with_the_setting_to_change() -> None:
    domain = ".".join(["a" * 60] * 4)  # 243 characters
    assert target_name(domain, "s1", "d.net").endswith(".d.net")

    with pytest.raises(Invalid, match="use a shorter MAILYARD_DKIM_ZONE"):
        target_name(domain, "mailyard1", "d.net")
