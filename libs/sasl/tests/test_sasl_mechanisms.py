"""SASL mechanisms: each exchange octet by octet, and that the contract fits mechanisms that are still to come."""

from dataclasses import dataclass

import pytest

from mailyard.sasl.encoding import decode_response, encode_challenge
from mailyard.sasl.mechanism import (
    Challenge,
    Credentials,
    Mechanism,
    PasswordCredentials,
    SaslError,
    SaslFailure,
)
from mailyard.sasl.mechanisms import MECHANISMS, Login, Plain


def failure(mechanism: Mechanism, response: bytes) -> SaslFailure:
    with pytest.raises(SaslError) as caught:
        mechanism.step(response)
    return caught.value.failure


def test_plain_takes_the_example_of_rfc_4616_section_4() -> None:
    assert Plain().step(b"\0tim\0tanstaaftanstaaf") == PasswordCredentials("PLAIN", "tim", "tanstaaftanstaaf")
    credentials = Plain().step(b"Ursel\0Kurt\0xipj3plmq")
    assert credentials == PasswordCredentials("PLAIN", "Kurt", "xipj3plmq", authorization="Ursel")


def test_plain_without_initial_response_asks_with_an_empty_challenge() -> None:
    mechanism = Plain()
    assert mechanism.step(None) == Challenge(b"")
    assert mechanism.step("\0jürgen\0geheim".encode()) == PasswordCredentials("PLAIN", "jürgen", "geheim")


@pytest.mark.parametrize(
    "response",
    [b"", b"ann", b"\0ann", b"\0\0secret", b"\0ann\0", b"\0ann\0a\0b", b"\0\xff\0secret", b"\xff\0a\0b"],
)
def test_plain_refuses_what_is_not_one_name_and_one_password_in_utf8(response: bytes) -> None:
    assert failure(Plain(), response) is SaslFailure.MALFORMED


def test_login_asks_for_the_name_and_then_for_the_password() -> None:
    mechanism = Login()
    assert mechanism.step(None) == Challenge(b"Username:")
    assert mechanism.step(b"ann") == Challenge(b"Password:")
    assert mechanism.step(b"secret") == PasswordCredentials("LOGIN", "ann", "secret")


def test_login_takes_the_name_as_initial_response() -> None:
    assert Login().step(b"ann") == Challenge(b"Password:")


@pytest.mark.parametrize(("name", "password"), [(b"", b"secret"), (b"ann", b""), (b"ann", b"\xff")])
def test_login_refuses_empty_answers_and_other_encodings(name: bytes, password: bytes) -> None:
    mechanism = Login()
    mechanism.step(name)
    assert failure(mechanism, password) is SaslFailure.MALFORMED


def test_two_exchanges_of_one_mechanism_do_not_share_state() -> None:
    one, other = MECHANISMS["LOGIN"](), MECHANISMS["LOGIN"]()
    one.step(b"ann")
    assert other.step(b"bob") == Challenge(b"Password:")


def test_a_password_is_in_no_representation_and_no_error() -> None:
    assert "secret" not in repr(PasswordCredentials("PLAIN", "ann", "secret"))
    with pytest.raises(SaslError) as caught:
        Plain().step(b"ann\0secret")
    assert "secret" not in str(caught.value)


def test_responses_are_base64_or_empty_or_a_cancellation() -> None:
    assert decode_response(b"AGFubgBzZWNyZXQ=") == b"\0ann\0secret"
    assert decode_response(b"") == b""
    assert decode_response(b"=") == b""
    for line, expected in {
        b"*": SaslFailure.CANCELLED,
        b"no base64": SaslFailure.NOT_BASE64,
        b"YQ": SaslFailure.NOT_BASE64,
        b"YQ==YQ==": SaslFailure.NOT_BASE64,
        b"\xff": SaslFailure.NOT_BASE64,
    }.items():
        with pytest.raises(SaslError) as caught:
            decode_response(line)
        assert caught.value.failure is expected, line


def test_challenges_are_one_line_of_base64() -> None:
    assert encode_challenge(b"Username:") == "VXNlcm5hbWU6"
    assert encode_challenge(b"") == ""
    assert "\n" not in encode_challenge(b"x" * 200)


class External(Mechanism):
    """EXTERNAL (RFC 4422 appendix A): the client certificate is the proof."""

    name = "EXTERNAL"

    def step(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"")
        return Credentials(self.name, authorization=response.decode())


@dataclass(frozen=True, slots=True)
class TokenCredentials(Credentials):
    token: str


class OauthBearer(Mechanism):
    """OAUTHBEARER (RFC 7628 section 3): a token, and an error challenge after a refusal."""

    name = "OAUTHBEARER"
    _asked = False

    def step(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"")
        if self._asked:
            return Challenge(b'{"status":"invalid_token"}')
        self._asked = True
        _, token, *_ = response.split(b"\x01")
        return TokenCredentials(self.name, token.removeprefix(b"auth=Bearer ").decode())


@dataclass(frozen=True, slots=True)
class StoredKeysWanted(Credentials):
    login: str


class Scram(Mechanism):
    """The course of SCRAM (RFC 5802 section 3): keys are looked up in the middle, the signature comes last."""

    name = "SCRAM-SHA-256"

    def __init__(self) -> None:
        self._salt = b""
        self._steps = 0

    def supply(self, salt: bytes) -> None:
        self._salt = salt

    def step(self, response: bytes | None) -> Challenge | Credentials:
        self._steps += 1
        if self._steps == 1:
            assert response is not None
            return StoredKeysWanted(self.name, response.decode())
        return Challenge(b"s=" + self._salt if self._steps == 2 else b"v=signature")


def test_a_mechanism_without_a_secret_fits() -> None:
    assert External().step(b"ann@one.test") == Credentials("EXTERNAL", authorization="ann@one.test")


def test_a_mechanism_with_a_token_and_an_error_challenge_fits() -> None:
    mechanism = OauthBearer()
    assert mechanism.step(b"n,,\x01auth=Bearer abc\x01\x01") == TokenCredentials("OAUTHBEARER", "abc")
    assert mechanism.step(b"") == Challenge(b'{"status":"invalid_token"}')


def test_a_mechanism_that_needs_stored_keys_and_signs_at_the_end_fits() -> None:
    mechanism = Scram()
    assert mechanism.step(b"ann") == StoredKeysWanted("SCRAM-SHA-256", "ann")
    mechanism.supply(b"salt")
    assert mechanism.step(b"") == Challenge(b"s=salt")
    assert mechanism.step(b"c=biws") == Challenge(b"v=signature")
