"""The server side of one SMTP, submission or LMTP connection, without I/O.

    session.receive(octets)                     the octets of the client
    while event := session.next_event(): ...    their meaning; some events wait for session.answer(reply)
    write(session.take_output())                the replies, those of a pipelined group in one piece

RFC 5321, 6409, 2033; extensions RFC 1870, 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531.
"""

from dataclasses import replace

from mailyard.sasl.mechanism import Credentials
from mailyard.smtp.reply import Reply
from mailyard.smtp.server import replies
from mailyard.smtp.server.commands import COMMANDS, respond
from mailyard.smtp.server.dialogue import Dialogue
from mailyard.smtp.server.events import Event, MailFrom, MessageEnd, RcptTo
from mailyard.smtp.server.greeting import banner, with_keyword
from mailyard.smtp.server.inputbuffer import BareNewlineError, InputBuffer, LineTooLongError
from mailyard.smtp.server.limits import EarlyData, Profile
from mailyard.smtp.server.reception import read_chunk, read_data, replies_due
from mailyard.smtp.server.states import Move, ServerState
from mailyard.smtp.server.verbs import REFUSALS, VERBS, Verb

_IDLE_STATES = frozenset({ServerState.START, ServerState.READY, ServerState.AUTH})
_DEAF_STATES = frozenset({ServerState.TLS, ServerState.CLOSED})
_FOREIGN_METHODS = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PRI"})


