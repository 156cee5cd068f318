"""Header index: what a `messages` row keeps of a header section, so that list columns read no body.

It holds the raw octets of the fields that clients ask for in lists, and the names of all the others, so
that their absence is known too. Encoded: a flags octet, the other names joined by colons, LF, the raw
fields in their order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from mailyard.message.fields import Field, scan_fields

LIST_FIELDS = frozenset(
    b"""
    auto-submitted bcc cc content-class content-description content-disposition content-language
    content-transfer-encoding content-type date delivered-to disposition-notification-to from importance
    in-reply-to keywords lines list-archive list-help list-id list-owner list-post list-subscribe
    list-unsubscribe list-unsubscribe-post mail-followup-to mailing-list message-id mime-version
    newsgroups organization precedence priority references reply-to resent-bcc resent-cc resent-date
    resent-from resent-message-id resent-sender resent-to return-path sender subject to user-agent
    x-label x-mailer x-mailyard-rule x-original-to x-priority x-spam-flag x-spam-level x-spam-score
    x-spam-status x-uniform-type-identifier
    """.split()
)
_MAX_FIELD_OCTETS = 4096
_MAX_STORED_OCTETS = 16384
_MAX_NAMES_OCTETS = 16384
_COMPLETE = 1
_ZERO = 0x30  # the flags are written as a digit
_EMPTY_LINES = {0: b"", 2: b"\r\n", 4: b"\n"}
_EMPTY_LINE_FLAGS = {line: flag for flag, line in _EMPTY_LINES.items()}
_NAMELESS = b" "  # how a line without a colon is listed: no field has this name


@dataclass(frozen=True, slots=True)
class HeaderIndex:
    """A decoded header index.

    `others` are the names of the fields that are present but not kept; `complete` says that no field of
    the message is missing in both; `empty_line` is the one that closes the header section, if there is one.
    """

    kept: bytes
    others: frozenset[bytes]
    complete: bool
    empty_line: bytes

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read what `encode_header_index` wrote. Empty octets decode to an index that knows nothing."""
        flags = encoded[0] - _ZERO if encoded else 0
        names, _, kept = encoded[1:].partition(b"\n")
        others = frozenset(names.split(b":")) if names else frozenset()
        return cls(kept, others, bool(flags & _COMPLETE), _EMPTY_LINES.get(flags & 6, b""))

    def fields(self, names: Collection[bytes], negate: bool = False) -> bytes | None:
        """Answer BODY[HEADER.FIELDS (names)] (`negate`: .NOT), with the empty line at its end.

        None: the index cannot tell and the body must be read (`select_fields`).
        """
        wanted = frozenset(name.lower() for name in names)
        missing = self.others - wanted if negate else self.others & wanted
        if missing or not self.complete:
            return None
        chosen = [field.raw for field in scan_fields(self.kept) if (field.name in wanted) != negate]
        return b"".join(chosen) + self.empty_line


def encode_header_index(fields: Sequence[Field], *, complete: bool, empty_line: bytes) -> bytes:
    """Encode the index of a header section; `complete`: `fields` are all its fields.

    `empty_line` is the one that closes the section: CRLF, LF or nothing.
    """
    kept: list[bytes] = []
    others: set[bytes] = set()
    octets_left = _MAX_STORED_OCTETS
    for name, raw, _ in fields:
        if name in others:
            continue
        size = len(raw)
        if name in LIST_FIELDS and size <= _MAX_FIELD_OCTETS and size <= octets_left and raw[-1:] == b"\n":
            kept.append(raw)
            octets_left -= size
        else:
            others.add(name or _NAMELESS)
    names = b":".join(others)
    if len(names) > _MAX_NAMES_OCTETS:
        names, complete = b"", False
    flags = _COMPLETE * complete | _EMPTY_LINE_FLAGS[empty_line]
    return b"%d%b\n%b" % (flags, names, b"".join(kept))


def header_index_behind(fields: bytes, encoded: bytes, *, complete: bool) -> bytes:
    """The index of a header section that begins with `fields`, all of them in LIST_FIELDS, from the index of the rest.

    Not `complete`: the rest begins with a continuation line, so that the last of `fields` goes on there.
    """
    flags = encoded[0] - _ZERO
    names, _, kept = encoded[1:].partition(b"\n")
    return b"%d%b\n%b%b" % (flags if complete else flags & ~_COMPLETE, names, fields, kept)
