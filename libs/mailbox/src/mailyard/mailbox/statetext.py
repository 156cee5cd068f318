r"""The field `state` of a message: modseq and flags as one string, so that an index can hold them.

MongoDB cannot answer from an index with an array in it, and `flags` is an array. `state` is "+12 \Seen $Label" for a
message that is there and "-13" for an expunged one; the number is the modseq of the change that wrote the text. A message
whose `modseq` is another one was changed by version 0.2.0, which knows no `state`: its own fields count.
"""

from collections.abc import Collection
from functools import lru_cache

EXPUNGED = "-"
_SHORT = 256  # characters of a text whose set is kept


def state_text(modseq: int, flags: Collection[str]) -> str:
    """Write the state of a message that is there."""
    return " ".join((f"+{modseq}", *sorted(flags)))


def expunged_text(modseq: int) -> str:
    """Write the state of an expunged message."""
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
    """Say whether the state is that of a message that was expunged with this modseq."""
    return state == expunged_text(modseq)


@lru_cache(maxsize=4096)
def _flags(text: str) -> frozenset[str]:
    """One set for all messages that have the same flags: a large mailbox has few different ones."""
    return frozenset(text.split())
