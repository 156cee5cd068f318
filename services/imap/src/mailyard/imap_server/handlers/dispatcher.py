"""The loop of a session: greeting, one command after another, BYE. Each command goes to its handler."""

from collections.abc import Awaitable
from time import perf_counter

from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.fetch import FetchCommand
from mailyard.imap.grammar.cursor import CommandRefused
from mailyard.imap.server import responses
from mailyard.imap.server.events import (
    CommandReceived,
    CommandRejected,
    ContinuationWanted,
    Event,
    MessageOffered,
)
from mailyard.imap.server.responses import Completion, ResponseCondition, no
from mailyard.imap.states import SessionState, Transition
from mailyard.imap_server.handlers.appending import append
from mailyard.imap_server.handlers.registry import HANDLERS
from mailyard.imap_server.session.responsewriter import ResponseBroken
from mailyard.imap_server.session.session import ImapSession, SessionOver, unavailable
from mailyard.mailbox.errors import (
    MailboxError,
    MailboxExists,
    MailboxLimitReached,
    MailboxNotFound,
    NotPermitted,
)
from mailyard.mailbox.quota import OverQuota
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram

_COMMANDS = counter("mailyard_imap_commands_total")
_SECONDS = histogram("mailyard_imap_command_seconds")
_REFUSED = "refused"  # instead of the command's name where the command was not parsed

_CODES: dict[type[MailboxError], str] = {
    MailboxNotFound: "NONEXISTENT",
    MailboxExists: "ALREADYEXISTS",
    NotPermitted: "CANNOT",
    MailboxLimitReached: "LIMIT",
    OverQuota: "OVERQUOTA",
}

_log = get_logger(__name__)


class Dispatcher:
    """Runs one session."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self._bad_commands = 0  # in a row
        self._commands = 0

    async def run(self) -> None:
        """Greet, execute commands, and write BYE where the protocol wants it; returns when the session is over."""
        session = self._session
        try:
            session.write(responses.untagged(responses.ok("Mailyard is ready", session.capability_code)))
            while True:
                await self._next_command()
        except SessionOver as over:
            if over.bye:
                session.write(responses.bye(over.bye, over.code))
        finally:
            session.log_out()
            try:
                await session.close_mailbox()
            finally:
                session.connection.change_state(Transition.ENDED)

    async def _next_command(self) -> None:
        event = await self._session.next_event(self._session.command_seconds)
        if event is None:
            raise SessionOver("Autologout: no command came in time")
        await self._respond(event)
        await self._session.drain()

    async def _respond(self, event: Event) -> None:
        session = self._session
        match event:
            case ContinuationWanted():
                session.write(responses.continuation("Ready for literal data"))
            case CommandReceived(tag, command):
                self._count()
                await self._complete(tag, _name(command), self._execute(command))
            case MessageOffered(tag):
                self._count()
                await self._complete(tag, "APPEND", self._append(event))
            case CommandRejected(tag, completion):
                self._count()
                session.write(responses.tagged(tag, completion))
                self._record(_REFUSED, completion)

    async def _complete(self, tag: str, name: str, work: Awaitable[Completion]) -> None:
        """Await the result of a command, and write the tagged response."""
        session = self._session
        started = perf_counter()
        completion = await self._outcome(work)
        _SECONDS.labels(name).observe(perf_counter() - started)
        session.write(responses.tagged(tag, completion))
        after_response, session.after_response = session.after_response, None
        if after_response is not None:
            await after_response()
        self._record(name, completion)

    async def _execute(self, command: ImapCommand) -> Completion:
        """Execute a command, with mailbox updates before and after it where the protocol permits them."""
        session = self._session
        if not isinstance(command, FetchCommand):
            session.fetch_ahead.forget()
        if command.reads_flags or command.permits_updates_first:
            await self._refresh(force=command.reads_flags and not session.fetch_ahead.is_loaded)
            session.send_new_keywords()
        if command.permits_updates_first:
            await session.send_updates(expunges=True)
        completion: Completion = await HANDLERS[type(command)](session, command)
        await self._refresh()
        await session.send_updates(expunges=not command.defers_expunges)
        return completion

    async def _append(self, offered: MessageOffered) -> Completion:
        completion = await append(self._session, offered)
        await self._refresh()
        await self._session.send_updates(expunges=True)
        return completion

    async def _refresh(self, *, force: bool = False) -> None:
        """Read changes of the mailbox; where the store is unreachable, the result of the command does not change."""
        try:
            await self._session.refresh(force=force)
        except Unavailable as error:
            _log.warning("imap.unavailable", error=str(error))

    async def _outcome(self, work: Awaitable[Completion]) -> Completion:
        """Return the result of `work`; an exception becomes NO or BAD."""
        try:
            return await work
        except CommandRefused as error:
            return responses.refused(error)
        except MailboxError as error:
            return no(str(error), _CODES.get(type(error), ""))
        except Unavailable as error:
            return unavailable(error)
        except (SessionOver, ConnectionError, ResponseBroken):
            raise
        except Exception:
            _log.exception(
                "imap.command_failed", account=str(self._session.identity and self._session.account)
            )
            return no("This is a fault of the server; it has been noted", "SERVERBUG")

    def _count(self) -> None:
        self._commands += 1
        new = self._session.connection.state is SessionState.NOT_AUTHENTICATED
        if new and self._commands > self._session.options.commands_before_login:
            raise SessionOver("Too many commands before login")

    def _record(self, name: str, completion: Completion) -> None:
        _COMMANDS.labels(name, completion.condition.value.lower()).inc()
        self._bad_commands = self._bad_commands + 1 if completion.condition is ResponseCondition.BAD else 0
        if self._bad_commands >= self._session.options.bad_commands:
            raise SessionOver("Too many commands that are not understood")


def _name(command: ImapCommand) -> str:
    return f"UID {command.verb}" if command.by_uid else command.verb
