"""Greeting, EHLO keywords, HELP, and the `with` keyword of the Received field."""

import re
from functools import lru_cache

from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import Mode, Profile

_NAME = re.compile("[!#-'*-\\[\\]-~\u0080-\U0010ffff]{1,255}")


@lru_cache(maxsize=64)
def banner(profile: Profile) -> Reply:
    """Return the greeting, which names the server (RFC 5321 section 4.3.1)."""
    protocol = "LMTP" if profile.mode is Mode.LMTP else "ESMTP"
    return Reply(220, None, (f"{profile.hostname} {protocol} ready",))


def client_name(argument: str) -> str | None:
    """Return the name of a client in its hello; None when it cannot be part of a Received field.

    RFC 5321 section 4.1.4: a wrong name is no reason to refuse mail, so its meaning is not judged.
    """
    words = argument.split(maxsplit=1)
    return words[0] if words and _NAME.fullmatch(words[0]) else None


@lru_cache(maxsize=64)
def ehlo_reply(profile: Profile, *, offers_starttls: bool, offers_auth: bool) -> Reply:
    """Return the keywords of this server (RFC 5321 section 4.1.1.1)."""
    keywords = [profile.hostname, "PIPELINING", f"SIZE {profile.limits.message_size}"]
    keywords += ["STARTTLS"] * offers_starttls
    keywords += ["AUTH PLAIN LOGIN"] * offers_auth
    keywords += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING"]
    keywords += ["BINARYMIME"] * profile.binarymime
    keywords += ["DSN", "HELP"]
    return Reply(250, None, tuple(keywords))


@lru_cache(maxsize=64)
def help_reply(profile: Profile, *, offers_starttls: bool, offers_auth: bool) -> Reply:
    """Return the commands that can be used now (RFC 5321 section 4.1.1.8)."""
    hello = ["LHLO"] if profile.mode is Mode.LMTP else ["EHLO", "HELO"]
    words = [*hello, *["STARTTLS"] * offers_starttls, *["AUTH"] * offers_auth]
    words += ["MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "HELP", "QUIT"]
    lines = [f"Commands: {' '.join(words)}"]
    if profile.mode is Mode.SUBMISSION:
        lines.append("Submission of mail needs authentication; see your provider's instructions")
    return Reply(214, "2.0.0", tuple(lines))


@lru_cache(maxsize=64)
def with_keyword(mode: Mode, *, esmtp: bool, secured: bool, authenticated: bool, smtputf8: bool) -> str:
    """Return `with` of the Received field: RFC 3848 section 1; with SMTPUTF8, RFC 6531 section 4.3."""
    if not esmtp:
        return "SMTP"
    family = "LMTP" if mode is Mode.LMTP else "SMTP"
    prefix = "UTF8" if smtputf8 else "" if mode is Mode.LMTP else "E"
    return prefix + family + "S" * secured + "A" * authenticated
