"""Names that the directory accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.directory.errors import Invalid
from mailyard.directory.names import display_domain, domain_name, mail_address, tenant_slug
from mailyard.message.address import Address


@pytest.mark.parametrize("slug", ["a", "acme", "acme-2", "0", "a" * 63])
def test_a_tenant_slug_is_kept_as_it_is(slug):
    assert tenant_slug(slug) == slug


@pytest.mark.parametrize("slug", ["", "Acme", "acme corp", "-a", "a-", "a_b", "a.b", "ä", "a" * 64, "a\n"])
def test_what_does_not_fit_a_label_is_no_tenant_slug(slug):
    with pytest.raises(Invalid, match="is not a tenant name"):
        tenant_slug(slug)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("Straße.de", "xn--strae-oqa.de"),  # IDNA 2008 keeps the sharp s
        ("mail-2.example.org", "mail-2.example.org"),
    ],
)
def test_a_domain_name_becomes_lower_case_a_labels(text, name):
    assert domain_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "example.org.",
        ".example.org",
        "a..b",
        "-a.example",
        "under_score.example",
        "192.0.2.1",
        "[192.0.2.1]",
        "a b.example",
        "a" * 64 + ".example",
        ".".join(["label"] * 60),
        "xn--.example",
    ],
)
def test_what_is_no_host_name_with_two_labels_is_refused(text):
    with pytest.raises(Invalid, match="is not a domain name"):
        domain_name(text)


def test_a_bad_address_is_refused_with_its_reason():
    with pytest.raises(Invalid, match="'anna' is not a mail address: an address needs"):
        mail_address("anna")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\uff25\uff38\uff21\uff2d\uff30\uff2c\uff25.org", "example.org"),  # full-width letters (UTS #46)
        ("b\u00fccher\u3002example", "xn--bcher-kva.example"),  # the ideographic full stop separates labels
        ("bu\u0308cher.example", "xn--bcher-kva.example"),  # NFC before encoding (RFC 5891, section 5.2)
        ("ex\u00adample.org", "example.org"),  # the soft hyphen is ignored
        ("\u0440aypal.example", "xn--aypal-uye.example"),  # a Cyrillic letter is not the Latin one
    ],
)
def test_spellings_of_a_domain_are_mapped_before_they_are_compared(text, name):
    assert domain_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "\u2615.example",  # RFC 5892: symbols are not allowed
        "a\u05d0.example",  # RFC 5893: letters of both directions in one label
        "a\u200db.example",  # RFC 5892, appendix A.2: a joiner without its context
        "ab--cd.example",  # RFC 5891, section 4.2.3.1: hyphens that are kept for A-labels
        "xn--a.example",  # an A-label that encodes nothing valid
        "\uff11\uff12\uff13.\uff14\uff15\uff16",  # digits, once they are mapped
        "example.123",
        "example.org\n",
        "example.org\x00",
        "a" * 10_000,
    ],
)
def test_a_name_that_idna_or_dns_does_not_permit_is_refused(text):
    with pytest.raises(Invalid, match="is not a domain name"):
        domain_name(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("xn--bcher-kva.example", "b\u00fccher.example"),
        ("example.org", "example.org"),
        ("xn--zzzzzz.example", "xn--zzzzzz.example"),  # no valid A-label: shown as it is
        ("under_score.example", "under_score.example"),
    ],
)
def test_a_domain_is_shown_with_u_labels_where_it_has_any(name, shown):
    assert display_domain(name) == shown


labels = st.text("abcxyz019\u00e9\u00fc\u00df\u0431\u4f8b", min_size=1, max_size=12)


@given(st.lists(labels, min_size=2, max_size=4).map(".".join))
def test_a_domain_that_is_accepted_is_read_again_from_either_form(text):
    try:
        name = domain_name(text)
    except Invalid:
        return
    assert name.isascii()
    assert domain_name(name) == name
    assert domain_name(display_domain(name)) == name


@given(st.text(max_size=80))
def test_any_text_is_a_tenant_slug_or_refused_and_never_changed(text):
    try:
        assert tenant_slug(text) == text
    except Invalid:
        return
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 1 <= len(text) <= 63


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Anna@B\u00dcCHER.example", Address("Anna", "xn--bcher-kva.example")),
        ('"anna k"@example.org', Address("anna k", "example.org")),
        ("m\u00fcller@example.org", Address("m\u00fcller", "example.org")),
    ],
)
def test_an_address_has_its_domain_in_a_labels_and_its_local_part_as_written(text, address):
    assert mail_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "@example.org", "anna@", "a b@example.org", "anna@exa mple.org", "a\n@b.c"]
)
def test_a_text_that_is_no_address_is_refused(text):
    with pytest.raises(Invalid, match="is not a mail address"):
        mail_address(text)
