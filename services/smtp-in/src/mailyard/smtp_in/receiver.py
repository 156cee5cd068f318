"""One connection's mail: answers the questions of its session, and hands accepted messages to the spool.

Hooks decide (`mailyard.smtp_in.hooks`). Answers that are known are given at once. A task is made only where something must
be awaited: an address that the directory has not seen lately, a password, a body longer than one chunk, a hook.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from itertools import chain

from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.identity import Refusal
from mailyard.directory.model import Resolution
from mailyard.listening.budget import Holding
from mailyard.message.address import Address, AddressError
from mailyard.runtime.logs import get_logger
from mailyard.sasl.mechanism import PasswordCredentials
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.events import (
    BodyData,
    Event,
    InputRefused,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
)
from mailyard.smtp.server.limits import Mode
from mailyard.smtp.server.session import Session
from mailyard.smtp_in import replies
from mailyard.smtp_in.acceptances import AUTHOR_REWRITTEN, acceptance_of
from mailyard.smtp_in.bodybuffer import BodyBuffer
from mailyard.smtp_in.failures import log_failure
from mailyard.smtp_in.headerfilters import NO_STRANGERS, HeaderFilter, Strangers, TransitFilter
from mailyard.smtp_in.hooks import HookResult, MailTransaction, SmtpContext
from mailyard.smtp_in.listeners import ListenerProfile
from mailyard.smtp_in.peer import SmtpPeer
from mailyard.smtp_in.policy import judge_recipient, recipient_row, site_of
from mailyard.smtp_in.question import Question, next_answer
from mailyard.smtp_in.submitted import SubmissionFilter
from mailyard.spool.acceptance import Acceptance
from mailyard.spool.finding import Finding
from mailyard.store.body import Body

_SERVICE = "smtp-in"
_log = get_logger(__name__)


@lru_cache(maxsize=4096)
def _address_of(text: str) -> Address | None:
    """Parse a path; None when its domain is not a host name."""
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
    """Answers the events of one session.

    `resume` is called after an answer that was awaited, `expel` when the login of the session is no longer valid.
    """

    def __init__(
        self,
        listener: ListenerProfile,
        session: Session,
        resume: Callable[[], None],
        expel: Callable[[], None],
    ) -> None:
        self._host = listener.profile.hostname
        self._backend = listener.backend
        self._hooks = listener.backend.hooks
        self._context = SmtpContext(listener.name, listener.profile.mode, SmtpPeer(""))
        self._measures = listener.measures
        self._session = session
        self._resume = resume
        self._expel = expel
        self._has_met = False
        self._connecting: list[asyncio.Future[HookResult]] = []  # answers of on_connect that are awaited
        self._connect_findings: list[Finding] = []  # of on_connect, as far as they were known at once
        self._client_findings: list[Finding] = []  # of on_connect and on_helo
        self._asked_helo: str | None = None  # the name that on_helo was asked about
        self._client_refusal: Reply | None = None  # what on_connect or on_helo answers to MAIL
        self._open: OpenSession | None = None  # of the identity
        self._buffer = BodyBuffer(listener.backend.bodies)
        self._header: HeaderFilter | None = None  # of the message that is being read
        self._failure: Reply | None = None  # why that message cannot be taken
        self._tasks: set[asyncio.Task[None]] = set()
        self._delayed: asyncio.TimerHandle | None = None  # says a refusal later
        self._ended_at = 0.0
        self._is_closed = False
        self.transaction_since: float | None = None  # when MAIL came
        self.message_since: float | None = None  # when the first octets of the message came
        self.message_octets = 0  # how many have come
        self.is_busy = False  # take no more octets now

    def meet(self, peer: SmtpPeer) -> None:
        """Take note of the client: when the connection opens, and again after a TLS handshake, after which
        nothing said before counts (RFC 3207 section 4.2).
        """
        self._context.client, self._context.helo, self._asked_helo = peer, "", None
        self._forget_identity()
        if not self._has_met:
            self._has_met = True
            if self._hooks.connect:
                self._ask_on_connect()

    def note_early_talk(self) -> None:
        """The client has sent something before it was greeted (RFC 5321 section 4.3.1)."""
        self._context.spoke_early = True

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
            case InputRefused():
                self._measures.refused(event.reply)
                self._seconds_until(event.reply)
            case MessageAborted():
                self._give_up()
            case PasswordCredentials():
                self._later(self._log_in(event))

    @property
    def held(self) -> int:
        """Octets in memory of the transaction that is open, without messages that wait to be stored."""
        header = self._header.held if self._header is not None else 0
        return self._context.transaction.octets + self._buffer.held + header

    @property
    def can_relieve(self) -> bool:
        """Whether octets are held that the store could take."""
        return not self.is_busy and self._failure is None and self._buffer.held > 0

    def relieve(self) -> None:
        """Write what is held of a message to the store: memory is scarce and the client is slow."""
        self.is_busy = True
        self._start(self._spill(self._buffer, is_scarce=True))

    @property
    def has_envelope(self) -> bool:
        """Whether there are recipients, or MAIL was answered."""
        return self._context.transaction.octets > 0 or self.transaction_since is not None

    def forget_envelope(self) -> None:
        """Forget the transaction: it has ended, or the client has reset it."""
        self._context.transaction, self.transaction_since = MailTransaction(), None

    def close(self) -> None:
        """Forget everything, because the connection has ended. A message that the spool has been given stays there."""
        self._is_closed = True
        self._forget_identity()
        self._context.transaction = MailTransaction()
        for future in self._connecting:
            future.cancel()
        if self._delayed is not None:
            self._delayed.cancel()
        if not self.is_busy:
            self._give_up()

    # Hooks.

    def _consult(self, question: Question) -> None:
        """Ask hooks one after the other until one refuses. Answers that are known cost no task."""
        for asked in question.answers:
            if asked is None:
                continue
            if isinstance(asked, Reply):
                question.refuse(asked)
                return
            if isinstance(asked, Awaitable):
                work = self._consult_later(asked, question)
                self._later(work, is_about_message=question.is_about_message)
                return
            question.keep(asked)
        question.agree()

    async def _consult_later(self, asked: Awaitable[HookResult], question: Question) -> None:
        result = await asked
        self._consult(replace(question, answers=chain((result,), question.answers)))

    def _ask_on_connect(self) -> None:
        """Ask when the connection opens; a refusal that is known takes the place of the banner (RFC 5321 section 3.1)."""
        for hook in self._hooks.connect:
            asked = hook.on_connect(self._context)
            if isinstance(asked, Reply):
                self._measures.refused(asked)
                _log.info("smtp_in.refused", reply=str(asked), **self._about(""))
                self._session.take_output()
                self._session.close(asked)
                return
            if isinstance(asked, Awaitable):
                future = asyncio.ensure_future(asked)
                future.add_done_callback(lambda done: done.cancelled() or done.exception())
                self._connecting.append(future)
            elif asked:
                self._connect_findings.extend(asked)

    def _consult_about_client(self, agree: Callable[[], None], refuse: Callable[[Reply], None]) -> None:
        """Ask about connection and name of the client, once for each name."""
        context = self._context
        if self._asked_helo == context.helo:
            if self._client_refusal is None:
                agree()
            else:
                refuse(self._client_refusal)
            return
        self._client_findings = list(self._connect_findings)

        def conclude(refusal: Reply | None = None) -> None:
            self._asked_helo, self._client_refusal = context.helo, refusal
            self._consult_about_client(agree, refuse)

        helo = (hook.on_helo(context) for hook in self._hooks.helo)
        answers = chain(self._connecting, helo)
        self._consult(Question(answers, self._client_findings.extend, conclude, conclude))

    # The envelope.

    def _on_sender(self, event: MailFrom) -> None:
        context = self._context
        context.helo = self._session.client_name
        context.transaction = MailTransaction(parameters=event.parameters)
        self.transaction_since, self.message_since = time.monotonic(), None
        path = event.path
        sender = None if path.is_null else _address_of(str(path))
        if sender is None and not path.is_null:
            self._answer(replies.BAD_SENDER, str(path))
            return
        if self._hooks.connect or self._hooks.helo:
            agree = partial(self._consult_about_sender, sender)
            self._consult_about_client(agree, partial(self._answer, about=str(path)))
        else:
            self._consult_about_sender(sender)

    def _consult_about_sender(self, sender: Address | None) -> None:
        context = self._context
        if self._client_findings:
            context.transaction.note(self._client_findings)
        answers = (hook.on_mail(context, sender) for hook in self._hooks.mail)
        asked = next_answer(answers)
        if asked is None:
            self._agree_to_sender(sender)
            return
        agree = partial(self._agree_to_sender, sender)
        refuse = partial(self._answer, about=str(sender or ""))
        self._consult(Question(chain((asked,), answers), context.transaction.note, agree, refuse))

    def _agree_to_sender(self, sender: Address | None) -> None:
        self._context.transaction.sender = "" if sender is None else str(sender)
        self._answer(replies.SENDER_OK)

    def _on_recipient(self, event: RcptTo) -> None:
        path, context = event.path, self._context
        if not path.domain:
            self._later(self._resolve_postmaster(event))
            return
        address = _address_of(str(path))
        if address is None:
            self._answer(replies.BAD_RECIPIENT, str(path))
            return
        known = self._backend.addresses.resolve_cached(address)
        if known is None:
            self._later(self._resolve_recipient(event, address))
        elif judge_recipient(context.mode, context.identity, known).is_positive:
            self._consult_about_recipient(event, address, known)
        else:  # before a permanent refusal: the cache may be older than a new domain or account
            self._later(self._resolve_recipient(event, address, afresh=True))

    async def _resolve_postmaster(self, event: RcptTo) -> None:
        """RFC 5321 section 4.5.1: `<Postmaster>` without a domain must be accepted."""
        address = await self._backend.addresses.postmaster(self._backend.postmaster_domain)
        if address is None:
            self._answer(replies.NO_POSTMASTER, event.path.local)
        else:
            await self._resolve_recipient(event, address)

    async def _resolve_recipient(self, event: RcptTo, address: Address, *, afresh: bool = False) -> None:
        resolution = await self._backend.addresses.resolve(address, afresh=afresh)
        self._consult_about_recipient(event, address, resolution)

    def _consult_about_recipient(self, event: RcptTo, address: Address, resolution: Resolution) -> None:
        context = self._context
        answers = (hook.on_rcpt(context, address, resolution) for hook in self._hooks.rcpt)
        asked = next_answer(answers)
        if asked is None:
            self._agree_to_recipient(event, address, resolution)
            return
        agree = partial(self._agree_to_recipient, event, address, resolution)
        refuse = partial(self._answer, about=str(address))
        self._consult(Question(chain((asked,), answers), context.transaction.note, agree, refuse))

    def _agree_to_recipient(self, event: RcptTo, address: Address, resolution: Resolution) -> None:
        if self._is_closed:
            return
        context = self._context
        number = len(context.transaction.recipients)
        recipient = recipient_row(address, resolution, context.identity, event.parameters, number)
        context.transaction.add(recipient, site_of(resolution))
        self._answer(replies.RECIPIENT_OK, str(address))

    # Authentication.

    async def _log_in(self, credentials: PasswordCredentials) -> None:
        if not _is_same_login(credentials):
            self._answer(replies.ACTS_AS_ANOTHER)
            return
        known = await self._backend.logins.authenticate(
            credentials.login,
            credentials.password,
            client_ip=self._context.client.address,
            service=_SERVICE,
        )
        if isinstance(known, Refusal):
            self._answer(replies.login_refused(known))
            return
        if self._is_closed:
            return
        self._context.identity = known
        self._open = self._backend.sessions.open(known, self._expel)
        self._answer(replies.WELCOME)

    def _forget_identity(self) -> None:
        self._context.identity = None
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
            backend, identity = self._backend, self._context.identity
            if self._context.mode is Mode.SUBMISSION and identity is not None:
                transaction = self._context.transaction
                rules = backend.rules.under(transaction.policy)
                self._header = SubmissionFilter(backend.trace, rules, identity.address, transaction.sender)
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
                self._keep(header.settle(NO_STRANGERS))
        elif octets:
            is_scarce = self._backend.memory.is_above_mark
            if self._buffer.take(octets, is_scarce=is_scarce):
                self.is_busy = True
                self._start(self._spill(self._buffer, is_scarce=is_scarce))

    def _not_known_own(self, claims: Iterable[Address]) -> list[Address]:
        identity, own = self._context.identity, self._backend.own_addresses
        return [each for each in claims if identity is None or not own.is_known_own(identity, each)]

    async def _keep_after_look_up(self, header: HeaderFilter, unknown: Sequence[Address]) -> None:
        try:
            strangers = await self._strangers(unknown)
        except Exception as error:
            log_failure(error)
            self._failure = replies.UNAVAILABLE
        self.is_busy = False
        if self._is_closed:
            self._give_up()
        elif self._failure is None:
            self._keep(header.settle(strangers))
        if not self.is_busy:
            self._resume()

    async def _strangers(self, addresses: Sequence[Address]) -> Strangers:
        identity = self._context.identity
        assert identity is not None, "only a login claims addresses"
        return await self._backend.own_addresses.strangers(identity, addresses)

    def _fail(self, reply: Reply) -> None:
        """Keep nothing of the message; its end gets this reply."""
        self._failure, self._header = reply, None
        self._forget_octets()

    async def _spill(self, buffer: BodyBuffer, *, is_scarce: bool) -> None:
        try:
            await buffer.spill(is_scarce=is_scarce)
        except Exception as error:
            log_failure(error, "smtp_in.body_not_stored")
            self._failure = replies.UNAVAILABLE
        self.is_busy = False
        if self._failure is not None or self._is_closed:
            await buffer.abort()
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
            self._later(self._conclude_after_look_up(header, unknown), is_about_message=True)
        else:
            self._conclude(header, octets, NO_STRANGERS)

    async def _conclude_after_look_up(self, header: HeaderFilter, unknown: Sequence[Address]) -> None:
        strangers = await self._strangers(unknown)
        if not self._is_closed:
            self._conclude(header, b"", strangers)

    def _conclude(self, header: HeaderFilter, octets: bytes, strangers: Strangers) -> None:
        """Settle the header section: all of the message has come, and its foreign authors are known."""
        if header.claims:
            octets = header.settle(strangers)
        if header.refusal is not None:
            self._give_up()
            self._answer(header.refusal)
            return
        transaction = self._context.transaction
        transaction.missing, transaction.rewritten = header.missing, header.rewritten
        self._header = None
        if self._buffer.take(octets) or self._buffer.is_spilled:
            self.is_busy = True  # so that `close` leaves the buffer alone
            self._later(self._finish_spilled(self._buffer), is_about_message=True)
        else:
            self._submit(self._buffer.held_body())

    async def _finish_spilled(self, buffer: BodyBuffer) -> None:
        try:
            body = await buffer.finish()
        finally:
            self.is_busy = False
        self._submit(body)

    def _submit(self, body: Body) -> None:
        """Give the message to the spool, unless a hook refuses it."""
        if self._is_closed:
            self._give_up()  # the client saw no 250, so it sends the message again
            return
        context = self._context
        message = acceptance_of(context, self._session.with_keyword, self._host, body)
        answers = (hook.on_end_of_data(context, message) for hook in self._hooks.end_of_data)
        asked = next_answer(answers)
        if asked is None:
            self._store(message)
            return
        findings = list(message.findings)
        agree = partial(self._store, message, findings)
        asks = chain((asked,), answers)
        self._consult(Question(asks, findings.extend, agree, self._refuse_message, is_about_message=True))

    def _refuse_message(self, refusal: Reply) -> None:
        self._give_up()
        self._answer(refusal)

    def _store(self, message: Acceptance, findings: Sequence[Finding] | None = None) -> None:
        if self._is_closed:
            self._give_up()
            return
        if findings is not None:
            message = replace(message, findings=tuple(findings))
        self._buffer = BodyBuffer(self._backend.bodies)
        holding = self._backend.memory.holding()
        holding.grow(len(message.body.octets or b""))
        rewritten = [asdict(each) | self._about("") for each in self._context.transaction.rewritten]
        size = message.body.size
        stored = self._backend.queue.submit(message)
        stored.add_done_callback(lambda future: self._on_stored(future, size, holding, rewritten))

    def _on_stored(
        self,
        stored: "asyncio.Future[str]",
        size: int,
        holding: Holding,
        rewritten: Sequence[Mapping[str, str]],
    ) -> None:
        """Answer with 250: from now on this server is responsible for the message (RFC 5321 section 4.1.1.4)."""
        holding.release()
        error = None if stored.cancelled() else stored.exception()
        if stored.cancelled() or error is not None:
            _log.warning("smtp_in.not_stored", error=repr(error))
            self._answer(replies.UNAVAILABLE)
        else:
            seconds = time.monotonic() - self._ended_at
            self._measures.accepted(len(self._context.transaction.recipients), size, seconds)
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
        buffer, self._buffer = self._buffer, BodyBuffer(self._backend.bodies)
        if buffer.is_spilled:
            self._start(buffer.abort())

    # Answers.

    def _answer(self, answer: Reply, about: str = "") -> None:
        """Give the session its answer; a refusal is counted, and logged with the address that it is about."""
        if not answer.is_positive:
            self._measures.refused(answer)
            _log.info("smtp_in.refused", reply=str(answer), **self._about(about))
            seconds = self._seconds_until(answer)
            if seconds > 0 and not self._is_closed:
                loop = asyncio.get_running_loop()
                self._delayed = loop.call_later(seconds, self._answer_late, answer)
                return
        if not self._is_closed:
            self._session.answer(answer)

    def _seconds_until(self, refusal: Reply) -> float:
        """Let hooks note a refusal; return how long it waits. A waiting reply is a timer, not a task."""
        waits = [hook.on_refused(self._context, refusal) for hook in self._hooks.refused]
        return max(waits, default=0.0)

    def _answer_late(self, refusal: Reply) -> None:
        self._delayed = None
        if self._session.is_asking:  # not where the session has ended meanwhile
            self._session.answer(refusal)
            self._resume()

    def _about(self, address: str) -> dict[str, str]:
        """Return the fields of a log line that name client, sender and address."""
        context, identity = self._context, self._context.identity
        fields = {
            "client_ip": context.client.address,
            "sender": context.transaction.sender,
            "address": address,
        }
        if identity is not None:
            fields |= {"login": str(identity.address), "account": identity.account}
        return fields

    def _later(self, work: Coroutine[None, None, None], *, is_about_message: bool = False) -> None:
        """Do what ends in an answer; when it fails, the client gets 451, and a message that came is forgotten."""
        self._start(self._answer_after(work, is_about_message=is_about_message))

    async def _answer_after(self, work: Coroutine[None, None, None], *, is_about_message: bool) -> None:
        try:
            await work
        except Exception as error:
            log_failure(error)
            if is_about_message:
                self._give_up()
            self._answer(replies.UNAVAILABLE)
        self._resume()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
