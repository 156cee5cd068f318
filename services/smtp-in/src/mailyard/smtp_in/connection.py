"""One SMTP connection on the event loop: octets to the session, replies to the socket; TLS, flow and time.

Its life is a `ConnectionState`. Two flags beside it are flow control: whether reading is paused, and whether the client
does not read what is written.
"""

import asyncio
import time
from dataclasses import replace

from mailyard.listening.connection import ClientConnection, ConnectionOwner
from mailyard.listening.states import ConnectionState
from mailyard.runtime.logs import get_logger
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.events import Closing, TlsRequested
from mailyard.smtp.server.session import Session
from mailyard.smtp_in import replies
from mailyard.smtp_in.listeners import ListenerProfile
from mailyard.smtp_in.peer import SmtpPeer, certificate_subject
from mailyard.smtp_in.receiver import Receiver
from mailyard.smtp_in.timeouts import MessageRate, Overdue, TimeoutSettings, Waiting, overdue

_CLOSING_SECONDS = 5.0
_DROPPED_OCTETS = 8 * 1024 * 1024  # read and dropped after the last reply, as much as may be on its way
_SLOW_SECONDS = 5.0  # from MAIL on, while memory is scarce
_SMALL_OCTETS = 8192
_log = get_logger(__name__)


class Connection(ClientConnection, asyncio.Protocol):
    """One client from greeting to end."""

    def __init__(self, listener: ListenerProfile, owner: ConnectionOwner) -> None:
        super().__init__(owner)
        self._listener = listener
        self._opened = self._heard = time.monotonic()
        self._is_write_paused = False  # the client does not read the replies
        self._is_read_paused = False
        self._has_eof = False  # the client sends no more
        self._upgrade: asyncio.Task[None] | None = None  # the handshake of STARTTLS
        self._greeting: asyncio.TimerHandle | None = None  # until the client is greeted
        self._dropped_octets = 0
        self._rate = MessageRate()
        self._session: Session
        self._receiver: Receiver

    # From the event loop.

    def opened(self) -> None:
        """Greet the client."""
        self._heard = time.monotonic()
        listener, secured = self._listener, self._owner.tls_first
        plaintext_auth = listener.plaintext_auth_on_loopback and self.client.is_on_loopback
        name = self._chosen_name() if secured else None
        profile = listener.profile if name is None else replace(listener.profile, hostname=name)
        self._session = Session(profile, secured=secured, plaintext_auth=plaintext_auth)
        self._receiver = Receiver(listener, self._session, self._advance, self._revoke)
        self._receiver.meet(self._peer(secured=secured))
        delay = 0.0 if listener.greeting_delay is None else listener.greeting_delay(self.client.ip)
        if delay > 0:
            self._greeting = asyncio.get_running_loop().call_later(delay, self._greet)
        else:
            self._advance()

    def _greet(self) -> None:
        """Write the greeting, and do what the client has asked for before it."""
        self._greeting = None
        self._heard = time.monotonic()
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Take octets; after the last reply, drop them."""
        if not self.is_open:
            self._dropped_octets += len(data)
            if self._dropped_octets > _DROPPED_OCTETS:
                self.abort()
            return
        self._heard = time.monotonic()
        self._session.receive(data)
        if self._greeting is not None:
            self._receiver.note_early_talk()
        self._advance()

    def eof_received(self) -> bool:
        """Stay open while the client waits for an answer: it may have closed its side only. TLS has no half-closed state."""
        self._has_eof = True
        return self.is_open and self._is_server_busy and not self._session.secured

    def pause_writing(self) -> None:
        """Note that the client does not read: nothing more is done for it."""
        self._is_write_paused = True
        self._heard = time.monotonic()

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._is_write_paused = False
        self._advance()

    def connection_lost(self, _error: Exception | None) -> None:
        """End, whichever side closed."""
        self.end()

    # From the listener.

    def shut_down(self) -> None:
        """Take no new message; close when none is in hand."""
        if self.state is ConnectionState.OPEN:
            self.enter(ConnectionState.DRAINING)
        if self._upgrade is not None:
            self.abort()
        elif self.state is ConnectionState.DRAINING and self._session.is_idle:
            self._close(replies.SHUTTING_DOWN)

    def abort(self) -> None:
        """Cut the connection; a handshake under way is cancelled."""
        if self._upgrade is not None:
            self._upgrade.cancel()
        super().abort()

    def end(self) -> None:
        """Leave the listener; what the client has sent of a message is forgotten."""
        if self.state is not ConnectionState.CLOSED:
            if self._greeting is not None:
                self._greeting.cancel()
            if self.is_connected:
                self._receiver.close()
            self._holding.release()
        super().end()

    def check(self, timeouts: TimeoutSettings, now: float, *, is_busy: bool) -> None:
        """Close the connection of a client that takes too long."""
        if self.state is ConnectionState.CLOSING:
            if now - self._heard > _CLOSING_SECONDS:
                self.abort()
            return
        if not self.is_open:
            return  # a handshake has its own limit
        what = overdue(timeouts, self._waiting(now, timeouts.data_seconds), now, is_busy=is_busy)
        if what is None:
            return
        self._listener.measures.timed_out(what)
        if what is Overdue.UNREAD:
            self.abort()
        else:
            self._close(replies.CONNECTION_OLD if what is Overdue.CONNECTION else replies.TIMED_OUT)

    def relieve(self, now: float) -> None:
        """Memory is scarce: write what a slow client has sent to the store, or close its connection."""
        if not self.is_open:
            return
        if self._is_server_busy:
            if self._upgrade is None:
                self._read_as_wanted()
            return
        receiver = self._receiver
        since = receiver.transaction_since
        if since is None or now - since < _SLOW_SECONDS:
            return
        if receiver.can_relieve:
            receiver.relieve()
        elif self._holding.octets > _SMALL_OCTETS:
            self._listener.measures.timed_out(Overdue.MEMORY)
            self._close(replies.MEMORY_NEEDED)

    def _revoke(self) -> None:
        """Say 421 (RFC 5321 section 3.8) at once, or after the answer that is due: the login no longer counts."""
        if self.state in (ConnectionState.OPEN, ConnectionState.DRAINING):
            self.enter(ConnectionState.REVOKED)
        self._advance()

    # Octets and events.

    @property
    def _is_server_busy(self) -> bool:
        is_waiting = self._greeting is not None or self._upgrade is not None
        return is_waiting or self._session.is_asking or self._receiver.is_busy

    def _waiting(self, now: float, window: float) -> Waiting:
        receiver, is_server_busy = self._receiver, self._is_server_busy
        since, octets = receiver.message_since, receiver.message_octets
        return Waiting(
            since=self._heard,
            opened=self._opened,
            message_since=since,
            is_unread=self._is_write_paused,
            is_server_busy=is_server_busy,
            octets_lately=self._rate.octets_lately(now, window, since, octets, is_server_busy=is_server_busy),
        )

    def _advance(self) -> None:
        """Do what can be done with the input; write all replies at once."""
        if not self.is_open:
            return
        if self._greeting is not None:
            self._count_octets()
            if self._session.is_full:
                self._read_as_wanted()
            return
        if self.state is ConnectionState.REVOKED and not self._is_server_busy:
            self._close(replies.ACCESS_ENDED)
            return
        session, receiver = self._session, self._receiver
        while not (receiver.is_busy or self._is_write_paused):
            event = session.next_event()
            if event is None:
                break
            if isinstance(event, TlsRequested):
                self._write_replies()
                self._begin_tls()
                return
            if isinstance(event, Closing):
                self._finish(is_unread=event.is_unread)
                return
            receiver.handle(event)
        self._write_replies()
        self._count_octets()
        if self.state is ConnectionState.DRAINING and session.is_idle:
            self._close(replies.SHUTTING_DOWN)
        elif self._has_eof and not self._is_server_busy:
            self._finish()
        elif self._is_read_paused or self._is_write_paused or session.is_asking or receiver.is_busy:
            self._read_as_wanted()

    def _count_octets(self) -> None:
        session, receiver = self._session, self._receiver
        if receiver.has_envelope and session.is_outside_transaction:
            receiver.forget_envelope()
        held = receiver.held + session.waiting_octets
        if held != self._holding.octets:
            self._holding.resize(held)

    def _write_replies(self) -> None:
        output = self._session.take_output()
        if output and not self._transport.is_closing():
            self._transport.write(output)

    @property
    def _wants_input(self) -> bool:
        """Whether input can be used: what a client sends while it waits for an answer only fills memory."""
        if self._session.is_full:
            return False
        if not (self._is_server_busy or self._is_write_paused):
            return True
        is_scarce = self._listener.backend.memory.is_above_mark
        return not (self._receiver.is_busy or self._session.waiting_octets or is_scarce)

    def _read_as_wanted(self) -> None:
        wants_input = self._wants_input
        if wants_input is self._is_read_paused and not self._has_eof:
            self._read(wants_input)

    def _read(self, wants_input: bool) -> None:
        self._is_read_paused = not wants_input
        if self._transport.is_closing():
            return
        if wants_input:
            self._heard = time.monotonic()  # the client could not be heard before
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _close(self, reply: Reply) -> None:
        self._session.close(reply)
        self._finish()

    def _finish(self, *, is_unread: bool = False) -> None:
        """Write the last reply and close.

        A close with unread octets resets the connection, and the reply may be lost. So while the client still sends,
        only the server's side is closed, and `check` cuts the rest (RFC 9293 section 3.6).
        """
        if not self.is_open:
            return
        self.enter(ConnectionState.CLOSING)
        self._heard = time.monotonic()
        self._holding.release()
        self._write_replies()
        if is_unread and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
            if self._is_read_paused:
                self._read(True)
        else:
            self._transport.close()

    # TLS.

    def _peer(self, *, secured: bool) -> SmtpPeer:
        if not secured:
            return SmtpPeer(self.client.ip)
        subject = certificate_subject(self._transport.get_extra_info("peercert"))
        return SmtpPeer(self.client.ip, _tls_description(self._transport), subject)

    def _chosen_name(self) -> str | None:
        """Return the host name that the client asked for, where there is a certificate for it."""
        certificates = self._owner.certificates
        return certificates.chosen_name(self._transport) if certificates is not None else None

    def _begin_tls(self) -> None:
        """Read nothing more in clear: what comes now is the handshake (RFC 3207 section 4)."""
        self._transport.pause_reading()
        self._upgrade = asyncio.create_task(self._secure())

    async def _secure(self) -> None:
        certificates, measures = self._owner.certificates, self._listener.measures
        assert certificates is not None, "a listener that offers TLS has a certificate"
        try:
            self._transport = await certificates.secure(self._transport, self)
        except (OSError, asyncio.CancelledError) as error:  # ssl.SSLError and time-outs are OSErrors
            measures.handshake(succeeded=False)
            _log.info("smtp_in.handshake_failed", client_ip=self.client.ip, error=str(error))
            self._transport.abort()
            self.end()
            return
        finally:
            self._upgrade = None
        measures.handshake(succeeded=True)
        self._heard = time.monotonic()
        self._session.tls_established(self._chosen_name())
        self._receiver.meet(self._peer(secured=True))
        self._advance()


def _tls_description(transport: asyncio.Transport) -> str:
    """Return version and cipher suite for the Received field: "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
    name, version, _bits = transport.get_extra_info("cipher")
    secured = transport.get_extra_info("ssl_object")
    return f"{secured.version() if secured else version} {name}"
