"""Filters of the header section of incoming messages, by listener and without I/O.

Mail of other servers keeps its octets, except Authentication-Results fields under the name of this installation, which MUST
be removed (RFC 8601 section 5). A Return-Path stays: its removal is a MAY (RFC 5321 section 4.4). Mail that users
submit is completed and cleaned (RFC 6409 section 8), see `mailyard.smtp_in.submitted`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mailyard.message.address import Address
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in import authresults
from mailyard.smtp_in.header import MOST_LINES, WHOLE_SECTION, HeaderStream, StopHeader

TOO_MANY_LINES = reply(552, "5.3.4", f"The header section has more than {MOST_LINES} lines")
_RESULTS_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Trace:
    """The limit of Received fields, and the authserv-ids (lower case) of this installation."""

    received_fields: int = 100
    authserv_ids: Collection[bytes] = ()

    def too_many(self, hops: int) -> Reply | None:
        """Refuse a mail loop: RFC 5321 section 6.3 counts Received fields. RFC 3463 X.4.6: routing loop detected."""
        if hops <= self.received_fields:
            return None
        text = f"Mail loop: the message has more than {self.received_fields} Received fields"
        return reply(554, "5.4.6", text)

    def too_many_results(self, fields: int) -> Reply | None:
        """Refuse too many Authentication-Results fields: each one is parsed (RFC 8601 section 5)."""
        if fields <= _RESULTS_FIELDS:
            return None
        return reply(
            552, "5.3.4", f"The message has more than {_RESULTS_FIELDS} Authentication-Results fields"
        )

    def is_ours(self, name: bytes, octets: bytes) -> bool:
        """Return whether a field claims to hold results of this installation."""
        return name == authresults.FIELD and authresults.is_claimed(
            octets[octets.index(b":") + 1 :], self.authserv_ids
        )


@dataclass(frozen=True, slots=True)
class Missing:
    """Fields that a submitted message lacks and its prefix brings (RFC 6409 section 8)."""

    date: bool = False
    message_id: bool = False
    author: str = ""  # the address for From
    sender: str = ""  # the address for Sender


NOTHING_MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An originator field of a submitted message that named somebody else, and the address that took its place."""

    field: str
    claimed: str
    became: str

    def __str__(self) -> str:
        return f"{self.field}: {self.claimed} became {self.became}"


@dataclass(frozen=True, slots=True)
class Strangers:
    """Claimed addresses that the login may not use, and those that it may use on behalf of their owner only."""

    foreign: Collection[Address] = ()
    on_behalf: Collection[Address] = ()


NO_STRANGERS = Strangers()


class HeaderFilter(ABC):
    """A filter from the octets of one message to the octets that are stored.

    After each call `refusal` says whether the message is refused, and `claims` which addresses must belong to the
    login before more is fed: `settle` is then called with those that do not, or not quite.
    """

    refusal: Reply | None = None
    claims: Sequence[Address] = ()
    missing = NOTHING_MISSING
    rewritten: Sequence[Rewritten] = ()

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._hops = self._results = 0

    @property
    @abstractmethod
    def held(self) -> int:
        """Octets that are held."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """Take octets; return those to be stored."""

    @abstractmethod
    def finish(self) -> bytes:
        """End the message; return what is left to be stored."""

    def settle(self, strangers: Strangers) -> bytes:
        """Continue after `claims`, of which some do not belong to the login."""
        raise AssertionError(f"nothing was claimed, so nothing is foreign: {strangers}")

    def _count(self, name: bytes) -> None:
        """Count a field against the limits of the trace. Raises StopHeader where the message is refused."""
        if name == b"received":
            self._hops += 1
            self.refusal = self.refusal or self._trace.too_many(self._hops)
        elif name == authresults.FIELD:
            self._results += 1
            self.refusal = self.refusal or self._trace.too_many_results(self._results)
        if self.refusal is not None:
            raise StopHeader


class TransitFilter(HeaderFilter):
    """The header filter of MX and LMTP."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self._stream = HeaderStream(self._keeps)

    @property
    def held(self) -> int:
        """Octets of the field that is not complete."""
        return self._stream.held

    def feed(self, data: bytes) -> bytes:
        """Take octets; return those to be stored."""
        if self._stream.is_untouched and self._is_plain(data):
            self._stream.end()
        if self._stream.is_ended:
            return data
        try:
            return self._stream.feed(data)
        except StopHeader:
            self.refusal = self.refusal or TOO_MANY_LINES
            return b""

    def _is_plain(self, data: bytes) -> bool:
        """Return whether the first octets are a whole header section of which every field is kept, as nearly always."""
        section = WHOLE_SECTION.match(data)
        if section is None:
            return False
        header = section[0].lower()
        if header.count(b"\n") > MOST_LINES:
            return False
        hops = header.startswith(b"received") + header.count(b"\nreceived")  # these, and fields named alike
        return hops <= self._trace.received_fields and authresults.FIELD not in header

    def finish(self) -> bytes:
        """Return the last field, if the message ends within its header section."""
        try:
            return self._stream.finish()
        except StopHeader:
            self.refusal = self.refusal or TOO_MANY_LINES
            return b""

    def _keeps(self, name: bytes, octets: bytes) -> bool:
        self._count(name)
        return not self._trace.is_ours(name, octets)