class Session:
    """One connection. `secured`: TLS is there from the start; `plaintext_auth`: AUTH may go in clear."""

    def __init__(self, profile: Profile, *, secured: bool = False, plaintext_auth: bool = False) -> None:
        self._dialogue = Dialogue(profile, secured=secured, plaintext_auth=plaintext_auth)
        self._input = InputBuffer(profile.bare_newline)
        self._line_limit = profile.limits.command_line
        self._dialogue.say(banner(profile))

    # State.

    @property
    def secured(self) -> bool:
        """Whether the connection is under TLS."""
        return self._dialogue.secured

    @property
    def authenticated(self) -> bool:
        """Whether AUTH was answered with 235."""
        return self._dialogue.authenticated

    @property
    def client_name(self) -> str:
        """The name of the client in its last hello; empty before."""
        return self._dialogue.client_name

    @property
    def mail(self) -> MailFrom | None:
        """The sender of the transaction that is open."""
        return self._dialogue.mail

    @property
    def recipients(self) -> tuple[RcptTo, ...]:
        """The recipients that were answered with 250."""
        return tuple(self._dialogue.recipients)

    @property
    def with_keyword(self) -> str:
        """The `with` keyword of the Received field of the open transaction."""
        dialogue = self._dialogue
        return with_keyword(
            dialogue.profile.mode,
            esmtp=dialogue.esmtp,
            secured=dialogue.secured,
            authenticated=dialogue.authenticated,
            smtputf8=dialogue.mail is not None and dialogue.mail.parameters.smtputf8,
        )

    @property
    def is_asking(self) -> bool:
        """Whether an event waits for its answer."""
        return self._dialogue.question is not None

    @property
    def is_outside_transaction(self) -> bool:
        """Whether no mail transaction is open and no answer is awaited."""
        dialogue = self._dialogue
        return dialogue.mail is None and dialogue.question is None

    @property
    def is_idle(self) -> bool:
        """Whether no message is in hand, so that no work is lost when the connection ends now."""
        dialogue = self._dialogue
        return (
            dialogue.state in _IDLE_STATES
            and dialogue.question is None
            and dialogue.chunk is None
            and not len(self._input)
        )

    @property
    def waiting_octets(self) -> int:
        """Octets of input that were not parsed yet."""
        return len(self._input)

    @property
    def is_full(self) -> bool:
        """Whether as much input waits as is allowed: read no more until events were pulled."""
        return len(self._input) >= self._dialogue.profile.limits.pipelined

    # Input and output.

    def receive(self, data: bytes) -> None:
        """Take octets of the client; those before the TLS handshake are dropped (RFC 3207 section 5)."""
        if self._dialogue.state not in _DEAF_STATES:
            self._input.feed(data)

    def take_output(self) -> bytes:
        """Take the octets that are to be written."""
        output = self._dialogue.output
        if not output:
            return b""
        data = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        return data

    def next_event(self) -> Event | None:
        """Return the next event; None when more input or an answer is needed."""
        dialogue = self._dialogue
        while not dialogue.events:
            if dialogue.question is not None or not self._advance():
                return None
        return dialogue.events.popleft()

    def answer(self, *answers: Reply) -> None:
        """Answer the last event: one reply; for MessageEnd in LMTP one, or one for each recipient."""
        dialogue = self._dialogue
        question, dialogue.question = dialogue.question, None
        assert question is not None, "nothing was asked"
        if isinstance(question, MessageEnd):
            self._message_answered(answers)
            return
        (answer,) = answers
        dialogue.say(answer)
        if answer.is_positive:
            self._agreed(question)
        elif isinstance(question, RcptTo):
            dialogue.tally.refused_recipients += 1
        else:
            dialogue.tally.errors += isinstance(question, Credentials)
        self._check_limits()

    def tls_established(self, hostname: str | None = None) -> None:
        """Begin anew after the handshake: everything said before is forgotten (RFC 3207 section 4.2).

        `hostname`: the name by which the client has chosen the server (SNI, RFC 6066 section 3); replies show it.
        """
        dialogue = self._dialogue
        if hostname is not None:
            dialogue.profile = replace(dialogue.profile, hostname=hostname)
        self._input.clear()
        if dialogue.state is ServerState.CLOSED:  # STARTTLS was the command that met a limit
            return
        dialogue.move(Move.TLS_ESTABLISHED)
        dialogue.secured = True
        dialogue.client_name, dialogue.esmtp, dialogue.authenticated = "", False, False

    def close(self, answer: Reply) -> None:
        """End the session with a last reply, for reasons of the caller: shutdown, timeout."""
        self._dialogue.question = None
        self._input.clear()
        self._dialogue.hang_up(answer)

    # How input becomes events.

    def _advance(self) -> bool:
        """Take one step; return whether there was input for it."""
        dialogue = self._dialogue
        if dialogue.state is ServerState.DATA:
            has_advanced = read_data(dialogue, self._input)
        elif dialogue.state in _DEAF_STATES:
            return False
        elif dialogue.chunk is not None:
            has_advanced = read_chunk(dialogue, self._input)
        else:
            has_advanced = self._read_line()
        self._check_limits()
        return has_advanced

    def _read_line(self) -> bool:
        try:
            line = self._input.line(self._line_limit)
        except LineTooLongError:
            self._refuse_line(replies.LINE_TOO_LONG, replies.AUTH_LINE_TOO_LONG)
        except BareNewlineError:
            self._refuse_line(replies.BARE_COMMAND_NEWLINE, replies.BARE_COMMAND_NEWLINE)
        else:
            if line is None:
                return False
            self._take_line(line)
        return True

    @property
    def _is_early(self) -> bool:
        """Whether the message follows DATA already (RFC 2920 section 3.1), and cannot be read as commands."""
        return self._dialogue.profile.early_data is EarlyData.REJECT and len(self._input) > 0

    def _take_line(self, line: bytes) -> None:
        dialogue = self._dialogue
        if dialogue.state is ServerState.AUTH:
            verb, refusal = Verb.AUTH, respond(dialogue, line)
        else:
            verb, refusal = self._command(line)
        if refusal is not None:
            dialogue.refuse(verb, refusal)

    def _command(self, line: bytes) -> tuple[Verb, Reply | None]:
        dialogue = self._dialogue
        dialogue.tally.commands += 1
        try:
            word, _, argument = line.decode().partition(" ")
        except UnicodeDecodeError:
            return Verb.UNKNOWN, replies.NOT_TEXT
        word = word.upper()
        verb = VERBS.get(word, Verb.UNKNOWN)
        refusal = REFUSALS[dialogue.state].get(verb)
        if refusal is None and verb is Verb.DATA and self._is_early:
            dialogue.break_off(replies.NOT_SYNCHRONIZED)
            return verb, None
        if refusal is None:
            return verb, COMMANDS[verb](dialogue, argument.strip(" \t"))
        if verb is Verb.UNKNOWN and word in _FOREIGN_METHODS:
            dialogue.hang_up(replies.NOT_A_MAIL_CLIENT)
            return verb, None
        return verb, refusal

    def _refuse_line(self, reply: Reply, reply_in_auth: Reply) -> None:
        """A line that cannot be read also ends an authentication exchange."""
        in_auth = self._dialogue.state is ServerState.AUTH
        if in_auth:
            self._dialogue.move(Move.AUTH_ENDED)
        self._dialogue.refuse(Verb.UNKNOWN, reply_in_auth if in_auth else reply)

    def _check_limits(self) -> None:
        reply = self._dialogue.tally.exhausted()
        if reply is not None and self._dialogue.state is not ServerState.CLOSED:
            self.close(reply)

    # How answers become state.

    def _agreed(self, question: MailFrom | RcptTo | Credentials) -> None:
        dialogue = self._dialogue
        if isinstance(question, RcptTo):
            dialogue.recipients.append(question)
            dialogue.move(Move.RECIPIENT_ACCEPTED)
        elif isinstance(question, MailFrom):
            dialogue.mail = question
            dialogue.move(Move.SENDER_ACCEPTED)
        else:
            dialogue.authenticated = True

    def _message_answered(self, answers: tuple[Reply, ...]) -> None:
        dialogue = self._dialogue
        due = replies_due(dialogue)
        for answer in answers if len(answers) > 1 else answers * due:
            dialogue.say(answer)
        if any(answer.is_positive for answer in answers):
            dialogue.tally.accepted()
        dialogue.end_transaction()
