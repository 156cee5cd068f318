"""Authentication-Results under our name are recognized however they are written (RFC 8601)."""

import pytest

from mailyard.smtp_in.authresults import is_claimed

OURS = frozenset({b"mail.one.test"})


@pytest.mark.parametrize(
    "value",
    [
        b" mail.one.test; dkim=pass\r\n",
        b"MAIL.One.Test; dkim=pass",
        b" mail.one.test 1; spf=pass",
        b"\r\n\tmail.one.test\r\n\t1; none",
        b" (a comment) mail.one.test; none",
        b" (nested (comment \\) ; ) here) (x) mail.one.test ; none",
        b' "mail.one.test"; none',
        b' "mail.\\one.test"; none',
        b"mail.one.test.; none",
        b"mail.one.test",
        b"mail.one.test(comment); none",
        b"(" + b"x" * 5000 + b") mail.one.test; none",
    ],
)
def test_our_name_is_found(value: bytes) -> None:
    assert is_claimed(value, OURS)


@pytest.mark.parametrize(
    "value",
    [
        b" other.test; dkim=pass",
        b" sub.mail.one.test; none",
        b" mail.one.test.evil.test; none",
        b" (mail.one.test) other.test; none",
        b" other.test; dkim=pass header.d=mail.one.test",
        b"; mail.one.test",
        b"",
        b"(mail.one.test",
    ],
)
def test_results_of_others_are_left_alone(value: bytes) -> None:
    assert not is_claimed(value, OURS)
