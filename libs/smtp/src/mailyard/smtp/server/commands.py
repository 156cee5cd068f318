"""What each command does where the state permits it: one function per verb.

A function returns a refusal; None where it has answered, asked the shell, or begun to read a message.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from mailyard.sasl.encoding import decode_response, encode_challenge
from mailyard.sasl.mechanism import Challenge, SaslError, SaslFailure
from mailyard.sasl.mechanisms import MECHANISMS
from mailyard.smtp.parameters import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    BodyType,
    MailParameters,
    ParameterError,
    RcptParameters,
    UnknownParameterError,
    parse_mail_parameters,
    parse_rcpt_parameters,
)
from mailyard.smtp.path import PathError, parse_forward_path, parse_reverse_path
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server import replies
from mailyard.smtp.server.dialogue import Chunk, Dialogue
from mailyard.smtp.server.dots import DotReader
from mailyard.smtp.server.events import MailFrom, MessageAborted, RcptTo, TlsRequested
from mailyard.smtp.server.greeting import client_name, ehlo_reply, help_reply
from mailyard.smtp.server.limits import Mode
from mailyard.smtp.server.states import Move
from mailyard.smtp.server.verbs import CHUNK_REFUSALS, Verb

T = TypeVar("T", MailParameters, RcptParameters)

# A path ends at the first ">" outside quotes. A space behind the colon is not allowed (RFC 5321 section 3.3), nor is
# a mailbox without brackets (section 4.1.2). Both are common, and other servers accept them.
_PATH = r' ?(<(?:[^<>"\\]|"(?:[^"\\]|\\.)*")*>|[^<>"\\\s]+@[^<>"\\\s]+)(?: +(.*))?'
_FROM = re.compile("FROM:" + _PATH, re.IGNORECASE)
_TO = re.compile("TO:" + _PATH, re.IGNORECASE)
_BDAT = re.compile(r"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)


def _helo(dialogue: Dialogue, argument: str) -> Reply | None:
    if dialogue.profile.mode is Mode.LMTP:
        return replies.SPEAK_LMTP
    if (name := client_name(argument)) is None:
        return replies.HELLO_SYNTAX
    dialogue.greeted(name, esmtp=False)
    return _done(dialogue, reply(250, None, dialogue.profile.hostname))


def _ehlo(dialogue: Dialogue, argument: str) -> Reply | None:
    if dialogue.profile.mode is Mode.LMTP:
        return replies.SPEAK_LMTP
    return _extended_hello(dialogue, argument)


def _lhlo(dialogue: Dialogue, argument: str) -> Reply | None:
    if dialogue.profile.mode is not Mode.LMTP:
        return replies.SPEAK_SMTP
    return _extended_hello(dialogue, argument)


def _extended_hello(dialogue: Dialogue, argument: str) -> Reply | None:
    if (name := client_name(argument)) is None:
        return replies.HELLO_SYNTAX
    dialogue.greeted(name, esmtp=True)
    starttls, auth = dialogue.offers_starttls, dialogue.offers_auth
    return _done(dialogue, ehlo_reply(dialogue.profile, offers_starttls=starttls, offers_auth=auth))


def _starttls(dialogue: Dialogue, argument: str) -> Reply | None:
    if argument:
        return replies.NO_ARGUMENT_ALLOWED  # RFC 3207 section 4
    if dialogue.secured:
        return replies.TLS_ACTIVE
    if not dialogue.profile.starttls:
        return replies.TLS_NOT_HERE
    dialogue.say(replies.START_TLS)
    dialogue.move(Move.TLS_AGREED)
    dialogue.events.append(TlsRequested())
    return None


def _auth(dialogue: Dialogue, argument: str) -> Reply | None:
    if dialogue.profile.mode is not Mode.SUBMISSION:
        return replies.NOT_HERE
    if dialogue.authenticated:
        return replies.AUTHENTICATED_ALREADY
    if not dialogue.offers_auth:
        return replies.ENCRYPTION_NEEDED
    mechanism, _, text = argument.partition(" ")
    if not mechanism:
        return replies.AUTH_SYNTAX
    if mechanism.upper() not in MECHANISMS:
        return replies.UNKNOWN_MECHANISM
    dialogue.mechanism = MECHANISMS[mechanism.upper()]()
    initial = text.strip().encode()
    return _step_exchange(dialogue, lambda: decode_response(initial) if initial else None)


_SASL_REFUSALS: Mapping[SaslFailure, Reply] = {
    SaslFailure.CANCELLED: replies.AUTH_CANCELLED,
    SaslFailure.NOT_BASE64: replies.BAD_BASE64,
    SaslFailure.MALFORMED: replies.BAD_CREDENTIALS,
}


def respond(dialogue: Dialogue, line: bytes) -> Reply | None:
    """Take a response of the client within AUTH (RFC 4954 section 4)."""
    return _step_exchange(dialogue, lambda: decode_response(line))


def _step_exchange(dialogue: Dialogue, decode: Callable[[], bytes | None]) -> Reply | None:
    """Give the mechanism a response; the exchange ends with credentials or a refusal, or goes on with a challenge."""
    assert dialogue.mechanism is not None
    try:
        outcome = dialogue.mechanism.step(decode())
    except SaslError as error:
        dialogue.move(Move.AUTH_ENDED)
        return _SASL_REFUSALS[error.failure]
    if isinstance(outcome, Challenge):
        dialogue.say(Reply(334, None, (encode_challenge(outcome.octets),)))
        dialogue.move(Move.CHALLENGE)
    else:
        dialogue.move(Move.AUTH_ENDED)
        dialogue.ask(outcome)
    return None


def _mail(dialogue: Dialogue, argument: str) -> Reply | None:
    if dialogue.profile.mode is Mode.SUBMISSION and not dialogue.authenticated:
        # RFC 4954 section 6 and RFC 3207 section 4.
        return replies.AUTHENTICATION_REQUIRED if dialogue.offers_auth else replies.TLS_REQUIRED
    if (match := _FROM.fullmatch(argument)) is None:
        return replies.MAIL_SYNTAX
    try:
        path = parse_reverse_path(_bracketed(match[1]))
    except PathError:
        return replies.BAD_SENDER
    parameters = _parameters(dialogue, parse_mail_parameters, match[2]) if match[2] else NO_MAIL_PARAMETERS
    if isinstance(parameters, Reply):
        return parameters
    if parameters.body is BodyType.BINARY and not dialogue.profile.binarymime:
        return replies.BODY_NOT_OFFERED
    if parameters.size > dialogue.profile.limits.message_size:
        return replies.MESSAGE_TOO_BIG  # RFC 1870 section 6.1
    if not parameters.smtputf8 and not path.is_ascii:
        return replies.NEEDS_SMTPUTF8
    dialogue.ask(MailFrom(path, parameters))
    return None


def _rcpt(dialogue: Dialogue, argument: str) -> Reply | None:
    if (match := _TO.fullmatch(argument)) is None:
        return replies.RCPT_SYNTAX
    try:
        path = parse_forward_path(_bracketed(match[1]))
    except PathError:
        return replies.BAD_RECIPIENT
    parameters = _parameters(dialogue, parse_rcpt_parameters, match[2]) if match[2] else NO_RCPT_PARAMETERS
    if isinstance(parameters, Reply):
        return parameters
    assert dialogue.mail is not None
    if not dialogue.mail.parameters.smtputf8 and not path.is_ascii:
        return replies.NEEDS_SMTPUTF8
    if len(dialogue.recipients) >= dialogue.profile.limits.recipients:
        return replies.TOO_MANY_RECIPIENTS
    dialogue.ask(RcptTo(path, parameters))
    return None


def _bracketed(path: str) -> str:
    return path if path.startswith("<") else f"<{path}>"


def _parameters(dialogue: Dialogue, parse: Callable[[str], T], text: str) -> T | Reply:
    """Parse parameters (RFC 5321 section 4.1.1.11): 555 for a parameter that was not offered, 501 for a wrong value. HELO offers none."""
    if not dialogue.esmtp:
        return replies.PARAMETERS_NEED_EHLO
    try:
        return parse(text)
    except UnknownParameterError as error:
        return reply(555, "5.5.4", f"Unsupported parameter: {str(error)[:40]}")
    except ParameterError as error:
        return reply(501, "5.5.4", str(error)[:200])


def _data(dialogue: Dialogue, argument: str) -> Reply | None:
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    assert dialogue.mail is not None
    if dialogue.mail.parameters.body is BodyType.BINARY:
        return replies.BINARY_NEEDS_BDAT
    dialogue.begin_content()
    dialogue.dots = DotReader()
    dialogue.say(replies.START_DATA)
    dialogue.move(Move.DATA_BEGUN)
    return None


def _bdat(dialogue: Dialogue, argument: str) -> Reply | None:
    """Begin a chunk in any state: its octets follow whatever the answer will be (RFC 3030 section 2)."""
    if (match := _BDAT.fullmatch(argument)) is None:
        # The end of the octets is unknown: to read on would take them for commands.
        dialogue.hang_up(replies.BDAT_SYNTAX)
        return None
    size = int(match[1])
    refusal = CHUNK_REFUSALS.get(dialogue.state)
    if refusal is not None and size > dialogue.profile.most_octets:
        dialogue.break_off(refusal)
        return None
    dialogue.chunk = Chunk(size, size, match[2] is not None, refusal)
    if refusal is not None:
        return None
    dialogue.move(Move.CHUNK_BEGUN)
    content = dialogue.content or dialogue.begin_content()
    if content.seen + size > dialogue.profile.most_octets:
        dialogue.break_off(content.refusal or replies.MESSAGE_TOO_BIG)
        return None
    if content.size + size > dialogue.profile.limits.message_size:
        content.refuse(replies.MESSAGE_TOO_BIG)
        dialogue.events.append(MessageAborted())
    return None


def _rset(dialogue: Dialogue, argument: str) -> Reply | None:
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    dialogue.reset()
    return _done(dialogue, replies.OK)


def _noop(dialogue: Dialogue, _argument: str) -> Reply | None:
    return _done(dialogue, replies.OK)


def _vrfy(dialogue: Dialogue, argument: str) -> Reply | None:
    """Answer without revealing addresses (RFC 5321 section 7.3)."""
    return _done(dialogue, replies.VRFY) if argument else replies.VRFY_SYNTAX


def _expn(_dialogue: Dialogue, _argument: str) -> Reply | None:
    return replies.NOT_HERE


def _help(dialogue: Dialogue, _argument: str) -> Reply | None:
    starttls, auth = dialogue.offers_starttls, dialogue.offers_auth
    return _done(dialogue, help_reply(dialogue.profile, offers_starttls=starttls, offers_auth=auth))


def _quit(dialogue: Dialogue, argument: str) -> Reply | None:
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    dialogue.hang_up(replies.GOODBYE)
    return None


def _done(dialogue: Dialogue, answer: Reply) -> Reply | None:
    """Answer a command that is no step towards a message."""
    dialogue.tally.idle_commands += 1
    dialogue.say(answer)
    return None


COMMANDS: Mapping[Verb, Callable[[Dialogue, str], Reply | None]] = {
    Verb.HELO: _helo,
    Verb.EHLO: _ehlo,
    Verb.LHLO: _lhlo,
    Verb.STARTTLS: _starttls,
    Verb.AUTH: _auth,
    Verb.MAIL: _mail,
    Verb.RCPT: _rcpt,
    Verb.DATA: _data,
    Verb.BDAT: _bdat,
    Verb.RSET: _rset,
    Verb.NOOP: _noop,
    Verb.VRFY: _vrfy,
    Verb.EXPN: _expn,
    Verb.HELP: _help,
    Verb.QUIT: _quit,
}
