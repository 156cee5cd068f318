"""Reverse-paths and forward-paths: RFC 5321 section 4.1.2, with the UTF-8 of RFC 6531 section 3.3.

    Reverse-path = Path / "<>"
    Forward-path = "<Postmaster>" / Path
    Path         = "<" [ A-d-l ":" ] Mailbox ">"
    Mailbox      = Local-part "@" ( Domain / address-literal )
    Local-part   = Dot-string / Quoted-string

The grammar is checked and the source route is dropped (section 4.1.1.3: SHOULD be ignored). What the parts
mean (case, A-labels, plus-addressing) is the business of whoever resolves the address.
"""

import re
from dataclasses import dataclass

MAX_PATH = 1000
"""Characters of a mailbox that are taken. RFC 5321 section 4.5.3.1.3 requires 256; VERP senders need more than
the 64 of a local part."""
MAX_DOMAIN = 255

_UTF8 = "\u0080-\U0010ffff"
_ATEXT = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_UTF8}-]"
_DOT_STRING = rf"{_ATEXT}+(?:\.{_ATEXT}+)*"
_QUOTED = rf'"(?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*"'
_LABEL = rf"[A-Za-z0-9{_UTF8}](?:[A-Za-z0-9_{_UTF8}-]*[A-Za-z0-9{_UTF8}])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[A-Za-z0-9.:-]+\]"
_ROUTE = rf"@{_DOMAIN}(?:,@{_DOMAIN})*:"
_PATH = re.compile(rf"<(?:{_ROUTE})?({_DOT_STRING}|{_QUOTED})@({_DOMAIN}|{_LITERAL})>")
_POSTMASTER = "<postmaster>"


class PathError(ValueError):
    """The text is not a path."""


@dataclass(frozen=True, slots=True)
class Path:
    """A mailbox as the client wrote it; both parts are empty for the null reverse-path `<>`.

    The domain is empty, and the local part is not, for the bare `<Postmaster>` of a forward-path.
    """

    local: str
    domain: str

    @property
    def is_null(self) -> bool:
        """Whether this is the null reverse-path: of a bounce, or of another message that must not be answered."""
        return not self.local

    @property
    def is_ascii(self) -> bool:
        """Whether the mailbox can be used without SMTPUTF8 (RFC 6531 section 3.2)."""
        return self.local.isascii() and self.domain.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local


NULL_PATH = Path("", "")


def parse_reverse_path(text: str) -> Path:
    """Parse the argument of MAIL FROM, angle brackets included; raises PathError."""
    return NULL_PATH if text == "<>" else _parse(text)


def parse_forward_path(text: str) -> Path:
    """Parse the argument of RCPT TO; `<Postmaster>` needs no domain, in any case (RFC 5321 section 4.1.1.3)."""
    return Path(text[1:-1], "") if text.lower() == _POSTMASTER else _parse(text)


def _parse(text: str) -> Path:
    if len(text) > MAX_PATH:
        raise PathError(f"a path is longer than {MAX_PATH} characters")
    match = _PATH.fullmatch(text)
    if match is None:
        raise PathError(f"not a path: {text!r}")
    if len(match[2]) > MAX_DOMAIN:
        raise PathError(f"a domain is longer than {MAX_DOMAIN} characters")
    return Path(match[1], match[2])
