"""The authserv-id of an Authentication-Results field (RFC 8601 section 2.2).

authres-header-field = "Authentication-Results:" authres-payload
authres-payload = [CFWS] authserv-id [CFWS authres-version] (no-result / 1*resinfo) [CFWS] CRLF
"""

import re
from collections.abc import Collection

from mailyard.message.addresslist import comment_end

FIELD = b"authentication-results"
_TOKEN = re.compile(
    rb"""(?P<space>[\s\x00]+)|(?P<comment>\()|"(?P<quoted>(?:[^"\\]|\\.)*)"?|(?P<word>[^\s\x00()";]+)|(?P<end>;)|(?P<odd>.)""",
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_LOOKED_AT = 1024  # octets of a value that may stand before its first word


def is_claimed(value: bytes, identifiers: Collection[bytes]) -> bool:
    """Return whether the value begins with one of these lower-case authserv-ids, in any case, quoted or after comments.

    A field without a word in its first octets counts as claimed.
    """
    position, looked_at = 0, value[:_LOOKED_AT]
    while match := _TOKEN.match(looked_at, position):
        position = match.end()
        if match["comment"]:
            position = comment_end(looked_at, position) or len(looked_at)
        elif match["quoted"] is not None or match["word"]:
            word = match["word"] or _ESCAPED.sub(rb"\1", match["quoted"])
            return word.lower().rstrip(b".") in identifiers
        elif match["end"] or match["odd"]:
            return False
    return len(value) > _LOOKED_AT
