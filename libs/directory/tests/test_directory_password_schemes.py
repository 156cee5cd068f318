"""Password hashes of other systems: published examples, Dovecot's forms, and bounds."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailyard.directory.authentication import Authenticator
from mailyard.directory.cryptschemes import md5_crypt, sha256_crypt, sha512_crypt
from mailyard.directory.errors import Invalid
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.passwordschemes import ImportedHash, imported_hash, verify_imported
from mailyard.message.address import Address

RFC_6070 = base64.b64encode(bytes.fromhex("4b007901b765489abead49d926f721d065a429c1")).decode()
SHA512 = "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
SALTED = "NSZEu/ZzEMKdBO5ESNEYml3qKRYBAgMEBQYHCA=="

PUBLISHED = [
    # SHA-crypt.txt, section "Test cases"
    ("sha512-crypt", "Hello world!", f"$6$saltstring${SHA512}"),
    (
        "sha512-crypt",
        "Hello world!",
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
    ),
    ("sha256-crypt", "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    (
        "sha256-crypt",
        "Hello world!",
        "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
    ),
    # glibc's crypt(3)
    ("md5-crypt", "correct horse", "$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80"),
    # crypt_blowfish, wrapper.c
    ("bcrypt", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("ssha", "correct horse", f"{{SSHA}}{SALTED}"),
    ("ssha", "abcdef", "{SSHA}PTggDCOUPEVj5h7bZjhxfKWQBpey47nF"),
    ("ssha256", "correct horse", "{SSHA256}CFsq5JPfiBQ0W3uR5Dnao+9mknEq9a739V+FPkJ6yjABAgMEBQYHCA=="),
    (
        "ssha512",
        "correct horse",
        "{SSHA512}ggObOJHDWCqgI5uFv/j9yDNYMvdTgt+Toj8d6cGrSG/e+E9GbH4DkQ8y5jY3NblhoGens+zNVX1mZaFy0qwRwwECAwQFBgcI",
    ),
    # RFC 6070, section 2, in the form of passlib
    ("pbkdf2", "password", f"$pbkdf2$4096$c2FsdA${RFC_6070.rstrip('=').replace('+', '.')}"),
    # the documentation of passlib, the tests of Django, the documentation of Dovecot
    (
        "pbkdf2",
        "toomanysecrets",
        "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk",
    ),
    ("pbkdf2", "lètmein", "pbkdf2_sha256$260000$seasalt$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo="),
    ("pbkdf2", "test", "{PBKDF2}$1$bUnT4Pl7yFtYX0KU$5000$50a83cafdc517b9f46519415e53c6a858908680a"),
    # made by argon2-cffi; a constant, because workers must collect the same tests
    (
        "argon2",
        "correct horse",
        "$argon2id$v=19$m=8,t=1,p=1$4eAWTmSsaK2MdSbGY0uYUQ$C6RbQwezJ0sWm+FvZJvjZa8T8+s2IUfjE6l7lQI3QDQ",
    ),
]


@pytest.mark.parametrize(("scheme", "password", "hashed"), PUBLISHED)
def test_a_published_hash_is_understood_and_fits_its_password_alone(scheme, password, hashed):
    assert imported_hash(hashed) == ImportedHash(hashed, scheme)
    assert verify_imported(hashed, password.encode())
    for wrong in (password + "x", password[:-1], password.swapcase(), ""):
        assert not verify_imported(hashed, wrong.encode())


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (f"{{SHA512-CRYPT}}$6$saltstring${SHA512}", f"$6$saltstring${SHA512}"),
        (f"{{CRYPT}}$6$saltstring${SHA512}", f"$6$saltstring${SHA512}"),
        (f"  {{crypt}}$6$saltstring${SHA512}\n", f"$6$saltstring${SHA512}"),
        ("{MD5-CRYPT}$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80", "$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80"),
        ("{MD5}$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80", "$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80"),
        (
            "{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        ),
        (f"{{ssha}}{SALTED}", f"{{SSHA}}{SALTED}"),
        (f"{{SSHA.b64}}{SALTED}", f"{{SSHA}}{SALTED}"),
        (f"{{SSHA.HEX}}{base64.b64decode(SALTED).hex()}", f"{{SSHA}}{SALTED}"),
        ("{PBKDF2}$pbkdf2-sha256$10$c2FsdA$" + "a" * 43, "$pbkdf2-sha256$10$c2FsdA$" + "a" * 43),
    ],
)
def test_dovecot_s_scheme_in_front_is_understood(written, stored):
    assert imported_hash(written).text == stored


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "none of the schemes"),
        ("secret", "none of the schemes argon2, bcrypt"),
        ("{PLAIN}secret", "{PLAIN}.*none of the schemes"),
        ("{SHA512-CRYPT}secret", "none of the schemes"),
        ("{SHA256-CRYPT}$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80", "is of scheme md5-crypt, not of {SHA256-CRYPT}"),
        ("{SSHA}NSZEu/ZzEMKdBO5ESNEYml3qKRY=", "has no salt"),
        ("{SSHA}A", "not in base64"),
        ("{SSHA.HEX}xyz", "not in hexadecimal"),
        (f"$6$rounds=1000001$salt${SHA512}", "number of rounds is 1000001"),
        (f"$6$rounds={'9' * 300}$salt${SHA512}", "number of rounds is 99999999999999999999, and"),
        (f"$6$rounds=0$salt${SHA512}", "number of rounds is 0"),
        ("$2b$16$" + "C" * 53, "cost is 16"),
        ("pbkdf2_sha256$5000001$salt$" + "A" * 43, "iterations is 5000001"),
        ("$pbkdf2-sha512$10$c2FsdA$AAAA", "too short"),
        ("$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "memory in KiB is 262145"),
        ("$argon2id$v=19$m=8,t=33,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "time cost is 33"),
        ("$argon2id$rubbish", "no argon2 hash"),
        ("$6$" + "x" * 1_000_000, "none of the schemes"),
    ],
)
def test_a_hash_that_cannot_be_used_is_refused_with_the_reason(written, reason):
    with pytest.raises(Invalid, match=reason.replace("{", r"\{").replace("}", r"\}")) as refused:
        imported_hash(written)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=80), st.binary(max_size=40))
@settings(max_examples=300)
def test_no_text_that_is_stored_as_a_hash_raises_or_fits_a_password(text, password):
    for hashed in (text, f"$6${text}", f"{{SSHA}}{text}", f"$2b$05${text}", f"pbkdf2_sha1$1${text}$"):
        assert not verify_imported(hashed, password)


def test_octets_behind_the_first_72_do_not_count_in_bcrypt_and_nul_octets_raise_nothing():
    hashed = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    for password in (b"x" * 400, b"U*U\0", b"\0"):
        assert not verify_imported(hashed, password)


def test_a_very_long_password_costs_nothing():
    start = time.perf_counter()
    assert not verify_imported(f"$6$rounds=1000000$salt${SHA512}", b"x" * 513)
    assert time.perf_counter() - start < 0.1


@pytest.mark.parametrize(
    ("password", "salt"), [(b"", b"salt"), (b"x" * 16, b"salt"), (b"x" * 17, b"s"), (b"x" * 200, b"s" * 16)]
)
def test_digests_of_every_length_of_password_have_the_length_of_their_scheme(password, salt):
    assert len(md5_crypt(password, salt[:8])) == 22
    assert len(sha256_crypt(password, salt, 10)) == 43
    assert len(sha512_crypt(password, salt, 10)) == 86


def test_a_hash_does_not_show_in_a_log():
    assert repr(imported_hash(f"{{SSHA}}{SALTED}")) == "ImportedHash(ssha)"


async def test_a_login_with_an_imported_hash_replaces_it_by_argon2id(example, store, directory, passwords):
    await example.add_account("acme", "dora@example.org", imported_hash(f"{{SSHA}}{SALTED}"))
    authenticator = Authenticator(store, directory, passwords)

    async def log_in(password: str) -> Identity | Refusal:
        return await authenticator.authenticate(
            "dora@example.org", password, client_ip="192.0.2.1", service="imap"
        )

    assert await log_in("wrong") == Refusal(RefusalReason.BAD_CREDENTIALS)
    entry = await example.accounts.entry_by_login(Address("dora", "example.org"))
    assert entry.secret == f"{{SSHA}}{SALTED}"
    assert isinstance(await log_in("correct horse"), Identity)
    entry = await example.accounts.entry_by_login(Address("dora", "example.org"))
    assert entry.secret.startswith("$argon2id$")
    assert await passwords.verify(entry.secret, "correct horse")


async def test_a_hash_may_replace_a_password_and_ends_its_sessions(example, passwords):
    await example.set_password("acme", "anna@example.org", imported_hash(f"{{SSHA}}{SALTED}"))
    entry = await example.accounts.entry_by_login(Address("anna", "example.org"))
    assert (entry.secret, entry.revision) == (f"{{SSHA}}{SALTED}", 1)


async def test_a_hash_of_octets_that_are_not_normalised_is_right_too(passwords):
    typed = "cafe\u0301 noir"
    hashed = "$5$rounds=1000$salt$" + sha256_crypt(typed.encode(), b"salt", 1000)
    composed = "$5$rounds=1000$salt$" + sha256_crypt("caf\u00e9 noir".encode(), b"salt", 1000)
    assert await passwords.verify(hashed, typed)
    assert await passwords.verify(composed, typed)
    assert not await passwords.verify(hashed, "cafe noir")


async def test_a_wrong_password_of_a_cheap_imported_hash_takes_as_long_as_an_unknown_login():
    passwords = Passwords(HashCost(time=2, memory_kib=19_456))
    verified: list[str] = []
    inner = passwords._verify

    def counted(hashed: str, password: bytes) -> bool:
        verified.append(hashed)
        return inner(hashed, password)

    passwords._verify = counted
    assert not await passwords.verify(f"{{SSHA}}{SALTED}", "wrong")
    assert verified == [passwords.of_nobody]
    assert await passwords.verify(f"{{SSHA}}{SALTED}", "correct horse")
    assert verified == [passwords.of_nobody]


def test_every_imported_hash_is_weak(passwords):
    for _, _, hashed in PUBLISHED[:-1]:
        assert passwords.is_weak(hashed)
