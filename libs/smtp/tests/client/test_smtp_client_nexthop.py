"""Next hops as people write them."""

import pytest

from mailyard.smtp.client import Dialect, Security
from mailyard.smtp.client.nexthop import NextHop


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
