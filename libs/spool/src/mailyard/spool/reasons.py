"""Why mail waits or fails, as the `reason` label of metrics: the subject of an enhanced status code (RFC 3463, section 3)."""

from collections.abc import Mapping
from types import MappingProxyType

OTHER = "other"
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "1": "address",
        "2": "mailbox",
        "3": "system",
        "4": "network",
        "5": "protocol",
        "6": "content",
        "7": "policy",
    }
)


def reason_of(status: str) -> str:
    """Return the name of a status code's subject; `other` for X.0.X, and for what is no status code."""
    return REASONS.get(status.partition(".")[2].partition(".")[0], OTHER)
