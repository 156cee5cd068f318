"""Transactions: MAIL, RCPT, DATA or BDAT, and the replies that decide about each recipient."""

from mailyard.smtp.client.commands import Command
from mailyard.smtp.client.encoding import DotStuffer, LineRepairer, Verbatim, bdat
from mailyard.smtp.client.envelope import TransactionEnvelope, mail_command, rcpt_command, unsuited
from mailyard.smtp.client.events import BodyWanted, Done, Lost, RecipientResult
from mailyard.smtp.client.options import Dialect, Options
from mailyard.smtp.client.states import ClientInput, ClientState, Step
from mailyard.smtp.client.transaction import Transaction
from mailyard.smtp.client.wire import ProtocolViolation, Wire
from mailyard.smtp.parameters import BodyType
from mailyard.smtp.reply import Reply
from mailyard.smtp.transitions import MisuseError


class Transfer:
    """One transaction after the other. Each `begin` ends with one Done event in any case."""

    def __init__(self, wire: Wire, options: Options) -> None:
        self._wire = wire
        self._options = options
        self._transaction: Transaction | None = None
        self._encoder: LineRepairer | Verbatim = DotStuffer()
        self._chunked = False
        self._data_agreed = False
        self._needs_reset = False

    def begin(self, envelope: TransactionEnvelope) -> None:
        """Send the envelope, or end at once when the server's extensions do not permit it."""
        if self._wire.state is not ClientState.READY:
            raise MisuseError(f"a transaction begins in state {self._wire.state.name}")
        offered = self._wire.extensions
        unfit = unsuited(envelope, offered, self._options.eight_bit)
        if unfit is not None:
            outcomes = (RecipientResult(Step.MAIL, unfit, own=True),) * len(envelope.recipients)
            self._wire.events.append(Done(outcomes))
            return
        self._wire.move(ClientInput.BEGIN)
        self._transaction = Transaction(envelope)
        self._data_agreed = False
        self._chunked = self._goes_by_chunks(envelope)
        self._encoder = self._encoder_for(envelope)
        self._wire.commands.add(*self._commands(envelope))

    def send_body(self, data: bytes) -> None:
        """Send the next octets of the message."""
        if self._wire.state is not ClientState.BODY:
            raise MisuseError(f"body in state {self._wire.state.name}")
        encoded = self._encoder.feed(data)
        if not self._chunked:
            self._wire.commands.write(encoded)
        elif encoded:
            self._wire.commands.add(Command(Step.BODY, bdat(encoded)))

    def end_body(self) -> None:
        """End the message. In LMTP a reply is due for each accepted recipient (RFC 2033 section 4.2)."""
        self._wire.move(ClientInput.BODY_ENDED)
        rest = self._encoder.finish()
        octets = bdat(rest, last=True) if self._chunked else rest
        owed = len(self._current.open) if self._options.dialect is Dialect.LMTP else 1
        self._wire.commands.add(Command(Step.END, octets, replies=owed))

    def on_rset(self, reply: Reply) -> None:
        """Take the reply to RSET: a server that refuses it must not get another transaction."""
        if not reply.is_positive:
            raise ProtocolViolation(f"RSET was answered {reply}")

    def on_mail(self, reply: Reply) -> None:
        """Take the reply to MAIL."""
        if reply.is_positive:
            self._needs_reset = True
        else:
            self._current.settle(RecipientResult(Step.MAIL, reply))
        self._proceed()

    def on_rcpt(self, reply: Reply) -> None:
        """Take the reply to one RCPT."""
        self._current.recipient_replied(reply)
        self._proceed()

    def on_data(self, reply: Reply) -> None:
        """Take the reply to DATA: 354, or no recipient gets the message."""
        if reply.is_positive:
            raise ProtocolViolation(f"DATA was answered {reply}")
        if reply.is_intermediate:
            self._data_agreed = True
        else:
            self._current.settle(RecipientResult(Step.DATA, reply))
        self._proceed()

    def on_body(self, reply: Reply) -> None:
        """Take the reply to one BDAT; a refusal ends the transaction (RFC 3030 section 2)."""
        if not reply.is_positive:
            self._current.settle(RecipientResult(Step.BODY, reply))
        self._proceed()

    def on_end(self, reply: Reply) -> None:
        """Take the final reply: the server has accepted responsibility, or not (RFC 5321 section 4.2.5)."""
        if self._options.dialect is Dialect.LMTP:
            self._current.recipient_finished(reply)
        else:
            self._current.settle(RecipientResult(Step.END, reply))
        self._needs_reset = self._chunked and not reply.is_positive
        self._proceed()

    def on_unasked(self, reply: Reply) -> None:
        """End the session: a server that replies within the message is out of step."""
        if reply.code < 400:
            raise ProtocolViolation(f"in the middle of the message the server said {reply}")
        self.abort(Step.BODY, reply)

    def abort(self, step: Step, reply: Reply, *, own: bool = False) -> None:
        """End the session; recipients without an outcome get `reply`."""
        if self._transaction is not None:
            self._transaction.settle(RecipientResult(step, reply, own))
            self._finish()
        self._wire.events.append(Lost(reply, own))
        self._wire.close()

    @property
    def _current(self) -> Transaction:
        assert self._transaction is not None
        return self._transaction

    def _commands(self, envelope: TransactionEnvelope) -> list[Command]:
        offered = self._wire.extensions
        reset = [Command(Step.RSET, b"RSET\r\n")] if self._needs_reset else []
        mail = Command(Step.MAIL, mail_command(envelope, offered))
        recipients = [Command(Step.RCPT, rcpt_command(to, offered)) for to in envelope.recipients]
        data = [] if self._chunked else [Command(Step.DATA, b"DATA\r\n")]
        return [*reset, mail, *recipients, *data]

    def _goes_by_chunks(self, envelope: TransactionEnvelope) -> bool:
        if envelope.body is BodyType.BINARY:
            return True
        least = self._options.chunking_from
        return self._wire.extensions.chunking and least is not None and envelope.size >= least

    def _encoder_for(self, envelope: TransactionEnvelope) -> LineRepairer | Verbatim:
        if not self._chunked:
            return DotStuffer()
        return Verbatim() if envelope.body is BodyType.BINARY else LineRepairer()

    def _proceed(self) -> None:
        """Go on when the last reply that was due has come."""
        if self._current.settled:
            self._wire.commands.drop_unsent()
        if not self._wire.commands.idle:
            return
        if self._current.settled:
            self._end_empty() if self._owes_dot else self._done()
        elif self._wire.state is ClientState.ENVELOPE:
            self._wire.move(ClientInput.BODY_WANTED)
            self._wire.events.append(BodyWanted())

    @property
    def _owes_dot(self) -> bool:
        return self._data_agreed and self._wire.state is ClientState.ENVELOPE

    def _end_empty(self) -> None:
        """Send a single dot to stay in step after 354 without an accepted recipient (RFC 2920 section 3.1)."""
        if self._options.dialect is Dialect.LMTP:
            raise ProtocolViolation("DATA was agreed to without any recipient")  # RFC 2033 section 4.2
        self._wire.move(ClientInput.BODY_WANTED)
        self.end_body()

    def _done(self) -> None:
        self._finish()
        self._wire.move(ClientInput.DONE)

    def _finish(self) -> None:
        transaction, self._transaction = self._current, None
        envelope = transaction.envelope
        asked = envelope.ret or envelope.envid or any(to.notify or to.orcpt for to in envelope.recipients)
        passed = self._wire.extensions.dsn and bool(asked)
        self._wire.events.append(Done(transaction.outcomes, passed, self._encoder.repaired))
