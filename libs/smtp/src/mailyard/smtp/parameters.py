"""ESMTP parameters of MAIL and RCPT: parsed, validated, kept.

    esmtp-param   = esmtp-keyword ["=" esmtp-value]            RFC 5321 section 4.1.2
    esmtp-value   = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)    RFC 6531 section 3.3

MAIL: SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461), AUTH (RFC 4954).
RCPT: NOTIFY and ORCPT (RFC 3461, RFC 6533).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from mailyard.smtp.xtext import decode_xtext, is_xtext

_Reader = Callable[[str | None], Any]

# A value may not hold "=", but some clients write it in ENVID and AUTH; what it means is for the reader of the value.
_PARAMETER = re.compile("([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-~\u0080-\U0010ffff]*))?")
_SIZE = re.compile(r"[0-9]{1,20}")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+")
_UTF8_ADDRESS = re.compile("(?:[!-*,-<>-\\[\\]-~\u0080-\U0010ffff]|\\\\x\\{[0-9A-F]{2,6}\\})+")
_HIDDEN_CONTROLS = re.compile(r"\+(?:[01][0-9A-Fa-f]|7[Ff])|\\x\{0*(?:[01]?[0-9A-Fa-f]|7[Ff])\}")
_TEXT_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONDITIONS = ("SUCCESS", "FAILURE", "DELAY")
MAX_ENVID = 100
MAX_ORCPT = 500


class UnknownParameterError(ValueError):
    """A parameter that was not offered: 555 (RFC 5321 section 4.1.1.11)."""


class ParameterError(ValueError):
    """A parameter with a wrong value, or given twice: 501."""


class BodyType(StrEnum):
    """The kinds of octets that a message may hold: RFC 6152 section 2, RFC 3030 section 3."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


@dataclass(frozen=True, slots=True)
class MailParameters:
    """The parameters of MAIL; `envid` and `auth` are xtext as received, empty when not given."""

    size: int = 0
    body: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    auth: str = ""


@dataclass(frozen=True, slots=True)
class RcptParameters:
    """The parameters of RCPT: `notify` in upper case, `orcpt` as received; empty when not given."""

    notify: str = ""
    orcpt: str = ""


NO_MAIL_PARAMETERS = MailParameters()
NO_RCPT_PARAMETERS = RcptParameters()


@lru_cache(maxsize=256)
def parse_mail_parameters(text: str) -> MailParameters:
    """Parse the parameters of MAIL FROM; raises UnknownParameterError or ParameterError."""
    return MailParameters(**dict(_values(text, _MAIL_READERS)))


def parse_rcpt_parameters(text: str) -> RcptParameters:
    """Parse the parameters of RCPT TO; raises UnknownParameterError or ParameterError."""
    return RcptParameters(**dict(_values(text, _RCPT_READERS)))


def _values(text: str, readers: Mapping[str, tuple[str, _Reader]]) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for word in text.split(" "):
        if not word:
            continue  # robustness: more than one space between parameters is harmless
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise ParameterError(f"not a parameter: {word!r}")
        keyword = match[1].upper()
        if keyword not in readers:
            raise UnknownParameterError(keyword)
        if keyword in seen:
            raise ParameterError(f"{keyword} is given twice")
        seen.add(keyword)
        name, reader = readers[keyword]
        yield name, reader(match[2])


def _size(value: str | None) -> int:
    """Parse SIZE (RFC 1870 section 6): `size-value ::= 1*20DIGIT`."""
    if value is None or _SIZE.fullmatch(value) is None:
        raise ParameterError("SIZE needs a number of at most 20 digits")
    return int(value)


def _body(value: str | None) -> BodyType:
    try:
        return BodyType((value or "").upper())
    except ValueError:
        raise ParameterError("BODY is 7BIT, 8BITMIME or BINARYMIME") from None


