"""The Received trace field (RFC 5321, section 4.4) that smtp-in puts before a body."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from mailyard.message.dates import rfc5322_date

_UNPRINTABLE = re.compile(r"[^\x21-\x27\x2a-\x5b\x5d-\x7e]+")  # also parentheses and backslash: comment marks
_UNPRINTABLE_UTF8 = re.compile(r"[^\x21-\x27\x2a-\x5b\x5d-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]")
_MAX_RECIPIENT = 320
_OWN = re.compile(
    rb"Received: from (\S+) \(\S+ \[(?:IPv6:)?(\S+)\]\)(?:\s+\(using ([^\s()]+(?: [^\s()]+)*)\))?"
    rb"\s+by \S+ \(Mailyard\) with (\S+) id "
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One transfer of a message as the receiving side saw it.

    `protocol` is a keyword of the IANA registry of mail transmission types (ESMTPS, LMTPA, UTF8SMTP …).
    """

    greeting: str  # what the client said in EHLO, HELO or LHLO
    client_ip: str
    client_name: str  # from reverse DNS; empty: unknown
    host: str  # the name of this server
    protocol: str
    spool_id: str
    at: datetime
    tls: str = ""  # "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: plain
    recipient: str = ""  # only given when there is one recipient: others may not see each other
    smtputf8: bool = False  # the message is internationalized, so the recipient may be UTF-8


@dataclass(frozen=True, slots=True)
class ReceivedFrom:
    """What a Received field of this installation says about the client; see `Hop`."""

    greeting: str
    client_ip: str
    protocol: str
    tls: str


def read_received(octets: bytes) -> ReceivedFrom | None:
    """Read the field that `received_field` wrote, at the beginning of `octets`; None when none is there."""
    match = _OWN.match(octets)
    if match is None:
        return None
    greeting, client_ip, tls, protocol = (text.decode("ascii", "replace") for text in match.groups(b""))
    return ReceivedFrom(greeting, client_ip, protocol, tls)


def received_field(hop: Hop) -> bytes:
    """Write the complete field with CRLF. What the client said is reduced to printable ASCII."""
    client_ip = hop.client_ip if ":" not in hop.client_ip else f"IPv6:{hop.client_ip}"
    lines = [f"Received: from {_word(hop.greeting)} ({_word(hop.client_name)} [{_word(client_ip)}])"]
    if hop.tls:
        lines.append(f"(using {' '.join(map(_word, hop.tls.split()))})")
    lines.append(f"by {_word(hop.host)} (Mailyard) with {_word(hop.protocol)} id {_word(hop.spool_id)}")
    if hop.recipient and _is_whole(hop.recipient, smtputf8=hop.smtputf8):
        lines.append(f"for <{hop.recipient}>")
    folded = "\r\n\t".join(lines).encode()
    return folded + b";\r\n\t" + rfc5322_date(hop.at) + b"\r\n"


def _is_whole(recipient: str, *, smtputf8: bool) -> bool:
    """Whether the address can stand there unchanged (RFC 6531, section 3.7.3): a false one is worse than none."""
    unprintable = _UNPRINTABLE_UTF8 if smtputf8 else _UNPRINTABLE
    return len(recipient) <= _MAX_RECIPIENT and unprintable.search(recipient) is None


@lru_cache(maxsize=1024)
def _word(text: str) -> str:
    return _UNPRINTABLE.sub("?", text[:255]) or "unknown"
