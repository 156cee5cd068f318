"""Routes of the settings: next hops, TLS and credentials of domains."""

import pytest

from mailyard.relay.route import Host, RelayRoute
from mailyard.relay.routetable import RouteTable, parse_credentials, refuse_exposed_credentials
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.smtp.client import LoginCredentials, Security
from mailyard.smtp.client.nexthop import NextHop

TABLE = RouteTable(
    {
        "a.example": NextHop("one", 25),
        "*.a.example": NextHop("below", 25, security=Security.NONE),
        "*": NextHop("rest", 25),
    },
    {"a.example": Security.VERIFY, "*": Security.ENCRYPT},
    {"rest": LoginCredentials("user", "secret")},
)


@pytest.mark.parametrize(
    ("domain", "host", "security", "credentials"),
    [
        ("a.example", "one", Security.VERIFY, None),
        ("b.a.example", "below", Security.NONE, None),
        ("c.b.a.example", "below", Security.NONE, None),
        ("example", "rest", Security.VERIFY, LoginCredentials("user", "secret")),
        ("[192.0.2.1]", "rest", Security.VERIFY, LoginCredentials("user", "secret")),
    ],
)
def test_the_closest_route_counts(
    domain: str, host: str, security: Security, credentials: LoginCredentials | None
) -> None:
    hop = TABLE.next_hop(domain)
    assert hop is not None
    assert hop.host == host
    tls = TABLE.tls_policy(domain, hop)
    assert (tls.security, TABLE.credentials_of(hop, tls)) == (security, credentials)


def test_without_a_route_the_dns_is_asked_and_no_credentials_are_said() -> None:
    table = RouteTable({}, {}, {"rest": LoginCredentials("user", "secret")})
    assert table.next_hop("a.example") is None
    assert table.tls_policy("a.example", None) == TlsPolicy()


def test_credentials_are_lines_of_host_user_and_password() -> None:
    text = "# smart hosts\nSmart.example user pass word\n\nother.example u p\n"
    assert parse_credentials(text) == {
        "smart.example": LoginCredentials("user", "pass word"),
        "other.example": LoginCredentials("u", "p"),
    }
    with pytest.raises(ValueError, match="line 1"):
        parse_credentials("smart.example user")


def test_a_password_does_not_show() -> None:
    assert "secret" not in repr(LoginCredentials("user", "secret"))


@pytest.mark.parametrize("security", list(Security))
def test_a_hop_with_credentials_is_verified_whatever_its_domain_asks_for(security: Security) -> None:
    hop = NextHop.parse("submission://Smart.example.")
    table = RouteTable({"*": hop}, {"*": security}, parse_credentials("smart.example u p"))
    tls = table.tls_policy("b.example", hop)
    assert (tls.security, table.credentials_of(hop, tls)) == (Security.VERIFY, LoginCredentials("u", "p"))


@pytest.mark.parametrize("scheme", ["smtp", "submission", "smtps", "lmtp"])
@pytest.mark.parametrize("security", [Security.NONE, Security.MAY])
def test_credentials_at_a_hop_that_may_be_in_clear_are_refused(scheme: str, security: Security) -> None:
    hop = NextHop.parse(f"{scheme}://[::1]?security={security}")
    table = RouteTable({"a.example": hop}, {}, parse_credentials("[::1] u p"))
    with pytest.raises(ValueError, match="security="):
        refuse_exposed_credentials(table)
    with pytest.raises(ValueError, match="verify or encrypt"):
        RelayRoute(
            (Host("smart.example", 25, ("192.0.2.1",), TlsPolicy(security)),),
            credentials=LoginCredentials("u", "p"),
        )


def test_encrypt_written_at_the_hop_is_the_weaker_choice() -> None:
    hop = NextHop.parse("smtps://smart.example?security=encrypt")
    table = RouteTable({"*": hop}, {}, parse_credentials("smart.example u p\nsmrat.example u p"))
    refuse_exposed_credentials(table)
    assert table.tls_policy("b.example", hop).security is Security.ENCRYPT
    assert table.unused_credentials() == ["smrat.example"]


OWN = NextHop("own.example", 587)


@pytest.mark.parametrize(
    ("domain", "host"), [("a.example", "one"), ("x.a.example", "below"), ("b.example", "own.example")]
)
def test_the_sender_s_own_next_hop_goes_before_all_but_the_routes_that_name_a_domain(
    domain: str, host: str
) -> None:
    found = TABLE.next_hop(domain, OWN)
    assert found is not None
    assert found.host == host


def test_the_sender_s_own_next_hop_goes_before_the_dns() -> None:
    assert RouteTable({}, {}, {}).next_hop("b.example", OWN) is OWN


@pytest.mark.parametrize(
    ("asked", "least", "expected"),
    [
        (Security.MAY, Security.ENCRYPT, Security.ENCRYPT),
        (Security.VERIFY, Security.MAY, Security.VERIFY),
        (Security.NONE, Security.NONE, Security.NONE),
    ],
)
def test_the_stricter_of_two_tls_policies_counts(
    asked: Security, least: Security, expected: Security
) -> None:
    table = RouteTable({}, {"*": asked}, {})
    assert table.tls_policy("b.example", None, least).security is expected
    hop = NextHop("smart.example", 25, security=asked)
    assert table.tls_policy("b.example", hop, least).security is expected


def test_a_sender_s_own_next_hop_that_may_be_in_clear_gets_no_credentials() -> None:
    table = RouteTable({}, {}, parse_credentials("smart.example u p"))
    hop = NextHop.parse("smart.example?security=may")
    assert table.credentials_of(hop, table.tls_policy("b.example", hop)) is None
