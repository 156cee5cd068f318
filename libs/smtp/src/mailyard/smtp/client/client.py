"""The client side of one SMTP or LMTP session, without I/O: bytes in, events and bytes out (RFC 5321, RFC 2033).

The shell writes `data_to_send()` after every call, hands what it reads to `receive_data()`, and does what the events
say. A refusal is a value; a broken or lost connection settles what was open and closes the session. Time is the
shell's: `awaiting` names the step whose timeout applies (RFC 5321 section 4.5.3.2).
"""

from collections.abc import Callable, Mapping
from typing import Final

from mailyard.smtp.client.commands import Command
from mailyard.smtp.client.envelope import TransactionEnvelope
from mailyard.smtp.client.events import Event
from mailyard.smtp.client.extensions import Extensions
from mailyard.smtp.client.opening import Opening
from mailyard.smtp.client.options import Options
from mailyard.smtp.client.replies import ReplyReader, lost_reply, own_reply, violation_reply
from mailyard.smtp.client.states import ClientInput, ClientState, Step
from mailyard.smtp.client.transfer import Transfer
from mailyard.smtp.client.wire import ProtocolViolation, Wire
from mailyard.smtp.reply import Reply, ReplyError

_OPENING: Final = frozenset(
    {ClientState.GREETING, ClientState.HELLO, ClientState.STARTTLS, ClientState.HANDSHAKE, ClientState.AUTH}
)
_INTERMEDIATE: Final = frozenset({Step.AUTH, Step.DATA})  # steps that 3yz may answer


class SmtpClient:
    """One session. `tls`: the connection was encrypted before the greeting (RFC 8314 section 3)."""

    def __init__(self, options: Options, *, tls: bool = False) -> None:
        self._wire = Wire()
        self._reader = ReplyReader()
        self.answers = 0  # complete replies so far: a server that trickles octets makes no progress
        self._opening = Opening(self._wire, options, tls=tls)
        self._transfer = Transfer(self._wire, options)
        self._on_reply: Mapping[Step, Callable[[Reply], None]] = {
            Step.GREETING: self._opening.on_greeting,
            Step.HELLO: self._opening.on_hello,
            Step.STARTTLS: self._opening.on_starttls,
            Step.AUTH: self._opening.on_auth,
            Step.RSET: self._transfer.on_rset,
            Step.MAIL: self._transfer.on_mail,
            Step.RCPT: self._transfer.on_rcpt,
            Step.DATA: self._transfer.on_data,
            Step.BODY: self._transfer.on_body,
            Step.END: self._transfer.on_end,
            Step.QUIT: lambda _reply: self._wire.close(),
        }

    @property
    def state(self) -> ClientState:
        """The state of the session."""
        return self._wire.state

    @property
    def extensions(self) -> Extensions:
        """The extensions that the server offered last."""
        return self._wire.extensions

    @property
    def server_name(self) -> str:
        """The name that the server gave in its reply to EHLO, in lower case (RFC 5321 section 4.1.1.1)."""
        return self._opening.server_name

    @property
    def awaiting(self) -> Step | None:
        """The step whose reply is awaited, BODY while the message is being sent; None: no reply is due."""
        if self._wire.state is ClientState.BODY:
            return Step.BODY
        return Step.STARTTLS if self._wire.state is ClientState.HANDSHAKE else self._wire.commands.awaiting

    @property
    def takes_body(self) -> bool:
        """Whether `send_body` may be called now: without PIPELINING each BDAT waits for a reply."""
        return self._wire.state is ClientState.BODY and not self._wire.commands.blocked

    def data_to_send(self) -> bytes:
        """Take the octets that are to be written now."""
        return self._wire.commands.data_to_send()

    def receive_data(self, data: bytes) -> list[Event]:
        """Take octets of the server; return the events that they mean."""
        self._reader.feed(data)
        try:
            while self._listens and (reply := self._reader.next()) is not None:
                self._receive(reply)
        except (ReplyError, ProtocolViolation) as error:
            self._end(self._step, violation_reply(str(error)), own=True)
        return self._wire.take_events()

    def tls_established(self) -> list[Event]:
        """Go on after the TLS handshake. Octets that came before are dropped (RFC 3207 section 6)."""
        self._reader.clear()
        self._opening.tls_established()
        return self._wire.take_events()

    def tls_failed(self, reason: str) -> list[Event]:
        """End the session: the handshake failed, or the certificate does not prove the server's name (RFC 3463 section 3.8)."""
        self._end(Step.STARTTLS, own_reply(454, "4.7.5", f"TLS handshake failed: {reason}"), own=True)
        return self._wire.take_events()

    def connection_lost(self, reason: str) -> list[Event]:
        """End the session: the connection is gone, or was given up; `reason` becomes the reply's text."""
        self._end(self._step, lost_reply(reason), own=True)
        return self._wire.take_events()

    def begin(self, envelope: TransactionEnvelope) -> list[Event]:
        """Begin a transaction. Raises MisuseError unless the state is READY."""
        self._transfer.begin(envelope)
        return self._wire.take_events()

    def send_body(self, data: bytes) -> None:
        """Send the next octets of the message, in any division. Raises MisuseError unless the state is BODY."""
        self._transfer.send_body(data)

    def end_body(self) -> None:
        """End the message."""
        self._transfer.end_body()

    def quit(self) -> None:
        """Send QUIT; only between transactions."""
        self._wire.move(ClientInput.QUIT)
        self._wire.commands.add(Command(Step.QUIT, b"QUIT\r\n"))

    @property
    def _listens(self) -> bool:
        return self._wire.state not in {ClientState.HANDSHAKE, ClientState.CLOSED}

    def _receive(self, reply: Reply) -> None:
        step = self._wire.commands.awaiting
        self.answers += 1
        if reply.code == 421:  # at any time (RFC 5321 section 3.8)
            self._end(self._step, reply)
        elif step is not None:
            self._wire.commands.answered()
            self._answer(step, reply)
            self._wire.commands.advance()
        elif self._wire.state is ClientState.BODY:
            self._transfer.on_unasked(reply)
        else:
            raise ProtocolViolation(f"nobody asked, but the server said {reply}")

    def _answer(self, step: Step, reply: Reply) -> None:
        try:
            if reply.is_intermediate and step not in _INTERMEDIATE:
                raise ProtocolViolation(f"{step.value} was answered {reply}")
            self._on_reply[step](reply)
        except ProtocolViolation as error:
            self._end(step, violation_reply(str(error)), own=True)

    @property
    def _step(self) -> Step:
        return self.awaiting or Step.MAIL

    def _end(self, step: Step, reply: Reply, *, own: bool = False) -> None:
        if self._wire.state in _OPENING:
            self._opening.refuse(step, reply, own=own)
        elif self._wire.state is ClientState.QUITTING:
            self._wire.close()
        elif self._wire.state is not ClientState.CLOSED:
            self._transfer.abort(step, reply, own=own)
