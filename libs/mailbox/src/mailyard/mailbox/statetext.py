r"""The field `state` of a message: modseq and flags as one string, so that an index can hold them.

MongoDB cannot answer from an index with an array in it, and `flags` is an array. `state` is "+12 \Seen $Label" for a
message and "-13" for an expunged message; the number is the modseq of the change that wrote the text. A message with
another `modseq` was changed by version 0.2.0, which has no `state`: its own columns are valid then.
"""

from collections.abc import Collection
from functools import lru_cache

EXPUNGED = "-"
_SHORT = 256  # characters of a text whose set is kept


def state_text(modseq: int, flags: Collection[str]) -> str:
    """Return the state of a message."""
    return " ".join((f"+{modseq}", *sorted(flags)))


def expunged_text(modseq: int) -> str:
    """Return the state of an expunged message."""
    return f"{EXPUNGED}{modseq}"


def flags_in(state: str | None, modseq: int) -> frozenset[str] | None:
    """Return the flags; None when the state does not belong to this modseq, or the message is expunged."""
    if state is None:
        return None
    head, _, flags = state.partition(" ")
    if head != f"+{modseq}":
        return None
    return _flags(flags) if len(flags) <= _SHORT else frozenset(flags.split())


def is_expunged(state: str | None, modseq: int) -> bool:
    """Return whether the state is that of a message that was expunged with this modseq."""
    return state == expunged_text(modseq)


@lru_cache(maxsize=4096)
def _flags(text: str) -> frozenset[str]:
    """Return one set for all messages with the same flags: a large mailbox has few different sets."""
    return frozenset(text.split())
