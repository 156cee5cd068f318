"""What the server says that it can do, in each state (RFC 3501, section 6.1.1)."""

from collections.abc import Mapping

from mailyard.imap.core.states import State
from mailyard.sasl.mechanism import Mechanism
from mailyard.sasl.mechanisms import Plain

MECHANISMS: Mapping[str, type[Mechanism]] = {Plain.name: Plain}
"""The SASL mechanisms of AUTHENTICATE."""

# Shown before login too: clients that never ask again (Python's imaplib) would miss them.
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


def capabilities(state: State, *, may_start_tls: bool, may_log_in: bool) -> tuple[str, ...]:
    """The names for CAPABILITY. Without TLS, LOGINDISABLED stands in place of the mechanisms (section 6.2.3)."""
    if state is not State.NOT_AUTHENTICATED:
        return _EXTENSIONS
    tls = ("STARTTLS",) if may_start_tls else ()
    login = tuple(f"AUTH={name}" for name in MECHANISMS) if may_log_in else ("LOGINDISABLED",)
    return _EXTENSIONS + tls + login
