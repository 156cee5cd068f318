"""The asyncio side of one connection: octets to the session, replies to the socket; TLS, flow and time."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from mailyard.runtime.callers import Caller, direct
from mailyard.runtime.logs import get_logger
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.events import Closing, TlsRequested
from mailyard.smtp.server.session import Session
from mailyard.smtp_in import replies
from mailyard.smtp_in.doors import Door, Visitor
from mailyard.smtp_in.patience import Overdue, Patience, Waiting, overdue
from mailyard.smtp_in.receiver import Receiver

_LAST_WORD_SECONDS = 5.0
_UNREAD_OCTETS = 8 * 1024 * 1024  # read and dropped after the last word, as much as may be on its way
_SLOW_SECONDS = 5.0  # from MAIL on, while memory is scarce
_SMALL_OCTETS = 8192
_log = get_logger(__name__)


class Connection(asyncio.Protocol):
    """One client, from banner to farewell; where something comes before the banner, from the end of that.

    `arrived` counts it in or says why it cannot stay; `left` is called once it is gone.
    """

    def __init__(
        self,
        door: Door,
        arrived: Callable[["Connection"], Reply | None],
        left: Callable[["Connection"], None],
    ) -> None:
        self._door = door
        self._arrived = arrived
        self._left = left
        self._opened = self._heard = time.monotonic()
        self._is_choked = False  # what we wrote is not being read
        self._is_deaf = False  # we do not read
        self._has_ended = False  # the client will write no more
        self._is_draining = False  # no new message
        self._is_expelled = False  # the login no longer counts
        self._is_leaving = False  # the last word is said
        self._is_gone = False
        self._is_open = False  # there is a transport
        self._upgrade: asyncio.Task[None] | None = None
        self._is_announced = False
        self._unread = 0  # octets that came after the last word
        self._paced_from = 0.0  # since when octets of the message are counted
        self._paced_octets = 0  # how many there were then
        self._holding = door.backend.memory.holding()
        self.caller = Caller("")

    # Where a PROXY header or TLS comes first.

    def announce(self, caller: Caller) -> Reply | None:
        """Count in before anything is said; a refusal ends it."""
        self._is_announced = True
        self.caller = caller
        refusal = self._arrived(self)
        if refusal is not None:
            self._is_gone = True
            self._door.measures.refused(refusal)
        return refusal

    def connection_failed(self) -> None:
        """It broke after `announce`: `connection_made` will not come."""
        self._end()

    # From the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or turn away."""
        self._transport = cast("asyncio.Transport", transport)
        self._is_open = True
        if not self._is_announced:
            refusal = self.announce(direct(transport.get_extra_info("peername")))
            if refusal is not None:
                self._turn_away(refusal)
                return
        self._heard = time.monotonic()
        self._begin()

    def _begin(self) -> None:
        door = self._door
        plaintext_auth = door.plaintext_auth_on_loopback and self.caller.is_on_loopback
        self._session = Session(door.profile, secured=door.implicit_tls, plaintext_auth=plaintext_auth)
        self._receiver = Receiver(door, self._session, self._advance, self._expel)
        self._receiver.meet(self._visitor(secured=door.implicit_tls))
        self._advance()

    def _visitor(self, *, secured: bool) -> Visitor:
        return Visitor(self.caller.address, _tls_description(self._transport) if secured else "")

    def data_received(self, data: bytes) -> None:
        """Take octets."""
        if self._is_leaving:
            self._unread += len(data)
            if self._unread > _UNREAD_OCTETS:
                self.abort()
            return
        self._heard = time.monotonic()
        self._session.receive(data)
        self._advance()

    def eof_received(self) -> bool:
        """Stay while the client still waits for us: it may have closed its side only. TLS has no half-closed state."""
        self._has_ended = True
        return not self._is_leaving and self._waits_for_us and not self._session.secured

    def pause_writing(self) -> None:
        """The client does not read: do nothing more for it."""
        self._is_choked = True
        self._heard = time.monotonic()

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_choked = False
        self._advance()

    def connection_lost(self, _error: Exception | None) -> None:
        """Gone, by whichever side."""
        self._end()

    # From the listener.

    def drain(self) -> None:
        """Take no new message; leave when none is in hand."""
        self._is_draining = True
        if self._upgrade is not None:
            self.abort()
        elif self._is_open and self._session.is_idle and not self._is_leaving:
            self._leave(replies.SHUTTING_DOWN)

    def abort(self) -> None:
        """Cut the line."""
        if self._upgrade is not None:
            self._upgrade.cancel()
        if self._is_open:
            self._transport.abort()

    def check(self, patience: Patience, now: float, *, is_busy: bool) -> None:
        """Let go of a client that takes too long."""
        if not self._is_open:
            return  # the handshake has its own limit
        if self._is_leaving:
            if now - self._heard > _LAST_WORD_SECONDS:
                self.abort()
            return
        what = overdue(patience, self._waiting(now, patience.data), now, is_busy=is_busy)
        if what is None:
            return
        self._door.measures.timed_out(what)
        if what is Overdue.UNREAD:
            self.abort()
        else:
            self._leave(replies.CONNECTION_OLD if what is Overdue.CONNECTION else replies.TIMED_OUT)

    def _expel(self) -> None:
        """Say 421 (RFC 5321 section 3.8) at once, or when what is being answered has its answer."""
        self._is_expelled = True
        self._advance()

    def relieve(self, now: float) -> None:
        """Memory is scarce: write what a slow client has sent to the store, or let the client go."""
        if not self._is_open or self._is_leaving:
            return
        if self._waits_for_us:
            if self._upgrade is None:
                self._hear_as_wanted()
            return
        receiver = self._receiver
        since = receiver.transaction_since
        if since is None or now - since < _SLOW_SECONDS:
            return
        if receiver.can_relieve:
            receiver.relieve()
        elif self._holding.octets > _SMALL_OCTETS:
            self._door.measures.timed_out(Overdue.MEMORY)
            self._leave(replies.MEMORY_NEEDED)

    # Octets and events.

    @property
    def _waits_for_us(self) -> bool:
        return self._session.is_asking or self._receiver.is_busy or self._upgrade is not None

    def _waiting(self, now: float, window: float) -> Waiting:
        return Waiting(
            since=self._heard,
            opened=self._opened,
            message_since=self._receiver.message_since,
            is_choked=self._is_choked,
            is_ours=self._waits_for_us,
            octets_lately=self._octets_lately(now, window),
        )

    def _octets_lately(self, now: float, window: float) -> int | None:
        """Octets of the message within the last `window` seconds, said once for each window."""
        receiver = self._receiver
        if receiver.message_since is None or self._waits_for_us or self._paced_from < receiver.message_since:
            self._paced_from = now if self._waits_for_us else receiver.message_since or now
            self._paced_octets = receiver.message_octets if self._waits_for_us else 0
            return None
        if now - self._paced_from <= window:
            return None
        lately = receiver.message_octets - self._paced_octets
        self._paced_from, self._paced_octets = now, receiver.message_octets
        return lately

    def _advance(self) -> None:
        """Do what can be done with what is there; say all that is to be said in one write."""
        if self._is_leaving:
            return
        if self._is_expelled and not self._waits_for_us:
            self._leave(replies.ACCESS_ENDED)
            return
        session, receiver = self._session, self._receiver
        while not (receiver.is_busy or self._is_choked):
            event = session.next_event()
            if event is None:
                break
            if isinstance(event, TlsRequested):
                self._say()
                self._begin_tls()
                return
            if isinstance(event, Closing):
                self._depart(is_unread=event.is_unread)
                return
            receiver.handle(event)
        self._say()
        self._count_octets()
        if self._is_draining and session.is_idle:
            self._leave(replies.SHUTTING_DOWN)
        elif self._has_ended and not self._waits_for_us:
            self._depart()
        elif self._is_deaf or self._is_choked or session.is_asking or receiver.is_busy:
            self._hear_as_wanted()

    def _count_octets(self) -> None:
        session, receiver = self._session, self._receiver
        if receiver.has_envelope and session.is_outside_transaction:
            receiver.forget_envelope()
        held = receiver.held + session.waiting_octets
        if held != self._holding.octets:
            self._holding.resize(held)

    def _say(self) -> None:
        output = self._session.take_output()
        if output and not self._transport.is_closing():
            self._transport.write(output)

    @property
    def _wants_input(self) -> bool:
        """Read no more than can be used: what a client sends while it waits for us only fills memory."""
        if self._session.is_full:
            return False
        if not (self._waits_for_us or self._is_choked):
            return True
        is_scarce = self._door.backend.memory.is_above_mark
        return not (self._receiver.is_busy or self._session.waiting_octets or is_scarce)

    def _hear_as_wanted(self) -> None:
        wants_input = self._wants_input
        if wants_input is self._is_deaf and not self._has_ended:
            self._hear(wants_input)

    def _hear(self, wants_input: bool) -> None:
        self._is_deaf = not wants_input
        if self._transport.is_closing():
            return
        if wants_input:
            self._heard = time.monotonic()  # it could not be heard before
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _leave(self, word: Reply) -> None:
        self._session.close(word)
        self._depart()

    def _depart(self, *, is_unread: bool = False) -> None:
        """Write the last reply and close.

        A close with unread octets resets the connection, and the reply may be lost. So while the client still sends,
        only our side is closed, and `check` cuts the rest (RFC 9293 section 3.6).
        """
        self._is_leaving = True
        self._heard = time.monotonic()
        self._holding.release()
        self._say()
        if is_unread and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
            if self._is_deaf:
                self._hear(True)
        else:
            self._transport.close()

    def _turn_away(self, refusal: Reply) -> None:
        """RFC 5321 section 3.1: a refusal in place of the banner."""
        self._is_leaving = True
        self._transport.write(refusal.wire)
        self._transport.close()

    def _end(self) -> None:
        if not self._is_gone:
            self._is_gone = self._is_leaving = True
            if self._is_open:
                self._receiver.close()
            self._holding.release()
            self._left(self)

    # TLS.

    def _begin_tls(self) -> None:
        """Read nothing more in clear: what comes now is the handshake (RFC 3207 section 4)."""
        self._transport.pause_reading()
        self._upgrade = asyncio.create_task(self._secure())

    async def _secure(self) -> None:
        certificates, measures = self._door.certificates, self._door.measures
        assert certificates is not None, "a door that offers TLS has a certificate"
        try:
            self._transport = await certificates.secure(self._transport, self)
        except (OSError, asyncio.CancelledError) as error:  # ssl.SSLError and time-outs are OSErrors
            measures.handshake(succeeded=False)
            _log.info("smtp_in.handshake_failed", client_ip=self.caller.address, error=str(error))
            self._transport.abort()
            self._end()
            return
        finally:
            self._upgrade = None
        measures.handshake(succeeded=True)
        self._heard = time.monotonic()
        self._session.tls_established()
        self._receiver.meet(self._visitor(secured=True))
        self._advance()


def _tls_description(transport: asyncio.Transport) -> str:
    """Version and cipher suite, for the Received field: "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
    name, version, _bits = transport.get_extra_info("cipher")
    secured = transport.get_extra_info("ssl_object")
    return f"{secured.version() if secured else version} {name}"
