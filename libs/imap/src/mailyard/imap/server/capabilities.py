"""Capabilities of the server in each state (RFC 3501, section 6.1.1)."""

from collections.abc import Mapping

from mailyard.imap.states import SessionState
from mailyard.sasl.mechanism import Mechanism
from mailyard.sasl.mechanisms import Plain

MECHANISMS: Mapping[str, type[Mechanism]] = {Plain.name: Plain}
"""The SASL mechanisms of AUTHENTICATE."""

# Shown before login too: some clients (Python's imaplib) do not ask again.
_EXTENSIONS = (
    "IMAP4rev1",
    "LITERAL+",  # RFC 7888
    "SASL-IR",  # RFC 4959
    "ID",  # RFC 2971
    "IDLE",  # RFC 2177
    "NAMESPACE",  # RFC 2342
    "CHILDREN",  # RFC 3348
    "SPECIAL-USE",  # RFC 6154
    "CREATE-SPECIAL-USE",  # RFC 6154
    "UIDPLUS",  # RFC 4315
    "MOVE",  # RFC 6851
    "UNSELECT",  # RFC 3691
)


def capabilities(state: SessionState, *, may_start_tls: bool, may_log_in: bool) -> tuple[str, ...]:
    """Return the names for CAPABILITY. Without TLS there is LOGINDISABLED instead of mechanisms (section 6.2.3)."""
    if state is not SessionState.NOT_AUTHENTICATED:
        return _EXTENSIONS
    tls = ("STARTTLS",) if may_start_tls else ()
    login = tuple(f"AUTH={name}" for name in MECHANISMS) if may_log_in else ("LOGINDISABLED",)
    return _EXTENSIONS + tls + login
