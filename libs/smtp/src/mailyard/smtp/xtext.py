"""xtext: RFC 3461 section 4, the encoding of ENVID, ORCPT and the AUTH parameter.

xtext   = *( xchar / hexchar )
xchar   = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "="
hexchar = ASCII "+" immediately followed by two upper case hexadecimal digits
"""

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")


def is_xtext(text: str) -> bool:
    """Return whether `text` is well-formed xtext."""
    return _XTEXT.fullmatch(text) is not None


def decode_xtext(text: str) -> bytes:
    """Decode xtext; raises ValueError for a text that is not xtext."""
    if not is_xtext(text):
        raise ValueError(f"not xtext: {text!r}")
    return _HEXCHAR.sub(lambda match: bytes((int(match[1], 16),)), text.encode("ascii"))
