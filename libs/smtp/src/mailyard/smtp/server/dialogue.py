"""The state of one connection, and the few changes of it. The state machine moves along the table of `states` only."""

from collections import deque
from dataclasses import dataclass

from mailyard.sasl.mechanism import Credentials, Mechanism
from mailyard.smtp.parameters import BodyType
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.content import Content
from mailyard.smtp.server.dots import DotReader
from mailyard.smtp.server.events import (
    Closing,
    Event,
    InputRefused,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
)
from mailyard.smtp.server.limits import Mode, Profile, Tally
from mailyard.smtp.server.states import TRANSITIONS, Move, ServerState
from mailyard.smtp.server.verbs import Verb
from mailyard.smtp.transitions import next_state

Question = MailFrom | RcptTo | MessageEnd | Credentials
"""The events that wait for an answer."""


@dataclass(slots=True)
class Chunk:
    """A BDAT chunk that is being read. `refusal`: its octets are dropped, because the state does not allow them."""

    size: int
    remaining: int
    is_last: bool
    refusal: Reply | None


class Dialogue:
    """Commands change it; the session reads it."""

    def __init__(self, profile: Profile, *, secured: bool, plaintext_auth: bool) -> None:
        self.profile = profile
        self.tally = Tally(profile.limits)
        self.state = ServerState.START
        self.secured = secured
        self.plaintext_auth = plaintext_auth
        self.authenticated = False
        self.esmtp = False
        self.client_name = ""
        self.mail: MailFrom | None = None
        self.recipients: list[RcptTo] = []
        self.content: Content | None = None
        self.dots = DotReader()
        self.chunk: Chunk | None = None
        self.mechanism: Mechanism | None = None
        self.question: Question | None = None
        self.output: list[bytes] = []
        self.events: deque[Event] = deque()

    def move(self, move: Move) -> None:
        """Change the state along the table; raises MisuseError."""
        self.state = next_state(TRANSITIONS, self.state, move)

    @property
    def offers_starttls(self) -> bool:
        """Whether STARTTLS is offered now."""
        return self.profile.starttls and not self.secured

    @property
    def offers_auth(self) -> bool:
        """Whether AUTH is offered: for submission, under TLS unless settings permit it in clear (RFC 4954 section 4)."""
        return self.profile.mode is Mode.SUBMISSION and (self.secured or self.plaintext_auth)

    def say(self, reply: Reply) -> None:
        """Add a reply to the output, in ASCII (RFC 5321 section 4.2.1; RFC 6531 section 3.7.4.2 permits more at times)."""
        wire = reply.wire
        self.output.append(wire if wire.isascii() else wire.decode().encode("ascii", "replace"))

    def ask(self, question: Question) -> None:
        """Report an event, and wait for its answer."""
        self.question = question
        self.events.append(question)

    def refuse(self, verb: Verb, reply: Reply) -> None:
        """Refuse a command. A transient refusal is not the client's error."""
        self.tally.errors += reply.is_permanent
        self.say(reply)
        self.events.append(InputRefused(verb.value, reply))

    def hang_up(self, reply: Reply, *, is_unread: bool = False) -> None:
        """Send a last reply; nothing more is read. `is_unread`: the client still sends octets that are not read."""
        self.say(reply)
        self.move(Move.CLOSE)
        if not reply.is_positive:
            self.events.append(InputRefused("", reply))
        self.events.append(Closing(is_unread))

    def break_off(self, reply: Reply) -> None:
        """End the connection within a message that is too long to be read to its end."""
        if self.content is not None and self.content.refusal is None:
            self.events.append(MessageAborted())
        if self.profile.mode is Mode.LMTP and self.content is not None:
            for _ in range(len(self.recipients) - 1):
                self.say(reply)  # RFC 2033 section 4.2: one for each recipient
        self.end_transaction()
        self.hang_up(reply, is_unread=True)

    def greeted(self, name: str, *, esmtp: bool) -> None:
        """Take the client's name; a hello also ends a transaction (RFC 5321 section 4.1.4)."""
        self.reset()
        self.client_name, self.esmtp = name, esmtp
        self.move(Move.HELLO)

    def reset(self) -> None:
        """Forget the transaction (RFC 5321 section 4.1.1.5)."""
        if self.content is not None:
            self.events.append(MessageAborted())
        self.end_transaction()

    def end_transaction(self) -> None:
        """Forget the transaction, which is over, well or not."""
        self.mail, self.recipients, self.content, self.chunk = None, [], None, None
        self.move(Move.TRANSACTION_ENDED)

    def begin_content(self) -> Content:
        """Begin a message: line ends matter unless it is declared binary (RFC 3030 section 3)."""
        assert self.mail is not None
        is_binary = self.mail.parameters.body is BodyType.BINARY
        newlines = None if is_binary else self.profile.bare_newline
        nul = None if is_binary else self.profile.nul
        self.content = Content(self.profile.limits.message_size, newlines, nul)
        return self.content
