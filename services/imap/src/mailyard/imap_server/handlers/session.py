"""CAPABILITY, NOOP, CHECK, ID, STARTTLS, LOGOUT."""

from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.session import CapabilityCommand, IdCommand, LogoutCommand, StartTlsCommand
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, bad, ok
from mailyard.imap_server.session.session import ImapSession, SessionOver
from mailyard.runtime.logs import get_logger

_IDENTITY = (("name", "Mailyard"),)
_LONGEST_ID_VALUE = 200

_log = get_logger(__name__)


async def capability(session: ImapSession, _: CapabilityCommand) -> Completion:
    """Execute CAPABILITY (RFC 3501, section 6.1.1)."""
    session.write(responses.capability(session.capabilities))
    return ok("CAPABILITY completed")


async def noop(session: ImapSession, command: ImapCommand) -> Completion:
    """Execute NOOP or CHECK: read changes of the mailbox in any case (sections 6.1.2 and 6.4.1)."""
    await session.refresh(force=True)
    return ok(f"{command.verb} completed")


async def identify(session: ImapSession, command: IdCommand) -> Completion:
    """Execute ID (RFC 2971): log the fields of the client, and answer."""
    if command.fields:
        fields = {_shown(name): _shown(value) for name, value in command.fields if value is not None}
        _log.info("imap.client_identified", client_ip=session.channel.client_ip, fields=fields)
    session.write(responses.identity(_IDENTITY))
    return ok("ID completed")


def _shown(octets: bytes) -> str:
    return octets[:_LONGEST_ID_VALUE].decode("utf-8", "replace")


async def start_tls(session: ImapSession, _: StartTlsCommand) -> Completion:
    """Execute STARTTLS (RFC 3501, section 6.2.1); the handshake follows the response."""
    if not session.channel.may_start_tls:
        return bad("STARTTLS is not possible here")

    async def handshake() -> None:
        session.connection.discard_input()
        await session.channel.start_tls()

    session.after_response = handshake
    return ok("Begin TLS negotiation now")


async def logout(session: ImapSession, _: LogoutCommand) -> Completion:
    """Execute LOGOUT (section 6.1.3)."""

    async def end() -> None:
        raise SessionOver

    await session.close_mailbox()
    session.write(responses.bye("Logging out"))
    session.after_response = end
    return ok("LOGOUT completed")
