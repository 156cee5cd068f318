"""The header section of a submitted message: its authors must belong to the login, and missing fields are added.

RFC 6409 sections 6.1 and 8. The section is held as a whole, up to a limit, and rewritten before it is stored: Bcc
must not reach other recipients (RFC 5322 section 3.6.3), Return-Path is written by the delivering server, and
Content-Length belongs to mbox files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailyard.directory.policy import AuthorPolicy, DomainPolicy
from mailyard.message.address import Address
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.header import HeaderStream, StopHeader
from mailyard.smtp_in.headerfilters import TOO_MANY_LINES, HeaderFilter, Missing, Rewritten, Strangers, Trace
from mailyard.smtp_in.mailboxes import AuthorFieldError, parse_mailboxes

_REMOVED = frozenset({b"bcc", b"resent-bcc", b"return-path", b"content-length"})
_ORIGINATORS: Mapping[bytes, str] = {
    b"from": "From",
    b"sender": "Sender",
    b"resent-from": "Resent-From",
    b"resent-sender": "Resent-Sender",
}
_SENDER_OF: Mapping[bytes, bytes] = {
    b"from": b"sender",
    b"resent-from": b"resent-sender",
}  # RFC 5322 section 3.6.2
_MOST_FIELDS = 2000
_FIELD_OCTETS = 200  # of memory that the objects of one field take
_MOST_AUTHORS = 50  # of all these fields: each may cost a question to the directory
_CLAIMED_CHARACTERS = 500  # of a log line and of the timeline
_ONCE = frozenset(
    {b"from", b"sender"}
)  # RFC 5322 section 3.6: at most once; Resent- fields once for each resending


@dataclass(frozen=True, slots=True)
class SubmissionRules:
    """The rules for submitted header sections; `header_octets` of one are held at most."""

    foreign_author: AuthorPolicy = AuthorPolicy.REFUSE
    header_octets: int = 262_144

    def under(self, policy: DomainPolicy) -> "SubmissionRules":
        """Return the rules for a login whose domain has this policy."""
        if policy.author_policy is None:
            return self
        return SubmissionRules(policy.author_policy, self.header_octets)


@dataclass(slots=True)
class _Field:
    name: bytes
    octets: bytes
    authors: Sequence[Address] = ()


class SubmissionFilter(HeaderFilter):
    """The header filter of submission. `login` is the account's own address, `sender` the reverse-path or empty."""

    def __init__(self, trace: Trace, rules: SubmissionRules, login: Address, sender: str) -> None:
        super().__init__(trace)
        self._rules = rules
        self._login = login
        self._author = sender or str(login)
        self._fields: list[_Field] = []
        self._octets = 0
        self._rest = b""
        self._is_passed = False
        self._needs_sender = False
        self._stream = HeaderStream(self._collect, held=rules.header_octets, strict=True)

    @property
    def held(self) -> int:
        """Octets of the header section."""
        if self._is_passed:
            return 0
        return self._octets + self._stream.held + len(self._rest) + _FIELD_OCTETS * len(self._fields)

    def feed(self, data: bytes) -> bytes:
        """Hold the header section; return the octets after it, to be stored."""
        if self._is_passed:
            return data
        try:
            self._rest += self._stream.feed(data)
        except StopHeader:
            self.refusal = self.refusal or TOO_MANY_LINES
            return b""
        if self._octets + self._stream.held > self._rules.header_octets:
            text = f"The header section is larger than {self._rules.header_octets} octets"
            self.refusal = self.refusal or reply(552, "5.3.4", text)
        return self._judge() if self._stream.is_ended else b""

    def finish(self) -> bytes:
        """End the message, perhaps within its header section."""
        if self._is_passed:
            return b""
        try:
            self._rest += self._stream.finish()
        except StopHeader:
            self.refusal = self.refusal or TOO_MANY_LINES
        return self._judge()

    def settle(self, strangers: Strangers) -> bytes:
        """Refuse, rewrite or keep the fields that name addresses of others; return the header section.

        Mail on behalf of an address needs the login in Sender. Where fields are rewritten, a missing Sender is added.
        """
        self.claims = ()
        refuses = self._rules.foreign_author is AuthorPolicy.REFUSE
        names = {field.name for field in self._fields}
        for field in self._fields:
            strange = next((each for each in field.authors if each in strangers.foreign), None)
            lent = next((each for each in field.authors if each in strangers.on_behalf), None)
            sender = _SENDER_OF.get(field.name)
            if strange is None and lent is not None and sender is not None:
                if sender in names:
                    continue
                if refuses:
                    self.refusal = self._lacks_sender(field, lent, _ORIGINATORS[sender])
                    return b""
                if field.name == b"from":
                    self._needs_sender = True
                    continue
            strange = strange or lent
            if strange is None:
                continue
            if refuses:
                self.refusal = self._not_own(field, strange)
                return b""
            self._rewrite(field)
        return self._compose()

    def _collect(self, name: bytes, octets: bytes) -> bool:
        self._count(name)
        self._octets += len(octets)
        if len(self._fields) >= _MOST_FIELDS:
            self.refusal = reply(552, "5.3.4", f"The header section has more than {_MOST_FIELDS} fields")
            raise StopHeader
        if name not in _REMOVED and not self._trace.is_ours(name, octets):
            self._fields.append(_Field(name, octets))
        return False

    def _judge(self) -> bytes:
        self.refusal = self.refusal or self._repeated()
        if self.refusal is not None:
            return b""
        if self._rules.foreign_author is AuthorPolicy.ALLOW:
            return self._compose()
        claims: dict[Address, None] = {}
        for field in self._fields:
            if field.name in _ORIGINATORS:
                try:
                    field.authors = parse_mailboxes(field.octets[field.octets.index(b":") + 1 :])
                except AuthorFieldError as error:
                    self.refusal = self._unreadable(field, error)
                    return b""
                claims.update(dict.fromkeys(field.authors))
        if len(claims) > _MOST_AUTHORS:
            text = f"From, Sender and the Resent fields name more than {_MOST_AUTHORS} addresses"
            self.refusal = reply(550, "5.6.0", text)
            return b""
        self.claims = tuple(claims)
        return b"" if claims else self._compose()

    def _repeated(self) -> Reply | None:
        names = [field.name for field in self._fields]
        for name in _ONCE:
            if names.count(name) > 1:
                text = f"The message has more than one {_ORIGINATORS[name]} field: send only one"
                return reply(550, "5.6.0", f"{text} (RFC 5322 section 3.6)")
        return None

    def _unreadable(self, field: _Field, error: AuthorFieldError) -> Reply:
        name = _ORIGINATORS[field.name]
        return reply(
            550, "5.6.0", f"{name} cannot be read: {error}. Write {name}: {self._shown(self._login)}"
        )

    def _not_own(self, field: _Field, address: Address) -> Reply:
        name, login = _ORIGINATORS[field.name], self._shown(self._login)
        text = (
            f"{name}: {self._shown(address)} is not an address of {login}: use {login} or one of its aliases"
        )
        return reply(550, "5.7.1", text)

    def _added_sender(self, *, is_needed: bool) -> str:
        if self._needs_sender:
            return str(self._login)
        return self._author if is_needed else ""

    def _lacks_sender(self, field: _Field, address: Address, sender: str) -> Reply:
        name, login = _ORIGINATORS[field.name], self._shown(self._login)
        text = (
            f"{name}: {self._shown(address)} may be used on behalf of its owner only: add {sender}: {login}"
        )
        return reply(550, "5.7.1", text)

    @staticmethod
    def _shown(address: Address) -> str:
        """Return an address in ASCII, as replies must be (RFC 6531 section 3.7.4.2)."""
        return str(address).encode("ascii", "replace").decode()

    def _rewrite(self, field: _Field) -> None:
        name = _ORIGINATORS[field.name]
        value = field.octets[field.octets.index(b":") + 1 :]
        claimed = ", ".join(map(str, field.authors))[:_CLAIMED_CHARACTERS]
        self.rewritten = (*self.rewritten, Rewritten(name, claimed, str(self._login)))
        line = f"{name}: {self._login}\r\nX-Original-{name}:".encode()
        field.octets = line + value
        field.authors = ()

    def _compose(self) -> bytes:
        names = {field.name for field in self._fields}
        several = any(field.name == b"from" and len(field.authors) > 1 for field in self._fields)
        self.missing = Missing(
            date=b"date" not in names,
            message_id=b"message-id" not in names,
            author="" if b"from" in names else self._author,
            sender="" if b"sender" in names else self._added_sender(is_needed=several),
        )
        octets = b"".join([_whole(field.octets) for field in self._fields])
        rest, self._rest, self._fields = self._rest, b"", []
        self._is_passed = True
        return octets + (rest or b"\r\n")


def _whole(octets: bytes) -> bytes:
    """Complete a field in which the message ended."""
    return octets if octets.endswith(b"\n") else octets + b"\r\n"
