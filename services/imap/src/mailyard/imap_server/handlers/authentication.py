"""LOGIN and AUTHENTICATE (RFC 3501, sections 6.2.2 and 6.2.3)."""

from mailyard.directory.identity import Refusal, RefusalReason
from mailyard.imap.commands.authentication import AuthenticateCommand, LoginCommand
from mailyard.imap.server import responses
from mailyard.imap.server.capabilities import MECHANISMS
from mailyard.imap.server.responses import Completion, bad, no, ok
from mailyard.imap.states import Transition
from mailyard.imap_server.session.session import ImapSession, SessionOver
from mailyard.sasl.encoding import decode_response, encode_challenge
from mailyard.sasl.mechanism import Challenge, Mechanism, PasswordCredentials, SaslError, SaslFailure

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
        name, password = command.username.decode("utf-8"), command.password.decode("utf-8")
    except UnicodeDecodeError:
        return _REFUSALS[RefusalReason.BAD_CREDENTIALS]
    return await _check(session, name, password)


async def authenticate(session: ImapSession, command: AuthenticateCommand) -> Completion:
    """Execute AUTHENTICATE, with or without initial response (RFC 4959)."""
    if command.mechanism not in MECHANISMS:
        return no("There is no such mechanism")
    if not session.may_log_in:
        return _NEEDS_TLS
    try:
        credentials = await _exchange(session, MECHANISMS[command.mechanism](), command.initial_response)
    except SaslError as error:
        if error.failure is SaslFailure.CANCELLED:
            return bad("AUTHENTICATE was cancelled")
        return no(str(error), "AUTHENTICATIONFAILED")
    if credentials.authorization not in ("", credentials.login):
        return no("Acting for another user is not possible", "AUTHENTICATIONFAILED")
    return await _check(session, credentials.login, credentials.password)


async def _exchange(session: ImapSession, mechanism: Mechanism, initial: bytes | None) -> PasswordCredentials:
    """Exchange challenges and responses until there are credentials. Raises SaslError."""
    outcome = mechanism.step(None if initial is None else decode_response(initial))
    while isinstance(outcome, Challenge):
        session.write(responses.continuation(encode_challenge(outcome.octets)))
        outcome = mechanism.step(decode_response(await session.next_line()))
    assert isinstance(outcome, PasswordCredentials), "each mechanism in MECHANISMS gives a password"
    return outcome


async def _check(session: ImapSession, name: str, password: str) -> Completion:
    session.is_logging_in = True
    try:
        return await _log_in(session, name, password)
    finally:
        session.is_logging_in = False


async def _log_in(session: ImapSession, name: str, password: str) -> Completion:
    answer = await session.backend.authenticator.authenticate(
        name, password, client_ip=session.channel.client_ip, service="imap"
    )
    if isinstance(answer, Refusal):
        return _refused(session, answer)
    if not session.log_in(answer):
        return no("Too many connections of this account, close one of them", "LIMIT")
    await session.backend.mailboxes.ensure_defaults(session.account)
    session.connection.change_state(Transition.LOGGED_IN)
    session.connection.limits = session.options.limits
    session.on_login()
    return ok("Logged in", session.capability_code)


def _refused(session: ImapSession, refusal: Refusal) -> Completion:
    session.failed_logins += 1
    if session.failed_logins >= session.options.login_attempts:

        async def end() -> None:
            raise SessionOver("Too many failed logins")

        session.after_response = end
    return _REFUSALS[refusal.reason]
