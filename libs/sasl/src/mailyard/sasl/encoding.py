"""Responses and challenges on the wire, as SMTP (RFC 4954 section 4) and IMAP (RFC 3501 section 6.2.2) write them."""

import binascii

from mailyard.sasl.mechanism import SaslError, SaslFailure


def decode_response(line: bytes) -> bytes:
    """Decode a response line: base64, `=` for an empty response, `*` to cancel.

    Raises:
        SaslError: the client cancelled, or the line is not base64.

    """
    if line == b"*":
        raise SaslError(SaslFailure.CANCELLED, "The exchange was cancelled")
    if line == b"=":
        return b""
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise SaslError(SaslFailure.NOT_BASE64, "The answer is not base64") from None


def encode_challenge(challenge: bytes) -> str:
    """Write a challenge in base64."""
    return binascii.b2a_base64(challenge, newline=False).decode("ascii")
