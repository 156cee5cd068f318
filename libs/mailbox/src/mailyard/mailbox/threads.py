"""Threads: messages that name the same first message have the same thread id."""

import hashlib
from collections.abc import Sequence

_OCTETS = 12


def thread_id(message_id: str, in_reply_to: str, references: Sequence[str]) -> str:
    """Return a thread id from the header alone: the first reference, else what it replies to, else itself.

    RFC 5322, section 3.6.4: References names the whole line of descent, the first message first.
    """
    first = references[0] if references else in_reply_to or message_id
    return (
        hashlib.blake2b(first.encode("utf-8", "surrogateescape"), digest_size=_OCTETS).hexdigest()
        if first
        else ""
    )
