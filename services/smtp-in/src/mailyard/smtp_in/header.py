"""The header section of one message while it streams by: complete fields in order, and where the section ends.

RFC 5322 section 2.2. Every octet is looked at once, and at most `held` octets of one field are held. A message whose
header section does not end with an empty line gets one where its text begins, because the text
would else become part of the fields before it (RFC 5322 section 2.1).
"""

import re
from collections.abc import Callable

HELD_OCTETS = 65_536
MOST_LINES = 10_000
"""Fields of a header section, and lines that are taken one by one: each costs some microseconds of the event loop."""
_FIELD = re.compile(rb"([!-9;-~]{1,998})[ \t]*:")
_WHOLE_FIELD = re.compile(rb"([!-9;-~]{1,998})[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*(?=[^ \t])")
WHOLE_SECTION = re.compile(rb"(?:[!-9;-~]{1,998}+[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*+)++\r?\n")
_MBOX = re.compile(rb">?From ")
_EMPTY_LINE = b"\r\n"
_EMPTY_LINES = (b"\r\n", b"\n")
_BLANKS = (b" ", b"\t")


class StopHeader(Exception):
    """The header section is not read further: it has too many lines, or the judge has stopped it."""


Judge = Callable[[bytes, bytes], bool]
"""Given the lower-case name of a field and its octets: whether the field is kept. May raise StopHeader."""


class HeaderStream:
    """A filter of the octets of a message. `judge` sees every field once, in order.

    Of a field longer than `held` octets `judge` sees the beginning. With `strict`, the first line that is neither a
    field nor the continuation of one ends the section; else damaged lines between fields stay where they are.
    """

    def __init__(self, judge: Judge, *, held: int = HELD_OCTETS, strict: bool = False) -> None:
        self.is_ended = False
        self._judge = judge
        self._limit = held
        self._strict = strict
        self._held = 0
        self._lines = 0
        self._line = bytearray()  # a line that is not complete; no lists, because octets may come one by one
        self._name = b""
        self._field = bytearray()  # the lines of the field that is not complete
        self._strays = (
            bytearray()
        )  # lines that are no fields: damage in the header section, or text behind it
        self._passes: bool | None = None  # a field that is too long to be held: whether it is kept
        self._is_within_line = False  # of that field
        self._has_begun = False
        self._out: list[bytes] = []

    @property
    def held(self) -> int:
        """Octets that are held."""
        return self._held

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was fed yet."""
        return not (self._has_begun or self._held or self.is_ended)

    def end(self) -> None:
        """End the header section, which the caller has read itself."""
        self.is_ended = True

    def feed(self, data: bytes) -> bytes:
        """Take the next octets; return those that can be stored. Raises StopHeader; nothing may be fed after it."""
        position, size = self._take_whole(data), len(data)
        while position < size and not self.is_ended:
            end = data.find(b"\n", position) + 1
            piece = data[position : end or size]
            position += len(piece)
            if end:
                self._count_line()
            if self._is_within_line:
                self._pass_on(piece)
                self._is_within_line = not end
            elif end:
                self._take_line(self._completed(piece))
            else:
                self._take_piece(piece)
        if self.is_ended and position < size:
            self._out.append(data[position:] if position else data)
        return self._taken()

    def _take_whole(self, data: bytes) -> int:
        """Take the complete fields at the beginning, which are nearly always all of them; return where they end."""
        if self.is_ended or self._line or self._field or self._strays or self._passes is not None:
            return 0
        position = kept_from = 0
        while match := _WHOLE_FIELD.match(data, position):
            if not self._judge(match[1].lower(), match[0]):
                self._out.append(data[kept_from:position])
                kept_from = match.end()
            position = match.end()
            self._has_begun = True
            self._count_line()
        if position > kept_from:
            self._out.append(data[kept_from:position])
        return position

    def _count_line(self) -> None:
        self._lines += 1
        if self._lines > MOST_LINES and not self._strays:  # else they are taken for text
            raise StopHeader

    def finish(self) -> bytes:
        """Return what was held when the message ends. Raises StopHeader."""
        if not self.is_ended:
            if self._line:
                self._take_line(self._completed(b""))
            self._close_field()
            if self._strays:
                self._end(_EMPTY_LINE)
        self.is_ended = True
        return self._taken()

    def _taken(self) -> bytes:
        out, self._out = self._out, []
        return out[0] if len(out) == 1 else b"".join(out)

    def _completed(self, piece: bytes) -> bytes:
        self._held += len(piece)
        if not self._line:
            return piece
        line = bytes(self._line + piece)
        self._line.clear()
        return line

    def _take_piece(self, piece: bytes) -> None:
        self._line += piece
        self._held += len(piece)
        if self._held > self._limit and self._field:
            self._overflow()
        if self._held > self._limit:
            self._take_line(self._completed(b""))
            self._overflow()
            self._is_within_line = not self.is_ended

    def _take_line(self, line: bytes) -> None:
        """Take a line, or the beginning of one that is too long to be held."""
        if line.startswith(_BLANKS) and (self._field or self._strays or self._passes is not None):
            self._continue(line)
        elif line in _EMPTY_LINES:
            self._close_field()
            self._end(_EMPTY_LINE if self._strays else b"", line)
        elif (match := _FIELD.match(line)) is not None:
            self._close_field()
            self._keep_strays()
            self._name = match[1].lower()
            self._field += line
        else:
            self._close_field()
            self._stray(line)
        self._has_begun = True
        if self._held > self._limit or (self._strays and self._lines > MOST_LINES):
            self._overflow()

    def _continue(self, line: bytes) -> None:
        if self._passes is not None:
            self._pass_on(line)
            self._held -= len(line)
        else:
            held = self._field or self._strays
            held += line

    def _stray(self, line: bytes) -> None:
        """Handle a line that is no field: text without an empty line before it (RFC 5322 section 2.1), or a line of an mbox file."""
        self._strays += line
        is_mbox = not self._has_begun and _MBOX.match(line) is not None
        if is_mbox and self._strict:
            self._strays.clear()
            self._held -= len(line)
        elif self._strict or not (self._has_begun or is_mbox):
            self._end(_EMPTY_LINE)

    def _close_field(self) -> None:
        if self._field:
            octets = bytes(self._field)
            self._field.clear()
            self._held -= len(octets)
            if self._judge(self._name, octets):
                self._out.append(octets)
        self._passes = None

    def _keep_strays(self) -> None:
        """Keep lines that are no fields, because fields follow: they are damage within the header section."""
        if self._strays:
            self._out.append(bytes(self._strays))
            self._held -= len(self._strays)
            self._strays.clear()

    def _overflow(self) -> None:
        """Release what is held: judge the field by its beginning, or treat lines that are no fields as text."""
        if self._field:
            octets = bytes(self._field)
            self._field.clear()
            self._passes = self._judge(self._name, octets)
            self._pass_on(octets)
            self._held -= len(octets)
        elif self._strays:
            self._end(_EMPTY_LINE)

    def _pass_on(self, octets: bytes) -> None:
        if self._passes:
            self._out.append(octets)

    def _end(self, separator: bytes, line: bytes = b"") -> None:
        self._out += [separator, bytes(self._strays), line]
        self._strays.clear()
        self._held = 0
        self.is_ended = True
