"""International names: one form inside, whatever form comes in (RFC 5890, RFC 6532)."""

import sys
import unicodedata

import pytest

from mailyard.directory.authentication import Authenticator
from mailyard.directory.directory import Directory
from mailyard.directory.errors import AlreadyExists, Invalid
from mailyard.directory.identity import Identity
from mailyard.directory.model import LocalAccount
from mailyard.directory.names import display_address, domain_name, language_tag, mail_address
from mailyard.directory.passwords import Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.message.address import Address
from mailyard.store.client import Store

FORMS = [
    "bücher.example",
    "BÜCHER.Example",
    "bu\u0308cher.example",
    "xn--bcher-kva.example",
    "XN--BCHER-KVA.EXAMPLE",
    "b\u00fccher\u3002example",
]


@pytest.fixture
async def books(example: Provisioning) -> Provisioning:
    await example.add_domain("acme", "bücher.example")
    await example.add_account("acme", "josé@bücher.example", "long enough")
    return example


@pytest.fixture
def logins(store: Store, directory: Directory, passwords: Passwords) -> Authenticator:
    return Authenticator(store, directory, passwords)


@pytest.mark.parametrize("domain", FORMS)
@pytest.mark.parametrize("local", ["josé", "JOSÉ", "jose\u0301", "JOSE\u0301"])
async def test_an_address_is_found_in_every_form(
    books, directory: Directory, logins: Authenticator, domain: str, local: str
) -> None:
    text = f"{local}@{domain}"
    found = await directory.resolve(Address.parse(text))
    assert isinstance(found, LocalAccount)
    assert str(found.address) == "josé@xn--bcher-kva.example"
    answer = await logins.authenticate(text, "long enough", client_ip="192.0.2.1", service="test")
    assert isinstance(answer, Identity)


@pytest.mark.parametrize("form", FORMS)
async def test_a_name_is_taken_in_every_form(books: Provisioning, form: str) -> None:
    with pytest.raises(AlreadyExists):
        await books.add_domain("other", form)
    with pytest.raises(AlreadyExists):
        await books.add_account("acme", f"JOSE\u0301@{form}", "long enough")
    with pytest.raises(AlreadyExists):
        await books.add_alias("acme", f"José@{form}", ["anna@example.org"])


async def test_what_is_stored_is_in_nfc_with_a_labels(example: Provisioning, store: Store) -> None:
    await example.add_domain("acme", "bu\u0308cher.example")
    await example.add_account("acme", "Jose\u0301@BU\u0308CHER.example", "long enough")
    row = await store.collection("accounts").find_one({"domain": "xn--bcher-kva.example"})
    assert row is not None
    assert (row["key"], row["address"]) == ("josé@xn--bcher-kva.example", "José@xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("strasse.example", "strasse.example"),  # another name than with the sharp s (RFC 5894, section 7.2)
        ("STRASSE.example", "strasse.example"),
        ("σίσυφος.example", "xn--kxa6ajbbmh.example"),
        ("אבג.example", "xn--4dbcd.example"),
    ],
)
def test_letters_that_are_alike_stay_different(text: str, name: str) -> None:
    assert domain_name(text) == name
    assert domain_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "😀.example",  # IDNA 2008 permits no symbols (RFC 5892)
        "xn--e28h.example",  # the same as A-label
        "xn--zzzzzzzzzz99999999.example",
        "אב1c.example",  # a right-to-left label with a Latin letter (RFC 5893, section 2)
        "a\u200db.example",  # a joiner without its context (RFC 5892, appendix A)
        "\u0301a.example",  # a label that begins with a combining mark
        "ex\u2024ample.\u202eexample",
    ],
)
def test_names_that_idna_2008_forbids_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a domain name"):
        domain_name(text)


@pytest.mark.parametrize("domain", ["bücher.example", "אבג.example", "example.org", "例え.jp"])
def test_an_address_is_shown_with_u_labels_and_read_back_as_the_same(domain: str) -> None:
    address = mail_address(f"josé@{domain}")
    shown = display_address(address)
    assert shown == f"josé@{domain}"
    assert mail_address(shown) == address


def test_a_quoted_local_part_is_shown_as_it_is_written() -> None:
    address = mail_address('"a@b"@bücher.example')
    assert display_address(address) == '"a@b"@bücher.example'


def test_the_key_of_an_address_is_stable_for_every_letter() -> None:
    letters = (chr(code) for code in range(0x80, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    unstable = [
        letter
        for letter in letters
        for local in (letter, letter + "\u0301")
        if (key := Address(local, "x").key)
        != Address(unicodedata.normalize("NFD", key.rpartition("@")[0]), "x").key
    ]
    assert unstable == []


@pytest.mark.parametrize("text", ["de", "pt-BR", "zh-Hant-TW", "vi"])
def test_a_language_tag_is_kept(text: str) -> None:
    assert language_tag(text) == text


@pytest.mark.parametrize("text", ["", "d", "german", "de_DE", "de-", "de\n", "de-" + "a" * 9])
def test_what_is_no_language_tag_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="language tag"):
        language_tag(text)