def _smtputf8(value: str | None) -> bool:
    """Parse SMTPUTF8, which has no value (RFC 6531 section 3.4)."""
    if value is not None:
        raise ParameterError("SMTPUTF8 takes no value")
    return True


def _ret(value: str | None) -> str:
    """Parse RET (RFC 3461 section 4.3): FULL or HDRS; with anything else, the reporting server chooses."""
    ret = (value or "").upper()
    return ret if ret in {"FULL", "HDRS"} else ""


def _envid(value: str | None) -> str:
    """Parse ENVID (RFC 3461 section 4.4): at most 100 characters of xtext that decodes to printable characters.

    It only serves reports, so a malformed one is dropped instead of refusing the mail.
    """
    text = _decoded(value, "ENVID")
    return value if value and text is not None and text.isascii() and len(value) <= MAX_ENVID else ""


def _auth(value: str | None) -> str:
    """Parse AUTH (RFC 4954 section 5): xtext of a mailbox, or `<>` for none; a malformed value counts as none."""
    return value if value and is_xtext(value) else "<>"


def _notify(value: str | None) -> str:
    """Parse NOTIFY (RFC 3461 section 4.1): NEVER alone, or a list of SUCCESS, FAILURE and DELAY; a word that is repeated counts once."""
    words = list(dict.fromkeys((value or "").upper().split(",")))
    if words != ["NEVER"] and not all(word in _CONDITIONS for word in words):
        raise ParameterError("NOTIFY is NEVER, or a list of SUCCESS, FAILURE, DELAY")
    return ",".join(words)


def _orcpt(value: str | None) -> str:
    """Parse ORCPT (RFC 3461 section 4.2): `addr-type ";" xtext`; RFC 6533 section 3 for the type utf-8.

    It only serves reports, so a malformed one is dropped instead of refusing the recipient. UTF-8 octets in xtext of
    the type rfc822, as some servers write them, become the type utf-8.
    """
    address_type, semicolon, address = (value or "").partition(";")
    _check_controls(value or "", "ORCPT")
    is_utf8 = address_type.lower() == "utf-8"
    if is_utf8 and _UTF8_ADDRESS.fullmatch(address):
        kept = value or ""
    else:
        text = _decoded(address, "ORCPT")
        if not text or not semicolon or (is_utf8 and text.isascii()):
            return ""
        kept = f"{address_type};{address}" if text.isascii() else f"utf-8;{_utf8_xtext(text)}"
    return kept if len(kept) <= MAX_ORCPT and _ADDRESS_TYPE.fullmatch(address_type) else ""


def _utf8_xtext(text: str) -> str:
    """Parse `utf-8-addr-xtext`, which is ASCII (RFC 6533 section 3)."""
    return "".join(
        char if "!" <= char <= "~" and char not in "\\+=" else f"\\x{{{ord(char):02X}}}" for char in text
    )


def _decoded(value: str | None, name: str) -> str | None:
    """Decode xtext; None where it is malformed or has control characters, which would reach the fields of a report.

    Raises:
        ParameterError: it holds control characters.

    """
    _check_controls(value or "", name)
    try:
        text = decode_xtext(value or "").decode()
    except ValueError:
        return None
    _check_controls(text, name)
    return text


def _check_controls(text: str, name: str) -> None:
    if _TEXT_CONTROLS.search(text) or _HIDDEN_CONTROLS.search(text):
        raise ParameterError(f"{name} holds control characters")


_MAIL_READERS: Mapping[str, tuple[str, _Reader]] = {
    "SIZE": ("size", _size),
    "BODY": ("body", _body),
    "SMTPUTF8": ("smtputf8", _smtputf8),
    "RET": ("ret", _ret),
    "ENVID": ("envid", _envid),
    "AUTH": ("auth", _auth),
}
_RCPT_READERS: Mapping[str, tuple[str, _Reader]] = {
    "NOTIFY": ("notify", _notify),
    "ORCPT": ("orcpt", _orcpt),
}
