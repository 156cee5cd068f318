"""One connection's mail: answers the questions of its session, and hands what it takes to the spool.

Answers that are known are given at once. A task is made only where something must be awaited: an address that the
directory has not seen lately, a password, a body longer than one chunk.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache

from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.identity import Identity, Refusal
from mailyard.directory.model import Resolution
from mailyard.listening.budget import Holding
from mailyard.message.address import Address, AddressError
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.sasl.mechanism import PasswordCredentials
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.events import (
    BodyData,
    Event,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
    Refused,
)
from mailyard.smtp.server.limits import Mode
from mailyard.smtp.server.session import Session
from mailyard.smtp_in import replies
from mailyard.smtp_in.acceptances import AUTHOR_REWRITTEN, Envelope, Reception, acceptance_of
from mailyard.smtp_in.doors import SOURCES, Door, Visitor
from mailyard.smtp_in.headerfilters import HeaderFilter, TransitFilter
from mailyard.smtp_in.intake import Intake
from mailyard.smtp_in.policy import is_own_address, judge_recipient, recipient_row
from mailyard.smtp_in.quota import has_quota
from mailyard.smtp_in.submitted import SubmissionFilter
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


def _is_same_login(credentials: PasswordCredentials) -> bool:
    """RFC 4616 section 2: an authorization identity may be given; it is a login name, so its case does not matter."""
    if credentials.authorization in ("", credentials.login):
        return True
    wanted, login = _address_of(credentials.authorization), _address_of(credentials.login)
    return wanted is not None and login is not None and wanted.key == login.key


class Receiver:
    """Between one session and the backend.

    `resume` is called when something came later, `expel` when the login of the session no longer counts.
    """

    def __init__(
        self, door: Door, session: Session, resume: Callable[[], None], expel: Callable[[], None]
    ) -> None:
        self._mode = door.profile.mode
        self._host = door.profile.hostname
        self._backend = door.backend
        self._measures = door.measures
        self._session = session
        self._resume = resume
        self._expel = expel
        self._visitor = Visitor("")
        self._identity: Identity | None = None
        self._open: OpenSession | None = None  # of the identity
        self._envelope = Envelope()
        self._intake = Intake(door.backend.bodies)
        self._header: HeaderFilter | None = None  # of the message that is being read
        self._failure: Reply | None = None  # why that message cannot be taken
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended_at = 0.0
        self._is_closed = False
        self.transaction_since: float | None = None  # when MAIL came
        self.message_since: float | None = None  # when the first octets of the message came
        self.message_octets = 0  # how many have come
        self.is_busy = False  # take no more octets now

    def meet(self, visitor: Visitor) -> None:
        """Say who is connected: when the connection opens, and again after a TLS handshake, when
        nothing said before counts (RFC 3207 section 4.2).
        """
        self._visitor = visitor
        self._forget_identity()

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
                self._on_end(event)
            case Refused():
                self._measures.refused(event.reply)
            case MessageAborted():
                self._give_up()
            case PasswordCredentials():
                self._later(self._log_in(event))

    @property
    def held(self) -> int:
        """Octets in memory of the transaction that is open; those that wait to be stored are not among them."""
        return (
            self._envelope.octets + self._intake.held + (self._header.held if self._header is not None else 0)
        )

    @property
    def can_relieve(self) -> bool:
        """Whether octets are held that the store could take."""
        return not self.is_busy and self._failure is None and self._intake.held > 0

    def relieve(self) -> None:
        """Write what is held of a message to the store: memory is scarce and the client is slow."""
        self.is_busy = True
        self._start(self._spill(self._intake, is_scarce=True))

    @property
    def has_envelope(self) -> bool:
        """Whether there are recipients, or MAIL was answered."""
        return self._envelope.octets > 0 or self.transaction_since is not None

    def forget_envelope(self) -> None:
        """The transaction is over, or the client gave it up."""
        self._envelope, self.transaction_since = Envelope(), None

    def close(self) -> None:
        """The connection is gone. What the spool has been given it keeps: the reply is lost, the mail is not."""
        self._is_closed = True
        self._forget_identity()
        self._envelope = Envelope()
        if not self.is_busy:
            self._give_up()

    # The envelope.

    def _on_sender(self, event: MailFrom) -> None:
        self._envelope = Envelope(parameters=event.parameters)
        self.transaction_since, self.message_since = time.monotonic(), None
        if self._backend.memory.is_exhausted:
            self._answer(replies.MEMORY_FULL)
        elif (refusal := self._backend.pressure.refusal()) is not None:
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
        if address.key == identity.address.key:
            return True
        return is_own_address(identity, self._backend.addresses.resolve_cached(address))

    async def _check_sender(self, identity: Identity, address: Address) -> None:
        if await self._backend.logins.may_send_as(identity, address):
            self._agree_to_sender(address)
        else:
            self._answer(replies.not_your_address(address, identity.address), str(address))

    def _agree_to_sender(self, address: Address) -> None:
        self._envelope.sender = str(address)
        self._answer(replies.SENDER_OK)

    def _on_recipient(self, event: RcptTo) -> None:
        path = event.path
        if self._backend.memory.is_exhausted:
            self._answer(replies.MEMORY_FULL, str(path))
            return
        if not path.domain:
            self._later(self._resolve_postmaster(event))
            return
        address = _address_of(str(path))
        if address is None:
            self._answer(replies.BAD_RECIPIENT, str(path))
            return
        known = self._backend.addresses.resolve_cached(address)
        is_taken = known is not None and judge_recipient(self._mode, self._identity, known).is_positive
        if known is not None and is_taken and not has_quota(known):
            self._judge_recipient(event, address, known)
        else:
            self._later(self._resolve_recipient(event, address, afresh=known is not None and not is_taken))

    async def _resolve_postmaster(self, event: RcptTo) -> None:
        """RFC 5321 section 4.5.1: `<Postmaster>` without a domain must be accepted."""
        address = await self._backend.addresses.postmaster(self._backend.postmaster_domain)
        if address is None:
            self._answer(replies.NO_POSTMASTER, event.path.local)
        else:
            await self._resolve_recipient(event, address)

    async def _resolve_recipient(self, event: RcptTo, address: Address, *, afresh: bool = False) -> None:
        """Look `afresh` before a permanent refusal: the cache may be older than a new domain or account."""
        resolution = await self._backend.addresses.resolve(address, afresh=afresh)
        full = None
        if self._backend.quotas is not None:
            full = await self._backend.quotas.refusal(resolution, self._envelope.parameters.size)
        self._judge_recipient(event, address, resolution, full)

    def _judge_recipient(
        self, event: RcptTo, address: Address, resolution: Resolution, full: Reply | None = None
    ) -> None:
        answer = full or judge_recipient(self._mode, self._identity, resolution)
        if answer.is_positive:
            number = len(self._envelope.recipients)
            self._envelope.add(recipient_row(address, resolution, self._identity, event.parameters, number))
        self._answer(answer, str(address))

    # Authentication.

    async def _log_in(self, credentials: PasswordCredentials) -> None:
        if not _is_same_login(credentials):
            self._answer(replies.ACTS_AS_ANOTHER)
            return
        known = await self._backend.logins.authenticate(
            credentials.login, credentials.password, client_ip=self._visitor.address, service=_SERVICE
        )
        if isinstance(known, Refusal):
            self._answer(replies.login_refused(known))
            return
        if self._is_closed:
            return
        self._identity = known
        self._open = self._backend.sessions.open(known, self._expel)
        self._answer(replies.WELCOME)

    def _forget_identity(self) -> None:
        self._identity = None
        if self._open is not None:
            self._backend.sessions.close(self._open)
            self._open = None

    # The message.

    def _on_octets(self, data: bytes) -> None:
        if self.message_since is None:
            self.message_since, self.message_octets = time.monotonic(), 0
        self.message_octets += len(data)
        if self._failure is not None:
            return
        if self._backend.memory.is_exhausted:
            self._fail(replies.MEMORY_FULL)
        else:
            self._keep(self._header_filter().feed(data))

    def _header_filter(self) -> HeaderFilter:
        if self._header is None:
            backend, identity = self._backend, self._identity
            if self._mode is Mode.SUBMISSION and identity is not None:
                sender = self._envelope.sender
                self._header = SubmissionFilter(backend.trace, backend.rules, identity.address, sender)
            else:
                self._header = TransitFilter(backend.trace)
        return self._header

    def _keep(self, octets: bytes) -> None:
        """Keep what the header filter gives, once it is known that the addresses it asks about are the login's."""
        header = self._header_filter()
        if header.refusal is not None:
            self._fail(header.refusal)
        elif header.claims:
            unknown = self._not_known_own(header.claims)
            if unknown:
                self.is_busy = True
                self._start(self._keep_after_look_up(header, unknown))
            else:
                self._keep(header.settle(()))
        elif octets:
            is_scarce = self._backend.memory.is_above_mark
            if self._intake.take(octets, is_scarce=is_scarce):
                self.is_busy = True
                self._start(self._spill(self._intake, is_scarce=is_scarce))

    def _not_known_own(self, claims: Iterable[Address]) -> list[Address]:
        identity = self._identity
        return [each for each in claims if identity is None or not self._is_known_own(identity, each)]

    async def _keep_after_look_up(self, header: HeaderFilter, unknown: Sequence[Address]) -> None:
        try:
            foreign = await self._foreign(unknown)
        except Unavailable as error:
            _log.warning("smtp_in.unavailable", error=str(error))
            self._failure = replies.UNAVAILABLE
        except Exception:
            _log.exception("smtp_in.fault")
            self._failure = replies.UNAVAILABLE
        self.is_busy = False
        if self._is_closed:
            self._give_up()
        elif self._failure is None:
            self._keep(header.settle(foreign))
        if not self.is_busy:
            self._resume()

    async def _foreign(self, addresses: Sequence[Address]) -> list[Address]:
        identity = self._identity
        assert identity is not None, "only a login claims addresses"
        return [each for each in addresses if not await self._backend.logins.may_send_as(identity, each)]

    def _fail(self, reply: Reply) -> None:
        """Keep nothing of the message; its end gets this reply."""
        self._failure, self._header = reply, None
        self._forget_octets()

    async def _spill(self, intake: Intake, *, is_scarce: bool) -> None:
        try:
            await intake.spill(is_scarce=is_scarce)
        except Unavailable as error:
            _log.warning("smtp_in.body_not_stored", error=str(error))
            self._failure = replies.UNAVAILABLE
        except Exception:
            _log.exception("smtp_in.fault")
            self._failure = replies.UNAVAILABLE
        self.is_busy = False
        if self._failure is not None or self._is_closed:
            await intake.abort()
        self._resume()

    def _on_end(self, event: MessageEnd) -> None:
        self._ended_at = time.monotonic()
        if event.nul_octets:
            _log.info("smtp_in.nul_replaced", octets=event.nul_octets, **self._about(""))
        self.transaction_since = self.message_since = None
        if self._failure is None:
            header = self._header_filter()
            octets = header.finish()
            self._failure = header.refusal
        if self._failure is not None:
            failure = self._failure
            self._give_up()
            self._answer(failure)
        elif unknown := self._not_known_own(header.claims):
            self._later(self._conclude_after_look_up(header, unknown))
        else:
            self._conclude(header, octets, ())

    async def _conclude_after_look_up(self, header: HeaderFilter, unknown: Sequence[Address]) -> None:
        try:
            foreign = await self._foreign(unknown)
        except Exception:
            self._give_up()
            raise
        if not self._is_closed:
            self._conclude(header, b"", foreign)

    def _conclude(self, header: HeaderFilter, octets: bytes, foreign: Collection[Address]) -> None:
        """All of the message is here, and everything is known about its authors."""
        if header.claims:
            octets = header.settle(foreign)
        if header.refusal is not None:
            self._give_up()
            self._answer(header.refusal)
            return
        self._envelope.missing, self._envelope.rewritten = header.missing, header.rewritten
        self._header = None
        if self._intake.take(octets) or self._intake.is_spilled:
            self.is_busy = True  # so that `close` leaves the intake alone
            self._later(self._finish_spilled(self._intake))
        else:
            self._submit(self._intake.held_body())

    async def _finish_spilled(self, intake: Intake) -> None:
        try:
            body = await intake.finish()
        except Exception:
            self._give_up()
            raise
        finally:
            self.is_busy = False
        if self._is_closed:
            self._give_up()  # the client saw no 250, so it sends the message again
        else:
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
        holding = self._backend.memory.holding()
        holding.grow(len(body.octets or b""))
        acceptance = acceptance_of(reception, self._envelope, body)
        rewritten = [asdict(each) | self._about("") for each in self._envelope.rewritten]
        stored = self._backend.queue.submit(acceptance)
        stored.add_done_callback(lambda future: self._on_stored(future, body.size, holding, rewritten))

    def _on_stored(
        self,
        stored: "asyncio.Future[str]",
        size: int,
        holding: Holding,
        rewritten: Sequence[Mapping[str, str]],
    ) -> None:
        """RFC 5321 section 4.1.1.4: with this 250 the message is ours to answer for."""
        holding.release()
        error = None if stored.cancelled() else stored.exception()
        if stored.cancelled() or error is not None:
            _log.warning("smtp_in.not_stored", error=repr(error))
            self._answer(replies.UNAVAILABLE)
        else:
            seconds = time.monotonic() - self._ended_at
            self._measures.accepted(len(self._envelope.recipients), size, seconds)
            for each in rewritten:
                _log.info(AUTHOR_REWRITTEN, spool_id=stored.result(), **each)
            self._answer(replies.queued(stored.result()))
        self._resume()

    def _give_up(self) -> None:
        """Forget the message under way."""
        self.transaction_since = self.message_since = None
        self._failure = self._header = None
        self._forget_octets()

    def _forget_octets(self) -> None:
        intake, self._intake = self._intake, Intake(self._backend.bodies)
        if intake.is_spilled:
            self._start(intake.abort())

    # Answers.

    def _answer(self, answer: Reply, about: str = "") -> None:
        """Give the session its answer; a refusal is counted, and logged with the address that it is about."""
        if not answer.is_positive:
            self._measures.refused(answer)
            _log.info("smtp_in.refused", reply=str(answer), **self._about(about))
        if not self._is_closed:
            self._session.answer(answer)

    def _about(self, address: str) -> dict[str, str]:
        """Say for a log line who and what it is about."""
        fields = {"client_ip": self._visitor.address, "sender": self._envelope.sender, "address": address}
        if self._identity is not None:
            fields |= {"login": str(self._identity.address), "account": self._identity.account}
        return fields

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
