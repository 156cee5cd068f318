"""One connection's mail: answers the questions of its session, and hands what it takes to the spool.

Answers that are known are given at once. A task is made only where something must be awaited: an address that the
directory has not seen lately, a password, a body longer than one chunk.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache

from mailyard.directory.identity import Identity, Refusal
from mailyard.directory.model import Resolution
from mailyard.message.address import Address, AddressError
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.events import (
    BodyData,
    Credentials,
    Event,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
    Refused,
)
from mailyard.smtp.server.session import Session
from mailyard.smtp_in import replies
from mailyard.smtp_in.acceptances import Envelope, Reception, acceptance_of
from mailyard.smtp_in.doors import SOURCES, Door, Visitor
from mailyard.smtp_in.intake import Intake
from mailyard.smtp_in.policy import is_own_address, judge_recipient, recipient_row
from mailyard.smtp_in.quota import has_quota
from mailyard.store.body import Body

_SERVICE = "smtp-in"
_log = get_logger(__name__)


@lru_cache(maxsize=4096)
def _address_of(text: str) -> Address | None:
    """Read what a path means; None when its domain is no host name after all."""
    try:
        return Address.parse(text)
    except AddressError:
        return None


class Receiver:
    """Between one session and the backend. `resume` is called when something came later."""

    def __init__(self, door: Door, session: Session, resume: Callable[[], None]) -> None:
        self._mode = door.profile.mode
        self._host = door.profile.hostname
        self._backend = door.backend
        self._measures = door.measures
        self._session = session
        self._resume = resume
        self._visitor = Visitor("")
        self._identity: Identity | None = None
        self._envelope = Envelope()
        self._intake = Intake(door.backend.bodies)
        self._failure: Reply | None = None  # why the message that is being read cannot be taken
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended_at = 0.0
        self._is_closed = False
        self.message_since: float | None = None  # when its first octets came
        self.is_spilling = False  # take no more octets now

    def meet(self, visitor: Visitor) -> None:
        """Say who is connected: when the connection opens, and again after a TLS handshake, when
        nothing said before counts (RFC 3207 section 4.2).
        """
        self._visitor = visitor
        self._identity = None

    def handle(self, event: Event) -> None:
        """Do what one event asks for; its answer is given now or later."""
        match event:
            case RcptTo():
                self._on_recipient(event)
            case BodyData():
                self._on_octets(event.data)
            case MailFrom():
                self._on_sender(event)
            case MessageEnd():
                self._on_end()
            case Refused():
                self._measures.refused(event.reply)
            case MessageAborted():
                self._give_up()
            case Credentials():
                self._later(self._log_in(event))

    def close(self) -> None:
        """The connection is gone. What the spool has been given it keeps: the reply is lost, the mail is not."""
        self._is_closed = True
        if not self.is_spilling:
            self._give_up()

    # The envelope.

    def _on_sender(self, event: MailFrom) -> None:
        self._envelope = Envelope(parameters=event.parameters)
        self.message_since = None
        if (refusal := self._backend.pressure.refusal()) is not None:
            self._answer(refusal)
        elif event.path.is_null:
            self._answer(replies.SENDER_OK)
        elif (address := _address_of(str(event.path))) is None:
            self._answer(replies.BAD_SENDER, str(event.path))
        elif self._identity is None or self._is_known_own(self._identity, address):
            self._agree_to_sender(address)
        else:
            self._later(self._check_sender(self._identity, address))

    def _is_known_own(self, identity: Identity, address: Address) -> bool:
        return is_own_address(identity, self._backend.addresses.resolve_cached(address))

    async def _check_sender(self, identity: Identity, address: Address) -> None:
        if await self._backend.logins.may_send_as(identity, address):
            self._agree_to_sender(address)
        else:
            self._answer(replies.NOT_YOUR_ADDRESS, str(address))

    def _agree_to_sender(self, address: Address) -> None:
        self._envelope.sender = str(address)
        self._answer(replies.SENDER_OK)

    def _on_recipient(self, event: RcptTo) -> None:
        path = event.path
        text = str(path) if path.domain else f"{path.local}@{self._backend.postmaster_domain}"
        address = _address_of(text)
        if address is None:
            self._answer(replies.BAD_RECIPIENT, text)
        elif (resolution := self._backend.addresses.resolve_cached(address)) is not None and not has_quota(
            resolution
        ):
            self._judge_recipient(event, address, resolution)
        else:
            self._later(self._resolve_recipient(event, address))

    async def _resolve_recipient(self, event: RcptTo, address: Address) -> None:
        resolution = await self._backend.addresses.resolve(address)
        full = None
        if self._backend.quotas is not None:
            full = await self._backend.quotas.refusal(resolution, self._envelope.parameters.size)
        self._judge_recipient(event, address, resolution, full)

    def _judge_recipient(
        self, event: RcptTo, address: Address, resolution: Resolution, full: Reply | None = None
    ) -> None:
        answer = full or judge_recipient(self._mode, self._identity, resolution)
        if answer.is_positive:
            known = self._envelope.recipients
            known.append(recipient_row(address, resolution, self._identity, event.parameters, len(known)))
        self._answer(answer, str(address))

    # Authentication.

    async def _log_in(self, credentials: Credentials) -> None:
        if credentials.authorization not in ("", credentials.login):
            self._answer(replies.ACTS_AS_ANOTHER)
            return
        known = await self._backend.logins.authenticate(
            credentials.login, credentials.password, client_ip=self._visitor.address, service=_SERVICE
        )
        if isinstance(known, Refusal):
            self._answer(replies.login_refused(known))
            return
        self._identity = known
        self._answer(replies.WELCOME)

    # The message.

    def _on_octets(self, data: bytes) -> None:
        if self.message_since is None:
            self.message_since = time.monotonic()
        if self._failure is None and self._intake.take(data):
            self.is_spilling = True
            self._start(self._spill(self._intake))

    async def _spill(self, intake: Intake) -> None:
        try:
            await intake.spill()
        except Unavailable as error:
            _log.warning("smtp_in.body_not_stored", error=str(error))
            self._failure = replies.UNAVAILABLE
        except Exception:
            _log.exception("smtp_in.fault")
            self._failure = replies.UNAVAILABLE
        self.is_spilling = False
        if self._failure is not None or self._is_closed:
            await intake.abort()
        self._resume()

    def _on_end(self) -> None:
        self._ended_at = time.monotonic()
        self.message_since = None
        if self._failure is not None:
            failure = self._failure
            self._give_up()
            self._answer(failure)
        elif self._intake.is_spilled:
            self._later(self._finish_spilled(self._intake))
        else:
            self._submit(self._intake.held())

    async def _finish_spilled(self, intake: Intake) -> None:
        try:
            body = await intake.finish()
        except Exception:
            self._give_up()
            raise
        self._submit(body)

    def _submit(self, body: Body) -> None:
        session = self._session
        reception = Reception(
            source=SOURCES[self._mode],
            host=self._host,
            visitor=self._visitor,
            client_name=session.client_name,
            protocol=session.with_keyword,
            identity=self._identity,
        )
        self._intake = Intake(self._backend.bodies)
        stored = self._backend.queue.submit(acceptance_of(reception, self._envelope, body))
        stored.add_done_callback(lambda future: self._on_stored(future, body.size))

    def _on_stored(self, stored: "asyncio.Future[str]", size: int) -> None:
        """RFC 5321 section 4.1.1.4: with this 250 the message is ours to answer for."""
        error = None if stored.cancelled() else stored.exception()
        if stored.cancelled() or error is not None:
            _log.warning("smtp_in.not_stored", error=repr(error))
            self._answer(replies.UNAVAILABLE)
        else:
            seconds = time.monotonic() - self._ended_at
            self._measures.accepted(len(self._envelope.recipients), size, seconds)
            self._answer(replies.queued(stored.result()))
        self._resume()

    def _give_up(self) -> None:
        """Forget the message under way."""
        self.message_since = None
        self._failure = None
        intake, self._intake = self._intake, Intake(self._backend.bodies)
        if intake.is_spilled:
            self._start(intake.abort())

    # Answers.

    def _answer(self, answer: Reply, about: str = "") -> None:
        """Give the session its answer; a refusal is counted, and logged with the address that it is about."""
        if not answer.is_positive:
            self._measures.refused(answer)
            _log.info(
                "smtp_in.refused",
                client_ip=self._visitor.address,
                reply=str(answer),
                sender=self._envelope.sender,
                address=about,
            )
        if not self._is_closed:
            self._session.answer(answer)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        """Answer when `work` has found out; whatever goes wrong, the client is told to come back."""
        self._start(self._answer_after(work))

    async def _answer_after(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Unavailable as error:
            _log.warning("smtp_in.unavailable", error=str(error))
            self._answer(replies.UNAVAILABLE)
        except Exception:
            _log.exception("smtp_in.fault")
            self._answer(replies.UNAVAILABLE)
        self._resume()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
