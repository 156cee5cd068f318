"""LOGIN and AUTHENTICATE (RFC 3501, sections 6.2.2 and 6.2.3)."""

import binascii

from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.imap.commands.authentication import AuthenticateCommand, LoginCommand
from mailyard.imap.server import responses
from mailyard.imap.server.responses import Completion, bad, no, ok
from mailyard.imap.server.sasl import MECHANISMS, Credentials, Mechanism, SaslError
from mailyard.imap.states import Transition
from mailyard.imap_server.session.session import ImapSession, SessionOver

_NEEDS_TLS = no("Passwords are only taken under TLS: use STARTTLS or the TLS port", "PRIVACYREQUIRED")

_REFUSALS = {  # RFC 5530, section 3
    RefusalReason.BAD_CREDENTIALS: no("Name or password is wrong", "AUTHENTICATIONFAILED"),
    RefusalReason.ACCOUNT_DISABLED: no("Account disabled; contact your administrator", "CONTACTADMIN"),
    RefusalReason.TOO_MANY_ATTEMPTS: no("Too many attempts, try again later", "LIMIT"),
    RefusalReason.UNAVAILABLE: no("Logins cannot be checked for a moment, try again later", "UNAVAILABLE"),
}


async def login(session: ImapSession, command: LoginCommand) -> Completion:
    """Execute LOGIN."""
    if not session.may_log_in:
        return _NEEDS_TLS
    try:
        credentials = Credentials(command.username.decode("utf-8"), command.password.decode("utf-8"))
    except UnicodeDecodeError:
        return _REFUSALS[RefusalReason.BAD_CREDENTIALS]
    return await _check(session, credentials)


async def authenticate(session: ImapSession, command: AuthenticateCommand) -> Completion:
    """Execute AUTHENTICATE, with or without initial response (RFC 4959)."""
    if command.mechanism not in MECHANISMS:
        return no("There is no such mechanism")
    if not session.may_log_in:
        return _NEEDS_TLS
    try:
        credentials = await _exchange(session, MECHANISMS[command.mechanism](), command.initial_response)
    except SaslError as error:
        return no(str(error), "AUTHENTICATIONFAILED")
    if credentials is None:
        return bad("AUTHENTICATE was cancelled")
    return await _check(session, credentials)


async def _exchange(session: ImapSession, mechanism: Mechanism, initial: bytes | None) -> Credentials | None:
    """Exchange challenges and responses until the mechanism has credentials; None where the client cancels with "*"."""
    answer, challenge = initial, b""
    while True:
        if answer is None:
            session.write(
                responses.continuation(binascii.b2a_base64(challenge, newline=False).decode("ascii"))
            )
            answer = await session.next_line()
        if answer == b"*":
            return None
        outcome = mechanism.respond(_decoded(answer))
        if isinstance(outcome, Credentials):
            return outcome
        answer, challenge = None, outcome


def _decoded(answer: bytes) -> bytes:
    if answer == b"=":
        return b""
    try:
        return binascii.a2b_base64(answer, strict_mode=True)
    except binascii.Error as error:
        raise SaslError("The answer is not base64") from error


async def _check(session: ImapSession, credentials: Credentials) -> Completion:
    session.is_logging_in = True
    try:
        return await _log_in(session, credentials)
    finally:
        session.is_logging_in = False


async def _log_in(session: ImapSession, credentials: Credentials) -> Completion:
    answer = await session.backend.authenticator.authenticate(
        credentials.login, credentials.password, client_ip=session.channel.client_ip, service="imap"
    )
    if isinstance(answer, Refusal):
        return _refused(session, answer)
    if not session.count_in(answer.account):
        return no("Too many connections of this account, close one of them", "LIMIT")
    await _enter(session, answer)
    return ok("Logged in", session.capability_code)


async def _enter(session: ImapSession, identity: Identity) -> None:
    session.log_in(identity)
    await session.backend.mailboxes.ensure_defaults(session.account)
    session.connection.change_state(Transition.LOGGED_IN)
    session.connection.limits = session.options.limits
    session.on_login()


def _refused(session: ImapSession, refusal: Refusal) -> Completion:
    session.failed_logins += 1
    if session.failed_logins >= session.options.login_attempts:

        async def end() -> None:
            raise SessionOver("Too many failed logins")

        session.after_response = end
    return _REFUSALS[refusal.reason]
