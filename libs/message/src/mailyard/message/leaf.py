"""A part that has no parts, as text: decoded, with the names that it gives. Nothing is decoded before it is asked for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mailyard.message.charsets import decode_claimed, decode_octets
from mailyard.message.defects import Defect
from mailyard.message.encodedwords import decode_words
from mailyard.message.htmltext import claimed_charset, visible_text
from mailyard.message.parameters import (
    ContentType,
    Parameters,
    decode_extended,
    parse_content_type,
    parse_disposition,
    parse_parameters,
    parse_token,
    without_comments,
)
from mailyard.message.structure import STANDARD, Part, Reading
from mailyard.message.transferencoding import decode_transfer, decode_without_pads, is_damaged, uu_files

_NAMED = (b"filename", b"name")
_LOOSE_NAME = re.compile(
    rb"(?:file)?name(?:\*[0-9]{0,3}\*?)?[ \t]*+=[ \t]*+(?:\"([^\"]*+)|([^;\s]++))", re.IGNORECASE
)
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_MOST_NAMES = 100
_UNREAD = frozenset((Defect.TOO_DEEP, Defect.TOO_MANY_PARTS))


@dataclass(frozen=True)
class LeafPart:
    """A part that has no parts. `encoded` are its octets as they were sent."""

    section: str  # "1.2", as in BODY[1.2]
    part: Part
    encoded: bytes
    reading: Reading = STANDARD

    @property
    def media_type(self) -> str:
        """`type/subtype` in lower case."""
        content = self.part.content_type
        return f"{content.type.decode('ascii')}/{content.subtype.decode('ascii')}"

    @property
    def encoding(self) -> bytes:
        """The transfer encoding, in lower case."""
        return parse_token(self._value(b"content-transfer-encoding"))

    @property
    def octets(self) -> bytes:
        """The content, out of its transfer encoding."""
        return decode_transfer(self.encoded, self.encoding)

    @property
    def text(self) -> str:
        """The content as text; empty if it is not text."""
        return self._decoded[0] if self.is_text else ""

    @property
    def texts(self) -> Iterator[str]:
        """The content as text, and then what other readers make of the same octets."""
        if not self.is_text and not self.part.defects & _UNREAD:
            return
        octets = self.octets
        text, wrong = decode_claimed(octets, self._charset)
        yield text
        if self.part.content_type.subtype == b"html" or "<html" in text[:1024].lower():
            yield visible_text(text)
        for charset in self._other_charsets(octets, wrong):
            yield decode_octets(octets, charset)
        if self.encoding == b"base64" and self.is_damaged:
            yield decode_octets(decode_without_pads(self.encoded), self._charset)
        for file in uu_files(octets):
            yield decode_octets(file.octets)

    @property
    def is_text(self) -> bool:
        """Readers show text and the reports that are messages in form, such as message/delivery-status."""
        return self.part.content_type.type in (b"text", b"message")

    @cached_property
    def is_damaged(self) -> bool:
        """Whether the transfer encoding is not what its name says."""
        return is_damaged(self.encoded, self.encoding)

    @property
    def defects(self) -> frozenset[Defect]:
        """What is wrong with the content; what is wrong with the structure is in `part.defects`."""
        found = [Defect.ENCODING_DAMAGED] if self.is_damaged else []
        charset = self._decoded[1] if self.is_text else None
        return frozenset([*found, charset] if charset else found)

    @property
    def name(self) -> str:
        """The file name that the sender gave (RFC 2183, section 2.3; RFC 2045's older `name`); empty: none."""
        disposition = parse_disposition(self._value(b"content-disposition"))
        found = _file_name(disposition.parameters, b"filename") if disposition else ""
        return found or _file_name(self.part.content_type.parameters, b"name")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every file name that a reader may take, of the part and of files that are uuencoded in it."""
        values = [
            field.value
            for field in self.part.fields
            if field.name in (b"content-type", b"content-disposition")
        ]
        found = dict.fromkeys([self.name])
        for value in values:
            if b"name" not in value.lower():
                continue
            for text in (value, without_comments(value)):
                parameters = parse_parameters(text, max(text.find(b";"), 0))
                found.update(dict.fromkeys(_file_name(parameters, name) for name in _NAMED))
                found.update(dict.fromkeys(_plain_name(parameters, name) for name in _NAMED))
            loose = (quoted or word for quoted, word in _LOOSE_NAME.findall(value)[:_MOST_NAMES])
            found.update(dict.fromkeys(decode_words(name).replace("\0", "") for name in loose))
        if self.part.content_type.type == b"text":
            found.update(dict.fromkeys(decode_words(file.name) for file in uu_files(self.octets)))
        found.pop("", None)
        return tuple(found)

    @property
    def is_attachment(self) -> bool:
        """It has a name, or its disposition says so."""
        return bool(self.name) or parse_token(self._value(b"content-disposition")) == b"attachment"

    @property
    def declared(self) -> ContentType | None:
        """What the part claims to be, whatever it was read as."""
        return parse_content_type(self._value(b"content-type"), last=self.reading.last_fields)

    @property
    def _decoded(self) -> tuple[str, Defect | None]:
        return decode_claimed(self.octets, self._charset)

    @property
    def _charset(self) -> str:
        return self.part.content_type.decoded(b"charset").decode("ascii", "replace")

    def _other_charsets(self, octets: bytes, wrong: Defect | None) -> Iterator[str]:
        """Charsets that the octets speak for: a byte order mark, a meta element, NUL between letters."""
        claimed = self._charset.lower()
        if marked := next((name for mark, name in _BYTE_ORDER_MARKS if octets.startswith(mark)), ""):
            if marked != claimed:
                yield marked
        elif b"\0" in octets:
            yield from ("utf-16-le", "utf-16-be")
        meta = claimed_charset(octets).lower() if b"<" in octets[:1024] else ""
        if meta and meta != claimed:
            yield meta
        if claimed not in ("utf-8", "utf8") and wrong is None and not octets.isascii():
            yield "utf-8"

    def _value(self, name: bytes) -> bytes:
        return self.reading.value(self.part.fields, name) or b""


def _file_name(parameters: Parameters, name: bytes) -> str:
    """RFC 2231's form goes before the plain one, whose encoded words are decoded although they should not be there."""
    values = dict(parameters)
    if extended := values.get(name + b"*"):
        charset, octets = decode_extended(extended)
        return decode_octets(octets, charset).replace("\0", "")
    return _plain_name(parameters, name)


def _plain_name(parameters: Parameters, name: bytes) -> str:
    return decode_words(dict(parameters).get(name, b"")).replace("\0", "")
