import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from mailyard.directory.sealing import (
    SealingError,
    SealingKeys,
    new_sealing_key,
    sealing_keys_of,
)
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.settings import CommonSettings

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
PLACE = "dkim example.org s1"


@given(st.binary(max_size=5000), st.text(max_size=100))
def test_a_sealed_secret_opens_to_the_same_octets(secret: bytes, context: str) -> None:
    keys = SealingKeys({"k1": OLD})

    assert keys.open(keys.seal(secret, context), context) == secret


def test_a_sealed_secret_shows_nothing_of_the_secret_and_differs_each_time() -> None:
    keys = SealingKeys({"k1": OLD})
    first, second = keys.seal(b"a private key", PLACE), keys.seal(b"a private key", PLACE)

    assert first != second
    assert b"private" not in base64.urlsafe_b64decode(first.split(".")[2])
    assert first.startswith("v1.k1.")


def test_a_secret_opens_in_its_own_place_only() -> None:
    keys = SealingKeys({"k1": OLD})
    sealed = keys.seal(b"secret", PLACE)

    with pytest.raises(SealingError, match=r"was not sealed as .dkim example\.com s1."):
        keys.open(sealed, "dkim example.com s1")


@pytest.mark.parametrize("position", [0, 11, 12, 17, 33])
def test_a_changed_octet_of_nonce_text_or_tag_is_noticed(position: int) -> None:
    keys = SealingKeys({"k1": OLD})
    version, name, text = keys.seal(b"secret", PLACE).split(".")
    octets = bytearray(base64.urlsafe_b64decode(text))
    octets[position] ^= 1

    with pytest.raises(SealingError, match="or was changed"):
        keys.open(f"{version}.{name}.{base64.urlsafe_b64encode(octets).decode()}", PLACE)


def test_a_sealed_text_cannot_be_moved_to_another_key_of_the_same_octets() -> None:
    sealed = SealingKeys({"k1": OLD}).seal(b"secret", PLACE)

    with pytest.raises(SealingError, match="or was changed"):
        SealingKeys({"k2": OLD}).open(sealed.replace(".k1.", ".k2."), PLACE)


def test_the_first_key_seals_and_older_keys_still_open() -> None:
    sealed = SealingKeys({"old": OLD}).seal(b"secret", PLACE)
    keys = SealingKeys({"new": NEW, "old": OLD})

    assert keys.open(sealed, PLACE) == b"secret"
    assert not keys.is_current(sealed)
    assert keys.is_current(keys.seal(b"secret", PLACE))


def test_a_removed_key_is_named_by_the_error() -> None:
    sealed = SealingKeys({"old": OLD}).seal(b"secret", PLACE)

    with pytest.raises(SealingError, match="the key 'old' is not among"):
        SealingKeys({"new": NEW}).open(sealed, PLACE)


@pytest.mark.parametrize("text", ["", "secret", "v1.k1", "v1.k1.!!!", "v1.k1.AA=A", "v1.k1.AAAA.BBBB"])
def test_what_is_not_sealed_is_refused(text: str) -> None:
    with pytest.raises(SealingError, match="not a sealed secret"):
        SealingKeys({"k1": OLD}).open(text, PLACE)


@pytest.mark.parametrize("octets", [b"", b"short", bytes(12), bytes(27)])
def test_a_text_that_is_too_short_for_nonce_and_tag_is_refused(octets: bytes) -> None:
    text = f"v1.k1.{base64.urlsafe_b64encode(octets).decode()}"

    with pytest.raises(SealingError):
        SealingKeys({"k1": OLD}).open(text, PLACE)


def test_a_form_of_a_later_version_is_named_by_the_error() -> None:
    with pytest.raises(SealingError, match="'v2'"):
        SealingKeys({"k1": OLD}).open("v2.k1.AAAA", PLACE)


def test_without_keys_nothing_is_sealed_and_the_error_names_the_setting() -> None:
    with pytest.raises(SealingError, match="MAILYARD_SEALING_KEYS"):
        SealingKeys().seal(b"secret", PLACE)
    with pytest.raises(SealingError, match="MAILYARD_SEALING_KEYS"):
        SealingKeys().open(SealingKeys({"k1": OLD}).seal(b"secret", PLACE), PLACE)


def test_keys_are_not_shown() -> None:
    assert str(OLD) not in repr(SealingKeys({"k1": OLD}))


def settings(text: str) -> CommonSettings:
    return CommonSettings(sealing_keys=SecretStr(text))


def test_keys_are_read_in_their_order() -> None:
    text = f"# the second is older\n\n{new_sealing_key('k2')}\n  {new_sealing_key('k1')}  \n"

    keys = sealing_keys_of(settings(text)).keys

    assert list(keys) == ["k2", "k1"]
    assert {len(key) for key in keys.values()} == {32}
    assert keys["k1"] != keys["k2"]


@pytest.mark.parametrize("text", ["", "\n", "# k1\n"])
def test_an_empty_setting_means_no_keys(text: str) -> None:
    assert sealing_keys_of(settings(text)).keys == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("k1\n", 1),
        ("k1 AAAA\n", 1),
        (f"k1 {base64.b64encode(OLD + b'x').decode()}\n", 1),
        (f"K1 {base64.b64encode(OLD).decode()}\n", 1),
        (f"k.1 {base64.b64encode(OLD).decode()}\n", 1),
        (f"\nk1 {base64.b64encode(OLD).decode()} more\n", 2),
        (f"k1 {base64.b64encode(OLD).decode()}\nk1 {base64.b64encode(NEW).decode()}\n", 2),
        ("k1 kéy\n", 1),
    ],
)
def test_a_line_that_is_no_key_stops_the_start_and_is_not_shown(text: str, line: int) -> None:
    with pytest.raises(Misconfigured, match=f"MAILYARD_SEALING_KEYS, line {line}:") as refused:
        sealing_keys_of(settings(text))
    assert base64.b64encode(OLD).decode() not in str(refused.value)


@pytest.mark.parametrize("name", ["", "K1", "a b", "a.b", "-a", "a" * 33])
def test_a_key_needs_an_id_that_fits_into_the_sealed_text(name: str) -> None:
    with pytest.raises(SealingError, match="a key id has"):
        new_sealing_key(name)
