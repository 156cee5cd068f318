"""Next hops and routes as people write them."""

import pytest

from mailyard.relay.nexthop import NextHop, Policy, Routing, parse_credentials, refuse_exposed_credentials
from mailyard.smtp.client import Credentials, Dialect, Security


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mx.example:2526", NextHop("mx.example", 2526)),
        ("mx.example", NextHop("mx.example", 25)),
        ("smtp://127.0.0.1:2526", NextHop("127.0.0.1", 2526)),
        ("submission://Smart.Example", NextHop("smart.example", 587)),
        ("smtps://smart.example", NextHop("smart.example", 465, implicit_tls=True)),
        ("lmtp://[::1]:24", NextHop("::1", 24, Dialect.LMTP)),
        ("smtp://mx.example?security=verify", NextHop("mx.example", 25, security=Security.VERIFY)),
    ],
)
def test_a_next_hop_is_read(text: str, expected: NextHop) -> None:
    assert NextHop.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://x",
        ":25",
        "mx.example:port",
        "mx.example:99999",
        "smtp://u:p@x",
        "smtp://x/y",
        "smtp://x?security=sometimes",
        "smtp://x?tls=no",
        "smtp://x?security",
    ],
)
def test_what_is_no_next_hop_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        NextHop.parse(text)


ROUTING = Routing(
    {
        "a.example": NextHop("one", 25),
        "*.a.example": NextHop("below", 25, security=Security.NONE),
        "*": NextHop("rest", 25),
    },
    {"a.example": Security.VERIFY, "*": Security.ENCRYPT},
    {"rest": Credentials("user", "secret")},
)


@pytest.mark.parametrize(
    ("domain", "host", "policy"),
    [
        ("a.example", "one", Policy(security=Security.VERIFY)),
        ("b.a.example", "below", Policy(security=Security.NONE)),
        ("c.b.a.example", "below", Policy(security=Security.NONE)),
        ("example", "rest", Policy(security=Security.VERIFY, credentials=Credentials("user", "secret"))),
        ("[192.0.2.1]", "rest", Policy(security=Security.VERIFY, credentials=Credentials("user", "secret"))),
    ],
)
def test_the_closest_route_counts(domain: str, host: str, policy: Policy) -> None:
    hop = ROUTING.next_hop(domain)
    assert hop is not None
    assert hop.host == host
    assert ROUTING.policy(domain, hop) == policy


def test_without_a_route_the_dns_is_asked_and_no_credentials_are_said() -> None:
    routing = Routing({}, {}, {"rest": Credentials("user", "secret")})
    assert routing.next_hop("a.example") is None
    assert routing.policy("a.example", None) == Policy()


def test_credentials_are_lines_of_host_user_and_password() -> None:
    text = "# smart hosts\nSmart.example user pass word\n\nother.example u p\n"
    assert parse_credentials(text) == {
        "smart.example": Credentials("user", "pass word"),
        "other.example": Credentials("u", "p"),
    }
    with pytest.raises(ValueError, match="line 1"):
        parse_credentials("smart.example user")


def test_a_password_does_not_show() -> None:
    assert "secret" not in repr(Credentials("user", "secret"))


@pytest.mark.parametrize("security", list(Security))
def test_a_hop_with_credentials_is_verified_whatever_its_domain_asks_for(security: Security) -> None:
    hop = NextHop.parse("submission://Smart.example.")
    routing = Routing({"*": hop}, {"*": security}, parse_credentials("smart.example u p"))
    policy = routing.policy("b.example", hop)
    assert (policy.security, policy.credentials) == (Security.VERIFY, Credentials("u", "p"))


@pytest.mark.parametrize("scheme", ["smtp", "submission", "smtps", "lmtp"])
@pytest.mark.parametrize("security", [Security.NONE, Security.MAY])
def test_credentials_at_a_hop_that_may_be_in_clear_are_refused(scheme: str, security: Security) -> None:
    hop = NextHop.parse(f"{scheme}://[::1]?security={security}")
    routing = Routing({"a.example": hop}, {}, parse_credentials("[::1] u p"))
    with pytest.raises(ValueError, match="security="):
        refuse_exposed_credentials(routing)
    with pytest.raises(ValueError, match="verify or encrypt"):
        Policy(security=security, credentials=Credentials("u", "p"))


def test_encrypt_written_at_the_hop_is_the_weaker_choice() -> None:
    hop = NextHop.parse("smtps://smart.example?security=encrypt")
    routing = Routing({"*": hop}, {}, parse_credentials("smart.example u p\nsmrat.example u p"))
    refuse_exposed_credentials(routing)
    assert routing.policy("b.example", hop).security is Security.ENCRYPT
    assert routing.unused_credentials() == ["smrat.example"]
