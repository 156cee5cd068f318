"""Names that the directory accepts."""

import pytest

from mailyard.directory.errors import Invalid
from mailyard.directory.names import domain_name, mail_address, tenant_slug


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
